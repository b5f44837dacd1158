package usage

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/shirou/gopsutil/v3/process"
	"golang.org/x/sys/unix"
)

// memoryAgeMax is how long the memory of a process that has not run is what it was:
// only the kernel changes it then, where it needs the pages for others.
const memoryAgeMax = 5 * time.Second

// sharedFrom is the number of processes from which on another CPU is worth a
// goroutine.
const sharedFrom = 64

// readersMax is how many goroutines read at once at most: they share the locks of
// /proc.
const readersMax = 4

// ticksPerSecond is the unit of times in /proc, USER_HZ: 100 on everything that Go
// runs on.
const ticksPerSecond = 100

// reading is what was found out about one process.
type reading struct {
	alive  bool
	cpu    time.Duration // user and system time, also of threads that have ended
	memory uint64        // resident bytes
	start  time.Duration // since boot
	at     time.Time     // when memory was read
}

// read reads all the parts, by several goroutines where there are many. known is what
// earlier readings have found, and only read.
func read(parts []part, known map[int]reading, now time.Time) []reading {
	readings := make([]reading, len(parts))
	folder, err := unix.Open("/proc", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return readings // nobody can tell
	}
	defer unix.Close(folder)
	readers := min(runtime.GOMAXPROCS(0), readersMax, 1+len(parts)/sharedFrom)
	share := (len(parts) + readers - 1) / readers
	some := func(from, to int) {
		r := reader{proc: folder}
		for i := from; i < to; i++ {
			readings[i] = r.process(parts[i].pid, known, now)
		}
	}
	var others sync.WaitGroup
	for from := share; from < len(parts); from += share {
		others.Go(func() { some(from, min(from+share, len(parts))) })
	}
	some(0, min(share, len(parts)))
	others.Wait()
	return readings
}

// reader reads processes one after the other.
type reader struct {
	proc int        // the folder /proc
	text [1024]byte // longer than any stat
}

// process reads one process. A zombie is alive, and has no memory.
func (r *reader) process(pid int, known map[int]reading, now time.Time) reading {
	cpu, ok := processClock(pid)
	if !ok {
		return readSlowly(pid, now)
	}
	last, seen := known[pid]
	switch {
	case seen && last.cpu == cpu && now.Sub(last.at) < memoryAgeMax:
		return last
	case seen && last.cpu <= cpu: // else its number was used again
		statm := r.file(pid, "/statm")
		pages, ok := field(statm, 2)
		return reading{alive: ok, cpu: cpu, memory: pages * pageSize, start: last.start, at: now}
	}
	stat := r.file(pid, "/stat")
	// The second field is a name in brackets, which may have any character.
	behind := stat[bytes.LastIndexByte(stat, ')')+1:]
	ticks, ok := field(behind, 22-2)
	pages, also := field(behind, 24-2)
	start := time.Duration(ticks) * (time.Second / ticksPerSecond)
	return reading{alive: ok && also, cpu: cpu, memory: pages * pageSize, start: start, at: now}
}

var pageSize = uint64(os.Getpagesize())

// file reads a file of a process, which fits; it is empty where the process is gone.
// The text is the reader's, until the next one.
func (r *reader) file(pid int, name string) []byte {
	fd, err := unix.Openat(r.proc, strconv.Itoa(pid)+name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	n, err := unix.Read(fd, r.text[:])
	_ = unix.Close(fd) // nothing was written
	if err != nil {
		return nil
	}
	return r.text[:n]
}

// field is a number in a line of words, the first of which is 1.
func field(line []byte, number int) (uint64, bool) {
	at := 0
	for word := range bytes.FieldsSeq(line) {
		if at++; at == number {
			n, err := strconv.ParseUint(string(word), 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}

// processClock is the CPU time of a process, whoever it belongs to; false: there is no
// such process, or no such clock. The number of the clock is that of
// clock_getcpuclockid(3): the pid's complement, and 2 for the time that it was scheduled.
func processClock(pid int) (time.Duration, bool) {
	var spent unix.Timespec
	err := unix.ClockGettime(int32(^pid<<3|2), &spent)
	return time.Duration(spent.Nano()), err == nil
}

// sinceBoot is the clock by which the starts of processes are told.
func sinceBoot() time.Duration {
	var at unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &at) // Linux has had it since 2.6.39
	return time.Duration(at.Nano())
}

// readSlowly reads a process where there are no clocks of processes, and finds out
// that it is gone everywhere else.
func readSlowly(pid int, now time.Time) reading {
	p := process.Process{Pid: int32(pid)}
	memory, err := p.MemoryInfo()
	if err != nil {
		return reading{}
	}
	times, err := p.Times()
	if err != nil {
		return reading{}
	}
	r := reading{alive: true, memory: memory.RSS, cpu: time.Duration((times.User + times.System) * float64(time.Second)), at: now}
	created, err := p.CreateTime()
	if err == nil {
		r.start = sinceBoot() - now.Sub(time.UnixMilli(created))
	}
	return r
}
