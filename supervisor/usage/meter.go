package usage

import (
	"sync"
	"time"

	"github.com/shirou/gopsutil/v3/host"
	"github.com/shirou/gopsutil/v3/process"
	"golang.org/x/sys/unix"
)

// Usage is what one child costs: the sum over its main process and the other
// processes of that process's session.
type Usage struct {
	// CPUSeconds is user and system time of the processes that live now, since
	// their starts.
	CPUSeconds float64
	// CPUPercent is of one core, so 200 is two full ones: since the previous
	// sample where that is 200 ms to 60 s old, else over the lifetime of the
	// main process, as ps counts.
	CPUPercent float64
	// Memory is resident bytes. Pages that the processes share count for each.
	Memory uint64
}

// The age that a previous sample must have to be compared with. A younger one
// measures the clock tick (10 ms), an older one says little about now.
const (
	baselineAgeMin = 200 * time.Millisecond
	baselineAgeMax = 60 * time.Second
)

// Meter samples and remembers the last sample of each process, to tell the CPU
// used in between. The zero value is ready; any number of goroutines may use it.
type Meter struct {
	baselinesMu sync.Mutex
	baselines   map[int]baseline // by main pid
}

// baseline is the earlier sample that a later one is compared with.
type baseline struct {
	at         time.Time
	cpuSeconds float64
}

// Sample measures the children whose main processes are given by name. A child
// of which nothing lives any more is absent from the answer; if the host's
// processes cannot be listed (no /proc) only main processes are counted. It
// costs about 40 us for each process of a child and 1 us for each other one on
// the host.
func (m *Meter) Sample(pids map[string]int) map[string]Usage {
	sums := sumSessions(pids)
	now := time.Now()
	usages := make(map[string]Usage, len(pids))
	for name, pid := range pids {
		if sum, ok := sums[pid]; ok {
			usages[name] = Usage{CPUSeconds: sum.cpuSeconds, Memory: sum.memory}
		}
	}
	m.baselinesMu.Lock()
	defer m.baselinesMu.Unlock()
	for name, u := range usages {
		u.CPUPercent = m.percent(pids[name], u.CPUSeconds, now)
		usages[name] = u
	}
	m.forget(now)
	return usages
}

// percent compares with the baseline of a pid and renews it. A baseline that is
// too young stays, so that frequent callers still find one that is old enough.
// CPU time that went down tells of a helper that ended, or of a pid that was
// used again: only the lifetime makes sense then.
func (m *Meter) percent(pid int, cpuSeconds float64, now time.Time) float64 {
	last, known := m.baselines[pid]
	age := now.Sub(last.at)
	if known && age < baselineAgeMin {
		return lifetimePercent(pid, cpuSeconds)
	}
	if m.baselines == nil {
		m.baselines = map[int]baseline{}
	}
	m.baselines[pid] = baseline{at: now, cpuSeconds: cpuSeconds}
	if !known || age > baselineAgeMax || cpuSeconds < last.cpuSeconds {
		return lifetimePercent(pid, cpuSeconds)
	}
	return 100 * (cpuSeconds - last.cpuSeconds) / age.Seconds()
}

// forget drops the baselines that are too old to be compared with.
func (m *Meter) forget(now time.Time) {
	for pid, last := range m.baselines {
		if now.Sub(last.at) > baselineAgeMax {
			delete(m.baselines, pid)
		}
	}
}

// lifetimePercent is CPU time over the age of a process. The start of a process
// is known in whole seconds, so nothing counts as younger than one.
func lifetimePercent(pid int, cpuSeconds float64) float64 {
	createdMillis, err := (&process.Process{Pid: int32(pid)}).CreateTime()
	if err != nil {
		return 0
	}
	booted, err := host.BootTime()
	if err != nil {
		return 0
	}
	var sinceBoot unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &sinceBoot); err != nil {
		return 0
	}
	// What is called the boot time was taken from the wall clock once, and both
	// of them have the same error; the difference has none.
	createdSinceBoot := float64(createdMillis/1000 - int64(booted))
	age := time.Duration(sinceBoot.Nano()).Seconds() - createdSinceBoot
	return 100 * cpuSeconds / max(age, 1)
}

// cacheBootTime keeps gopsutil from working out the boot time anew for each
// process, which takes longer than all the rest.
var cacheBootTime = sync.OnceFunc(func() {
	process.EnableBootTimeCache(true)
	host.EnableBootTimeCache(true)
})

// sum is the cost of one session.
type sum struct {
	cpuSeconds float64
	memory     uint64
}

// sumSessions adds up the sessions led by the given main pids. A process that
// vanishes meanwhile is skipped.
func sumSessions(pids map[string]int) map[int]sum {
	cacheBootTime()
	sums := make(map[int]sum, len(pids))
	mains := make(map[int]bool, len(pids))
	for _, pid := range pids {
		if pid > 0 {
			mains[pid] = true
			addProcess(sums, pid, pid)
		}
	}
	all, err := process.Pids()
	if err != nil {
		return sums
	}
	for _, pid32 := range all {
		pid := int(pid32)
		if mains[pid] {
			continue
		}
		if session, err := unix.Getsid(pid); err == nil && mains[session] {
			addProcess(sums, session, pid)
		}
	}
	return sums
}

// addProcess adds one process to the session led by main.
func addProcess(sums map[int]sum, main, pid int) {
	p := process.Process{Pid: int32(pid)}
	times, err := p.Times()
	if err != nil {
		return
	}
	memory, err := p.MemoryInfo()
	if err != nil {
		return
	}
	s := sums[main]
	s.cpuSeconds += times.User + times.System
	s.memory += memory.RSS
	sums[main] = s
}
