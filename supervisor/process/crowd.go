package process

import (
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Who asks the kernel for any zombie has it look at all children, one by one: with ten
// thousand of them 0.3 ms, more than all the rest of a restart takes. So in a crowd the
// reaper asks by number for those of whom it is hinted that they have ended, which costs
// the same for any number of children, and looks for others seldom enough that it spends
// a tenth of its time on that at most.
const (
	// crowd is how many children there are before that is done. It is done until there
	// are a quarter less: each restart of one of them is one less for a moment.
	crowd = 2000
	// company is how many children there may be for all who end at the same time to be
	// told in one piece, as a supervisor of OTP finds them in its mailbox. To ask whether
	// there is another one takes 70 us of a restart out of idleness with a thousand.
	company = 256
	// hintWait is how long a hint may come after SIGCHLD: both come of one end.
	hintWait = time.Millisecond
	// scanShare is how many times as long as the last look at all children took the
	// next one is put off, and scanPauseMax the most: this process may not have run
	// meanwhile.
	scanShare    = 10
	scanPauseMax = 20 * time.Millisecond
	// scanLate is how long after the first SIGCHLD all children are looked at though each
	// is explained by an end: one SIGCHLD may stand for two.
	scanLate = 100 * time.Millisecond
	// hintsMax is how many may be taken for about to end at once. Those that were
	// hinted at first are forgotten first: they have only closed their output.
	hintsMax = 256
)

// scans says when all children are looked at.
type scans struct {
	crowded atomic.Bool // there is a crowd: hints are welcome
	hinted  []int       // pids: they have not ended yet
	at      time.Time   // the next look; zero: none is due
	after   time.Time   // but not before

	// Since the last look:
	first   time.Time // SIGCHLD; zero: there was none
	signals int       // how many
	ends    int       // that were found by number
}

// Hint says that the main process of a child is about to end or has ended, as its output
// has; it may be wrong. Any goroutine may call it. It is how an end is seen at once where
// there is a crowd of children; else it does nothing.
func (r *Reaper) Hint(name string) {
	if r.scans.crowded.Load() {
		r.enqueue(func() { r.heed(name) })
	}
}

// heed is Hint, by whoever works.
func (r *Reaper) heed(name string) {
	if c := r.named[name]; c != nil && !r.endsNow(c.group.number) {
		r.scans.hint(c.group.number)
	}
}

// hint says that a main process, of a child or a job, will end soon.
func (s *scans) hint(pid int) {
	if !s.crowded.Load() || slices.Contains(s.hinted, pid) {
		return
	}
	if len(s.hinted) == hintsMax {
		s.hinted = s.hinted[1:]
	}
	s.hinted = append(s.hinted, pid)
}

// endsNow deals with the end of a main process, if it is a zombie of ours.
func (r *Reaper) endsNow(pid int) bool {
	c, j := r.mains[pid], r.mainJobs[pid]
	if c == nil && j == nil || c != nil && c.adopted != nil {
		return true // it was dealt with, or is not ours to wait for
	}
	ended, exit := peek(unix.P_PID, pid)
	switch {
	case ended != pid:
		return false
	case c != nil:
		r.scans.ends++
		r.mainEnded(c, exit)
	default:
		r.scans.ends++
		r.jobEnded(j, exit)
	}
	return true
}

// childEnded deals with the end of a child; 0: of somebody, whom SIGCHLD has told of.
func (r *Reaper) childEnded(pid int) {
	crowded := len(r.children) >= crowd || r.scans.crowded.Load() && len(r.children) >= crowd*3/4
	r.scans.crowded.Store(crowded)
	if !crowded {
		r.scans.hinted = nil
		r.whoEnded(pid)
		return
	}
	hinted := r.scans.hinted
	r.scans.hinted = nil
	for _, pid := range hinted {
		if !r.endsNow(pid) {
			r.scans.hinted = append(r.scans.hinted, pid)
		}
	}
	r.alarm(r.scans.heard(time.Now()))
}

// whoEnded deals with a zombie, and with all others; 0: it is not known who is one. Of many
// children it leaves the others to whoever waits for ends, who is told of the next one.
func (r *Reaper) whoEnded(pid int) {
	if pid != 0 {
		if zombie, exit := peek(unix.P_PID, pid); zombie == pid {
			r.ended(pid, exit)
		}
		if len(r.children) > company {
			r.settleOrphaned()
			return
		}
	}
	r.reap()
}

// heard plans the look that a SIGCHLD wants, and returns when it is due.
func (s *scans) heard(now time.Time) time.Time {
	if s.signals++; s.first.IsZero() {
		s.first = now
	}
	soon := now.Add(hintWait)
	if soon.Before(s.after) {
		soon = s.after
	}
	if s.at.IsZero() || soon.Before(s.at) {
		s.at = soon
	}
	return s.at
}

// putOff puts a look off that is due, as long as there was an end for each SIGCHLD.
func (s *scans) putOff(now time.Time) bool {
	if late := s.first.Add(scanLate); s.ends >= s.signals && now.Before(late) {
		s.at = late
		return true
	}
	s.at, s.first, s.signals, s.ends = time.Time{}, time.Time{}, 0, 0
	return false
}

// scan looks at all children, if it is time.
func (r *Reaper) scan(now time.Time) {
	switch {
	case r.scans.at.IsZero():
		return
	case r.scans.at.After(now), r.scans.putOff(now):
		r.alarm(r.scans.at)
		return
	}
	r.reap()
}

// rest puts the next look off after one that has found nobody.
func (s *scans) rest(begun time.Time) {
	done := time.Now()
	s.after = done.Add(min(scanShare*done.Sub(begun), scanPauseMax))
}
