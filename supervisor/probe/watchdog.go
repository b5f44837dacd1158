package probe

import (
	"cmp"
	"container/heap"
	"fmt"
	"time"

	"coppice/tree"
)

// spansMax is how often it is told that a process has chosen another span.
const spansMax = 64

// watchdog is the time by which a process has to say that it is well.
type watchdog struct {
	span    time.Duration // 0: nobody waits for it
	fed     time.Time     // when it said so last, or Watch was called
	planned time.Time     // the earliest time at which it is looked at
	well    bool          // it was told that it has said so
	// triggered: it has said that it is not well before anybody waited.
	triggered bool
}

// look is a time at which the watchdog of a socket is to be looked at.
type look struct {
	at     time.Time
	socket *socket
}

// looks is a heap, the next one first. That a process says that it is well changes
// nothing in it: the time is put off when it has come.
type looks []look

func (l looks) Len() int           { return len(l) }
func (l looks) Less(i, j int) bool { return l[i].at.Before(l[j].at) }
func (l looks) Swap(i, j int)      { l[i], l[j] = l[j], l[i] }
func (l *looks) Push(x any)        { *l = append(*l, x.(look)) }
func (l *looks) Pop() any {
	old := *l
	last := old[len(old)-1]
	old[len(old)-1] = look{}
	*l = old[:len(old)-1]
	return last
}

// Watch wants an incarnation that has a socket to say WATCHDOG=1 at least once in
// each span from now on. It is told once if it does not, or if it says
// WATCHDOG=trigger. What it has said by WATCHDOG_USEC=… is the span instead.
func (n *Notify) Watch(ref tree.Ref, span time.Duration) {
	n.socketsMu.Lock()
	defer n.socketsMu.Unlock()
	if s := n.sockets[ref]; s != nil {
		early := s.dog.triggered
		s.dog = watchdog{span: cmp.Or(s.span, span), fed: time.Now()}
		n.plan(s)
		n.hearWatchdog(s, notice{trigger: early})
	}
}

// plan makes sure that a watchdog is looked at in time. The caller holds
// socketsMu, as do those of the functions below.
func (n *Notify) plan(s *socket) {
	due := s.dog.fed.Add(s.dog.span)
	if s.dog.planned.IsZero() || due.Before(s.dog.planned) {
		s.dog.planned = due
		heap.Push(&n.looks, look{due, s})
		n.rouse()
	}
}

// hearWatchdog hears what a message says of the watchdog.
func (n *Notify) hearWatchdog(s *socket, said notice) {
	if said.watchdogSpan > 0 {
		n.choose(s, said.watchdogSpan)
	}
	if s.dog.span == 0 {
		s.dog.triggered = s.dog.triggered || said.trigger
		return
	}
	if said.trigger {
		s.dog.span = 0
		n.post(Said{Ref: s.ref, Unwell: "it has said WATCHDOG=trigger"})
		return
	}
	if said.watchdog {
		s.dog.fed = time.Now()
		if !s.dog.well {
			s.dog.well = true
			n.post(Said{Ref: s.ref, Well: true})
		}
	}
	if said.watchdogSpan > 0 {
		s.dog.span, s.dog.fed = said.watchdogSpan, time.Now()
		n.plan(s)
	}
}

// choose notes the span that a process chooses, and tells it, however often it does,
// once at a time. One that never ceases is heard here, and told no more.
func (n *Notify) choose(s *socket, span time.Duration) {
	s.span = span
	if !s.spanning && s.spans < spansMax {
		s.spanning = true
		s.spans++
		n.post(Said{Ref: s.ref, Watchdog: tree.Time(span)})
	}
}

// bark looks at the watchdogs whose time has come.
func (n *Notify) bark(now time.Time) {
	n.socketsMu.Lock()
	defer n.socketsMu.Unlock()
	for len(n.looks) > 0 && !n.looks[0].at.After(now) {
		s := heap.Pop(&n.looks).(look).socket
		if s.dog.span == 0 || n.sockets[s.ref] != s {
			continue
		}
		s.dog.planned = time.Time{}
		n.read(s, drainMax) // what it has said before counts
		due := s.dog.fed.Add(s.dog.span)
		switch {
		case s.dog.span == 0:
			continue
		case due.After(now):
		case now.Sub(due) > stalled: // it was this process that was halted
			s.dog.fed = now
		default:
			n.post(Said{Ref: s.ref, Unwell: fmt.Sprintf("it has not said WATCHDOG=1 for %v", s.dog.span)})
			s.dog.span = 0
			continue
		}
		n.plan(s)
	}
	n.rouse()
}

// rouse sets when the goroutine is woken: now if there is something to tell, else
// when a watchdog is to be looked at.
func (n *Notify) rouse() {
	switch {
	case len(n.news) > 0:
		n.epoll.WakeAt(time.Unix(1, 0)) // that has come: now, and until takeNews
	case len(n.looks) > 0:
		n.epoll.WakeAt(n.looks[0].at)
	default:
		n.epoll.WakeAt(time.Time{})
	}
}
