package logs

import "time"

// task is something that the mover has to do when its time has come.
type task uint8

const (
	closing  task = iota // to close the files that are open; it is of no sink
	retrying             // to try again to write a file that could not be written
	aging                // to see which files of a sink are too old
	punching             // to look at a file that a child writes itself
	telling              // to tell what was thrown away
)

// appointment is a task for a sink.
type appointment struct {
	sink *sink
	task task
}

// agenda is what the mover has to do, and when. It is guarded by the store's
// sinksMu.
type agenda struct {
	at     map[appointment]time.Time
	wakeAt time.Time // the mover's deadline, zero for none
}

func (a *agenda) has(k *sink, t task) bool {
	_, planned := a.at[appointment{k, t}]
	return planned
}

// forget drops all that is planned for a sink.
func (a *agenda) forget(k *sink) {
	for _, t := range []task{retrying, aging, punching, telling} {
		delete(a.at, appointment{k, t})
	}
}

// plan sets when a task is done, whatever was planned before; the zero time is
// never.
func (s *Store) plan(k *sink, t task, at time.Time) {
	s.sinksMu.Lock()
	defer s.sinksMu.Unlock()
	if at.IsZero() {
		delete(s.agenda.at, appointment{k, t})
		return
	}
	s.agenda.at[appointment{k, t}] = at
	s.wakeBy(at)
}

// hurry brings forward to now what is planned of a kind.
func (s *Store) hurry(t task) {
	s.sinksMu.Lock()
	defer s.sinksMu.Unlock()
	now := time.Now()
	for a, at := range s.agenda.at {
		if a.task == t && at.After(now) {
			s.agenda.at[a] = now
			s.wakeBy(now)
		}
	}
}

// wakeBy makes the mover wake up at a time, or earlier. The caller holds sinksMu.
func (s *Store) wakeBy(at time.Time) {
	if s.agenda.wakeAt.IsZero() || at.Before(s.agenda.wakeAt) {
		s.agenda.wakeAt = at
		s.epoll.WakeAt(at)
	}
}

// due takes what is to be done by now and sets the next deadline.
func (s *Store) due(now time.Time) []appointment {
	s.sinksMu.Lock()
	defer s.sinksMu.Unlock()
	s.agenda.wakeAt = time.Time{}
	s.epoll.WakeAt(time.Time{})
	var due []appointment
	for a, at := range s.agenda.at {
		if at.After(now) {
			s.wakeBy(at)
			continue
		}
		delete(s.agenda.at, a)
		due = append(due, a)
	}
	return due
}
