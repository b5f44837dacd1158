package process

import (
	"os"
	"os/signal"
	"syscall"
)

// endMost is how many commands are carried out by whoever waits for ends, after one: as
// many as a restart asks for. Then it waits again, and Run goes on with the rest.
const endMost = 4

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
	for pid := 0; ; pid = r.awaitEnd() {
		select {
		case <-r.over:
			return
		default:
		}
		r.lookAtEnd(pid)
	}
}

// awaitEnd returns when a child is a zombie; 0: somebody may be one.
func (r *Reaper) awaitEnd() int {
	if !r.scans.crowded.Load() {
		if pid := awaitZombie(); pid != 0 {
			if r.ends.listens {
				r.ends.listens = false
				signal.Stop(r.ends.sigchld)
			}
			return pid
		}
	}
	if !r.ends.listens {
		r.ends.listens = true
		signal.Notify(r.ends.sigchld, syscall.SIGCHLD)
		return 0 // somebody may have ended before
	}
	select {
	case <-r.ends.sigchld:
	case <-r.over:
	}
	return 0
}

// lookAtEnd deals with the end of a child, 0 if it is not known whose. If somebody else works
// it waits for that one, who does so between two commands.
func (r *Reaper) lookAtEnd(pid int) {
	if r.begin() {
		r.childEnded(pid)
		r.proceed(endMost)
		return
	}
	select {
	case <-r.ends.looked: // the last time
	default:
	}
	r.Do(func() {
		r.childEnded(0)
		r.ends.looked <- struct{}{}
	})
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
