package probe

import (
	"container/heap"
	"time"

	"golang.org/x/sys/unix"

	"coppice/configs"
)

const (
	// connectingMax is how many connections questions of one lane have at the same
	// time, each with a descriptor and no thread.
	connectingMax = 1024
	// runningMax is how many commands of one lane run at the same time, each a process.
	runningMax = 64
	// lookingMax is how many questions of one lane that only look at this host are
	// asked at the same time. They are answered at once.
	lookingMax = 64
)

// lane are questions that wait for each other: no more of them are asked at once than
// it has room for.
type lane struct {
	schedule schedule
	busy     int // questions that wait for their answer
	most     int
}

// lanes are those of questions that connect, that run a command, and that only look:
// three about readiness, three about health.
type lanes [6]lane

func newLanes() (l lanes) {
	for i := range l {
		l[i].most = [...]int{connections(), runningMax, lookingMax}[i%3]
	}
	return l
}

// connections is how many there may be: those that hang must leave descriptors enough
// for all else.
func connections() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return connectingMax
	}
	return int(min(connectingMax, max(limit.Cur/8, 1)))
}

// of is the lane of a question.
func (l *lanes) of(q Question) *lane {
	at := 0
	switch q.Probe.Kind {
	case configs.ProbeCommand:
		at = 1
	case configs.ProbeListening, configs.ProbeLog:
		at = 2
	}
	if q.Interval > 0 {
		at += 3
	}
	return &l[at]
}

// next takes the next question that is due; nil: there is none, or no room for it.
func (l *lane) next(now time.Time) *asked {
	for len(l.schedule) > 0 && l.busy < l.most {
		a := l.schedule[0]
		ended := a.ended.Err() != nil
		if !ended && a.at.After(now) {
			return nil
		}
		heap.Pop(&l.schedule)
		if !ended {
			return a
		}
	}
	return nil
}

// until is how long it is until the next question; false: there is none, or no room
// for it.
func (l *lane) until(now time.Time) (time.Duration, bool) {
	if len(l.schedule) == 0 || l.busy >= l.most {
		return 0, false
	}
	return l.schedule[0].at.Sub(now), true
}

// schedule is a heap of questions, the next one first.
type schedule []*asked

func (s schedule) Len() int           { return len(s) }
func (s schedule) Less(i, j int) bool { return s[i].at.Before(s[j].at) }
func (s schedule) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }
func (s *schedule) Push(x any)        { *s = append(*s, x.(*asked)) }
func (s *schedule) Pop() any {
	old := *s
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*s = old[:len(old)-1]
	return last
}
