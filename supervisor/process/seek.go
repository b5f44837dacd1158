package process

import (
	"time"

	"golang.org/x/sys/unix"

	"coppice/supervisor/crash"
	"coppice/tree"
)

// How long an end is sought before it is told as lost: of a process that was reaped,
// while Lookup may yet learn of it; and of a zombie that nobody reaps and that does
// not show us its status.
const (
	recordPatience = time.Second
	zombiePatience = 10 * time.Second
)

// adopted is what only a child has whose parent is another process.
type adopted struct {
	identity Identity
	lookup   func(Identity) (Ended, bool)
	sweepErr error // why the rest of its group could not be killed
	parent   int   // who takes in its orphans

	// While its end is sought:
	life  life
	since time.Time // it was first seen so
}

// life is what is left of a main process.
type life int

const (
	lives  life = iota
	zombie      // it has ended, its parent has not waited for it
	gone        // its parent has
)

// life says what is left of the main process of an adopted child.
func (c *child) life() life {
	if pidfd := c.group.handle; pidfd != 0 {
		switch over := ended(pidfd); {
		case !over:
			return lives
		case reaped(pidfd):
			return gone
		}
		return zombie
	}
	if !c.group.led() {
		return gone
	}
	if s, err := readStat(c.group.number); err == nil && s.ended() {
		return zombie
	}
	return lives
}

// seek finds out how the main process of an adopted child ended, if it has. It
// looks again later where that is not known yet.
func (r *Reaper) seek(c *child) {
	if exit, ok := c.told(); ok {
		r.found(c, exit)
		return
	}
	a := c.adopted
	now := time.Now()
	if life := c.life(); life != a.life {
		a.life, a.since, c.pause = life, now, 0
	}
	if a.life == lives {
		if c.group.handle == 0 {
			c.recognise(-1) // a descriptor may be free by now
		}
		if r.watched[c.group.handle] != c {
			r.watch(c)
		}
		return
	}
	if err := r.sweep(c); err != nil {
		a.sweepErr = err
	}
	// Once more, for it may have been reaped since it was asked for.
	if exit, ok := c.told(); ok {
		r.found(c, exit)
		return
	}
	if exit, ok := c.shown(); ok {
		r.found(c, Ended{Exit: exit})
		return
	}
	if now.Sub(a.since) >= a.patience() {
		r.found(c, Ended{Exit: tree.Exit{Lost: true}})
		return
	}
	r.seekLater(c)
}

// patience is how long to wait for an answer.
func (a *adopted) patience() time.Duration {
	switch {
	case a.life == zombie:
		return zombiePatience
	case a.lookup != nil:
		return recordPatience
	}
	return 0 // nobody is left who could know
}

// told returns how a main process ended, as somebody tells it who knows: whoever has
// reaped it, else the kernel, which keeps it for those who hold a pidfd from before
// the reap (PIDFD_INFO_EXIT, Linux 6.15 and later).
func (c *child) told() (Ended, bool) {
	if a := c.adopted; a.lookup != nil {
		if ended, ok := a.lookup(a.identity); ok {
			return ended, true
		}
	}
	info := unix.PidfdInfo{Mask: unix.PIDFD_INFO_EXIT}
	if c.group.handle == 0 || unix.IoctlPidfdInfo(c.group.handle, &info) != nil || info.Mask&unix.PIDFD_INFO_EXIT == 0 {
		return Ended{}, false
	}
	return Ended{Exit: exitOf(unix.WaitStatus(info.Exit_code))}, true
}

// shown returns how a main process ended that is a zombie, if its stat shows that.
func (c *child) shown() (tree.Exit, bool) {
	s, err := readStat(c.group.number)
	// The number was its own while that was read if it still is, for a number
	// does not come back.
	if err != nil || !s.ended() || !s.shown || !c.group.led() {
		return tree.Exit{}, false
	}
	return exitOf(s.exit), true
}

// found ends the main process of an adopted child.
func (r *Reaper) found(c *child, ended Ended) {
	crash.Point("adopt.ended")
	r.unwatch(c)
	ended.At = ended.orNow()
	r.noteEnd(c, ended)
	crash.Point("adopt.noted")
	if err := r.sweep(c); err != nil {
		c.adopted.sweepErr = err
	}
	r.mainGone(c, c.adopted.sweepErr)
}

// superseded ends an adopted child whose number a new child has got: the number
// was free, so nothing of the old one is left.
func (r *Reaper) superseded(c *child) {
	c.group.gone = true
	delete(r.mains, c.group.number)
	r.seek(c)
}

// seekLater sees to it that an adopted child is looked at again.
func (r *Reaper) seekLater(c *child) {
	c.pause = max(c.pause, lookMin/2)
	c.put(time.Now())
	r.sought[c.ref] = c
	r.alarm(c.due)
}
