package usage

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	gopsutil "github.com/shirou/gopsutil/v3/process"
	"golang.org/x/sys/unix"
)

// memoryAgeMax is how long the memory of a process that has not run is what it was:
// only the kernel changes it then, where it needs the pages for others.
const memoryAgeMax = 5 * time.Second

// readersMax is how many goroutines read at once at most: they share the locks of
// /proc. readAtOnce is how many processes one of them takes up at once; more are
// worth another goroutine.
const (
	readersMax = 4
	readAtOnce = 64
)

// ticksPerSecond is the unit of times in /proc, USER_HZ: 100 on everything that Go
// runs on.
const ticksPerSecond = 100

// process is what is known of one process.
type process struct {
	pid   int
	child int    // its place among those that are asked for
	main  uint64 // the last sample in which it was a child's main process

	gone   bool
	cpu    time.Duration // user and system time, also of threads that have ended
	memory uint64        // resident bytes
	read   time.Time     // when memory was; zero: never
	start  time.Duration // since boot

	// Of a main process: the earlier sample that a later one is compared with, of its
	// whole session.
	baselineAt  time.Time // zero: none
	baselineCPU time.Duration
}

// percent compares the CPU time of a session with the baseline of its main process and renews that. A
// baseline that is too young stays, so that frequent callers still find one that is old
// enough. CPU time that went down tells of a helper that ended: only the lifetime
// makes sense then. A process counts as at least a second old: what it took to start
// is no rate.
func (p *process) percent(cpu time.Duration, now time.Time, booted time.Duration) float64 {
	age, since := now.Sub(p.baselineAt), cpu-p.baselineCPU
	known := !p.baselineAt.IsZero()
	if !known || age >= baselineAgeMin {
		p.baselineAt, p.baselineCPU = now, cpu
	}
	if !known || age < baselineAgeMin || age > baselineAgeMax || since < 0 {
		return 100 * float64(cpu) / float64(max(booted-p.start, time.Second))
	}
	return 100 * float64(since) / float64(age)
}

// read reads processes. Where there are many, several goroutines read.
func read(processes []*process, now time.Time) {
	folder, err := unix.Open("/proc", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		folder = -1 // then no file is found
	} else {
		defer unix.Close(folder)
	}
	var others sync.WaitGroup
	work := share(folder, processes, now)
	for range min(runtime.GOMAXPROCS(0), readersMax, 1+len(processes)/readAtOnce) - 1 {
		others.Go(work)
	}
	work()
	others.Wait()
}

// share reads processes, for as many goroutines as call it.
func share(folder int, processes []*process, now time.Time) func() {
	var taken atomic.Int64
	return func() {
		r := reader{proc: folder}
		for {
			to := int(taken.Add(readAtOnce))
			if to-readAtOnce >= len(processes) {
				return
			}
			for _, p := range processes[to-readAtOnce : min(to, len(processes))] {
				r.process(p, now)
			}
		}
	}
}

// reader reads processes one after the other.
type reader struct {
	proc int        // the folder /proc
	text [1024]byte // longer than any stat
}

// process reads one process. A zombie is there, and has no memory.
func (r *reader) process(p *process, now time.Time) {
	cpu, ok := processClock(p.pid)
	if !ok {
		p.readSlowly(now)
		return
	}
	last := p.cpu
	p.cpu = cpu
	switch {
	case p.read.IsZero() || cpu < last: // in the second case its number was used again
		r.stat(p)
	case cpu == last && now.Sub(p.read) < memoryAgeMax:
		return
	}
	// The number of pages in stat leaves out what a CPU has counted and not yet told,
	// which of a small process is all.
	pages, ok := field(r.file(p.pid, "/statm"), 2)
	p.memory, p.gone = pages*pageSize, !ok
	p.read = now
}

// stat reads the start of a process.
func (r *reader) stat(p *process) {
	stat := r.file(p.pid, "/stat")
	// The second field is a name in brackets, which may have any character.
	behind := stat[bytes.LastIndexByte(stat, ')')+1:]
	ticks, _ := field(behind, 22-2) // of one that is gone statm tells
	p.start = time.Duration(ticks) * (time.Second / ticksPerSecond)
	p.baselineAt = time.Time{}
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
func (p *process) readSlowly(now time.Time) {
	p.gone, p.read = true, now
	slow := gopsutil.Process{Pid: int32(p.pid)}
	memory, err := slow.MemoryInfo()
	if err != nil {
		return
	}
	times, err := slow.Times()
	if err != nil {
		return
	}
	p.gone, p.memory = false, memory.RSS
	p.cpu = time.Duration((times.User + times.System) * float64(time.Second))
	if created, err := slow.CreateTime(); err == nil {
		p.start = sinceBoot() - now.Sub(time.UnixMilli(created))
	}
}
