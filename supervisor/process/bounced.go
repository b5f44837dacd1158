package process

import (
	"fmt"
	"time"

	"coppice/supervisor/procfs"
	"coppice/supervisor/trampoline"
	"coppice/tree"
)

// bounceLook is between two looks at the trampolines of an earlier daemon: their pipes
// have ended with it.
const bounceLook = 20 * time.Millisecond

// bounced is an adopted child whose start was not answered: a trampoline may be setting
// it up still.
type bounced struct {
	due  time.Time // until then its program must have been executed
	late bool      // due has passed: it was killed for that
}

// unanswered begins to look for the answer to the start of an adopted child. there says
// that its process lives.
func (r *Reaper) unanswered(c *child, there bool) {
	c.bounced = &bounced{due: time.Now().Add(setupMax)}
	if !there {
		return // its end tells
	}
	if executed, err := c.executed(); err == nil && executed {
		r.bouncedAway(c)
		return
	}
	r.bounces[c.ref] = c
	r.alarm(time.Now().Add(bounceLook))
}

// executed says whether a trampoline has become its program and that runs. The error is that
// it cannot be looked at now.
func (c *child) executed() (bool, error) {
	ran := c.runs()
	environ, err := procfs.Environ(c.group.number, nil)
	if isShort(err) {
		return false, err
	}
	return ran && !trampoline.Is(environ) && c.runs(), nil
}

// bouncedAway tells that the program of a child was executed.
func (r *Reaper) bouncedAway(c *child) {
	c.bounced = nil
	delete(r.bounces, c.ref)
	r.tell(Started{Ref: c.ref, PID: c.group.number})
}

// lookAtBounces looks whether programs were executed, and ends what has taken too long.
func (r *Reaper) lookAtBounces(now time.Time) {
	for _, c := range r.bounces {
		if c.bounced.late {
			continue
		}
		executed, err := c.executed()
		switch {
		case err != nil: // it may have been for long
		case executed:
			r.bouncedAway(c)
			r.tellAdopted(c, parentOf(c.group.number))
			continue
		case due(c.bounced.due, now):
			c.bounced.late = true
			r.kill(c.ref)
			continue
		}
		r.alarm(now.Add(bounceLook))
	}
}

// runs says whether the main process is there and has not ended.
func (c *child) runs() bool {
	s, err := readStat(c.group.number)
	return err == nil && !s.ended() && (c.adopted == nil || c.life() == lives)
}

// tellAdopted tells that an adopted child lives, once it is known to have been started.
func (r *Reaper) tellAdopted(c *child, parent int) {
	if c.bounced == nil {
		r.tell(Adopted{Ref: c.ref, PID: c.group.number, Parent: parent})
	}
}

// bouncedEnd answers the start of a child whose main process has ended: by its exit code
// a trampoline tells that it has not executed the program.
func (r *Reaper) bouncedEnd(c *child) {
	b := c.bounced
	switch {
	case b == nil:
		return
	case b.late:
		c.failed = &failure{Cause: fmt.Sprintf("after %v its program was not executed yet; "+
			"its file, its directory or what is set up is on a file system that does not answer", setupMax)}
	case r.bounces[c.ref] == c && c.asked:
		c.failed = &failure{Cause: "it was stopped while it was set up"}
	case c.exit == tree.Exit{Code: trampoline.ExitCode}:
		c.failed = &failure{Cause: "its set-up failed; see its log"}
	default:
		r.bouncedAway(c)
		return
	}
	c.bounced = nil
	delete(r.bounces, c.ref)
}
