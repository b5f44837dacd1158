package usage

import (
	"math"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Usage is what one child costs: the sum over its main process and the other
// processes of that process's session.
type Usage struct {
	// Processes is how many were counted; 0: nothing of the child lives any more, and
	// nothing else is told.
	Processes int
	// CPUSeconds is user and system time of the processes that live now, since
	// their starts, to the microsecond.
	CPUSeconds float64
	// CPUPercent is of one core, so 200 is two full ones: since the previous
	// sample where that is 200 ms to 60 s old, else over the lifetime of the
	// main process, as ps counts.
	CPUPercent float64
	// Memory is resident bytes. Pages that the processes share count for each.
	Memory uint64
}

// The age that a previous sample must have to be compared with. A younger one
// measures moments, an older one says little about now.
const (
	baselineAgeMin = 200 * time.Millisecond
	baselineAgeMax = 60 * time.Second
)

// Meter samples, and remembers of each process what makes the next sample cheap
// and tells the CPU used in between. The zero value is ready; any number of
// goroutines may use it, one after the other is served.
type Meter struct {
	mu        sync.Mutex
	baselines map[int]baseline // by main pid
	known     map[int]reading  // by pid: the last reading of each process
}

// baseline is the earlier sample that a later one is compared with.
type baseline struct {
	at  time.Time
	cpu time.Duration
}

// Sample measures the children with the given main processes, and answers in their
// order; if the host's processes cannot be listed (no /proc) only main processes
// are counted. It costs at most 7 us for each process of a child that is new, 4 us for
// each that has run since the last sample, and 0.6 us for each other one on the host.
func (m *Meter) Sample(pids []int) []Usage {
	m.mu.Lock()
	defer m.mu.Unlock()
	parts := sessions(pids)
	now := time.Now()
	readings := read(parts, m.known, now)
	usages, cpus := make([]Usage, len(pids)), make([]time.Duration, len(pids))
	starts := make([]time.Duration, len(pids))
	for i, r := range readings {
		p := parts[i]
		if !r.alive {
			delete(m.known, p.pid)
			continue
		}
		if m.known == nil {
			m.known = make(map[int]reading, len(parts))
		}
		m.known[p.pid] = r
		usages[p.child].Processes++
		usages[p.child].Memory += r.memory
		cpus[p.child] += r.cpu
		if p.pid == pids[p.child] {
			starts[p.child] = r.start
		}
	}
	booted := sinceBoot()
	for i := range usages {
		if usages[i].Processes > 0 {
			usages[i].CPUSeconds = math.Round(cpus[i].Seconds()*1e6) / 1e6
			usages[i].CPUPercent = math.Round(m.percent(pids[i], cpus[i], now, booted-starts[i])*1e3) / 1e3
		}
	}
	m.forget(now)
	return usages
}

// percent compares with the baseline of a pid and renews it. A baseline that is
// too young stays, so that frequent callers still find one that is old enough.
// CPU time that went down tells of a helper that ended, or of a pid that was
// used again: only the lifetime makes sense then. A process counts as at least a
// second old: what it took to start is no rate.
func (m *Meter) percent(pid int, cpu time.Duration, now time.Time, lifetime time.Duration) float64 {
	last, known := m.baselines[pid]
	age := now.Sub(last.at)
	if !known || age >= baselineAgeMin {
		if m.baselines == nil {
			m.baselines = map[int]baseline{}
		}
		m.baselines[pid] = baseline{at: now, cpu: cpu}
	}
	if !known || age < baselineAgeMin || age > baselineAgeMax || cpu < last.cpu {
		return 100 * float64(cpu) / float64(max(lifetime, time.Second))
	}
	return 100 * float64(cpu-last.cpu) / float64(age)
}

// forget drops what is too old to be compared with.
func (m *Meter) forget(now time.Time) {
	for pid, last := range m.baselines {
		if now.Sub(last.at) > baselineAgeMax {
			delete(m.baselines, pid)
		}
	}
	for pid, last := range m.known {
		if now.Sub(last.at) > baselineAgeMax {
			delete(m.known, pid)
		}
	}
}

// part is one process of a child, which is told by its place among those asked for.
type part struct{ pid, child int }

// sessions finds the processes of the sessions that the given processes lead,
// themselves first.
func sessions(mains []int) []part {
	parts := make([]part, 0, len(mains)+16)
	children := make(map[int]int, len(mains))
	for child, pid := range mains {
		if pid > 0 {
			children[pid] = child
			parts = append(parts, part{pid, child})
		}
	}
	proc, err := os.Open("/proc")
	if err != nil {
		return parts
	}
	defer proc.Close()
	names, _ := proc.Readdirnames(-1) // what was listed before a fault is as good
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if _, main := children[pid]; main {
			continue
		}
		if session, err := unix.Getsid(pid); err == nil {
			if child, ours := children[session]; ours {
				parts = append(parts, part{pid, child})
			}
		}
	}
	return parts
}
