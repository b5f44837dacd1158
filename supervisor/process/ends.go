package process

import (
	"os"
	"os/signal"
	"syscall"
)

// endMost is how many commands are carried out by whoever waits for ends, after one: as
// many as a restart asks for. Then it waits again, and Run goes on with the rest.
const endMost = 8

// ends is what the goroutine has that waits for the ends of children. Its thread waits
// for them in the kernel, and it deals with them itself when that returns. SIGCHLD would wake one
// thread, Go's runtime a second one that tells of it, and that the reaper's: out of idleness
// 40 us, a fifth of what a restart takes. But SIGCHLD comes where there is nobody to wait for
// yet, too; and in a crowd whoever waits has the kernel look at all children each time.
type ends struct {
	sigchld chan os.Signal // room for one: it says that, not how many, ended
	listens bool           // SIGCHLD is waited for
	looked  chan struct{}  // room for one: it was looked who has ended
}

func newEnds() ends {
	return ends{sigchld: make(chan os.Signal, 1), looked: make(chan struct{}, 1)}
}

// waitForEnds runs beside Run. Once that has returned it ends too, with the next child.
func (r *Reaper) waitForEnds() {
	defer signal.Stop(r.ends.sigchld)
	for {
		r.lookForEnds()
		select {
		case <-r.over:
			return
		default:
		}
		r.awaitEnd()
	}
}

// awaitEnd returns when somebody may have ended.
func (r *Reaper) awaitEnd() {
	if !r.scans.crowded.Load() && awaitZombie() {
		if r.ends.listens {
			r.ends.listens = false
			signal.Stop(r.ends.sigchld)
		}
		return
	}
	if !r.ends.listens {
		r.ends.listens = true
		signal.Notify(r.ends.sigchld, syscall.SIGCHLD)
		return // somebody may have ended before
	}
	select {
	case <-r.ends.sigchld:
	case <-r.over:
	}
}

// lookForEnds deals with whoever has ended, or waits until somebody else has who works.
func (r *Reaper) lookForEnds() {
	select {
	case <-r.ends.looked: // the last time
	default:
	}
	r.hurry(func() {
		r.childEnded()
		r.ends.looked <- struct{}{}
	})
	if r.work(endMost) {
		return
	}
	select {
	case <-r.ends.looked:
	case <-r.over:
	}
}

// again has whoever waits for SIGCHLD look once more; who waits in the kernel does so anyway.
func (e *ends) again() {
	select {
	case e.sigchld <- syscall.SIGCHLD:
	default:
	}
}
