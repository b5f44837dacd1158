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

// listAgeMax is how long a list of the host's processes serves: to make one takes
// longer than all the rest. What a child has forked meanwhile is counted later.
const listAgeMax = time.Second

// Meter samples, and remembers of each process what makes the next sample cheap
// and tells the CPU used in between. The zero value is ready; any number of
// goroutines may use it, one after the other is served.
type Meter struct {
	mu      sync.Mutex
	known   map[int]*process // by pid
	samples uint64           // how many there were
	list    list             // the last one
}

// Begin begins a sample: the host's processes are listed, where the last list is too
// old, while the caller finds out whom to ask about. Who begins one and does not end it
// loses nothing.
func (m *Meter) Begin() *Sample {
	s := &Sample{meter: m, list: make(chan list, 1)} // so that the goroutine never waits
	m.mu.Lock()
	defer m.mu.Unlock()
	if time.Since(m.list.at) < listAgeMax {
		s.list <- m.list
	} else {
		go func() { s.list <- newList() }()
	}
	return s
}

// Sample is one sample that has begun.
type Sample struct {
	meter *Meter
	list  chan list
}

// Of ends the sample: it measures the children with the given main processes, and
// answers in their order. A helper that is younger than a second may not be counted
// yet; if the host's processes could not be listed (no /proc) none is. It costs at
// most 7 us for each process that is new, 4 us for each that has run since the last
// sample, and 0.3 us for each other one; to list the host's processes takes 0.5 us each.
func (s *Sample) Of(pids []int) []Usage {
	m := s.meter
	m.mu.Lock()
	defer m.mu.Unlock()
	m.samples++
	now, booted := time.Now(), sinceBoot()
	counted := m.mains(pids)
	m.list = <-s.list
	counted = append(counted, m.helpers()...)
	read(counted, now)
	usages, cpus := make([]Usage, len(pids)), make([]time.Duration, len(pids))
	for _, p := range counted {
		if p.gone {
			delete(m.known, p.pid)
			continue
		}
		u := &usages[p.child]
		u.Processes++
		u.Memory += p.memory
		cpus[p.child] += p.cpu
	}
	for _, main := range counted {
		if u := &usages[main.child]; main.main == m.samples && !main.gone {
			u.CPUPercent = math.Round(main.percent(cpus[main.child], now, booted)*1e3) / 1e3
		}
	}
	for i := range usages {
		usages[i].CPUSeconds = math.Round(cpus[i].Seconds()*1e6) / 1e6
	}
	m.forget(now)
	return usages
}

// mains are the main processes of children, as far as there are any.
func (m *Meter) mains(pids []int) []*process {
	if m.known == nil {
		m.known = make(map[int]*process, len(pids))
	}
	mains := make([]*process, 0, len(pids))
	for child, pid := range pids {
		if pid > 0 {
			mains = append(mains, m.process(pid, child))
			mains[len(mains)-1].main = m.samples
		}
	}
	return mains
}

// process is what is known of a process, which belongs to a child.
func (m *Meter) process(pid, child int) *process {
	p := m.known[pid]
	if p == nil {
		p = &process{pid: pid}
		m.known[pid] = p
	}
	p.child = child
	return p
}

// helpers are the other processes of the sessions that the main processes lead.
func (m *Meter) helpers() []*process {
	var helpers []*process
	for _, one := range m.list.all {
		main := m.known[one.session]
		if main == nil || main.main != m.samples || one.pid == one.session {
			continue
		}
		if p := m.known[one.pid]; p == nil || p.main != m.samples {
			helpers = append(helpers, m.process(one.pid, main.child))
		}
	}
	return helpers
}

// list is a list of the host's processes.
type list struct {
	at  time.Time
	all []listed
}

// listed is a process of the host.
type listed struct{ pid, session int }

// newList lists the host's processes, as far as that is possible.
func newList() list {
	l := list{at: time.Now()}
	proc, err := os.Open("/proc")
	if err != nil {
		return l
	}
	defer proc.Close()
	names, _ := proc.Readdirnames(-1) // what was listed before a fault is as good
	l.all = make([]listed, 0, len(names))
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if session, err := unix.Getsid(pid); err == nil {
			l.all = append(l.all, listed{pid, session})
		}
	}
	return l
}

// forget drops what nobody has asked for in a while.
func (m *Meter) forget(now time.Time) {
	for pid, p := range m.known {
		if now.Sub(p.read) > baselineAgeMax {
			delete(m.known, pid)
		}
	}
}
