package process

import "golang.org/x/sys/unix"

// group is the process group that a child leads.
//
// As long as its leader was not reaped, the number is safe. A handle is prepared for
// the time after that; see "Draining groups" in the package's documentation.
type group struct {
	number int
	handle int  // a pidfd of the leader, which the group owns; 0: none
	whole  bool // the group can be signalled through the handle
	// leader is who an adopted child's main process is. Somebody else reaps that,
	// so before the number is used it is made sure that nobody else has it.
	leader Identity
	gone   bool // nobody is left in it, whoever has the number now
}

// hold opens a pidfd of the leader, which must not be reaped yet. It says whether
// this kernel can signal a group through it; where it cannot, or there is no free
// descriptor, the group goes on being named by its number.
func (g *group) hold() bool {
	handle, err := unix.PidfdOpen(g.number, 0)
	if err != nil {
		return err != unix.ENOSYS
	}
	if g.take(handle); !g.whole {
		g.release()
	}
	return g.handle != 0
}

// take gives the group a pidfd of its leader.
func (g *group) take(handle int) {
	g.handle = handle
	err := unix.PidfdSendSignal(handle, 0, nil, unix.PIDFD_SIGNAL_PROCESS_GROUP)
	g.whole = err == nil || err == unix.EPERM || err == unix.ESRCH
}

// release gives back what hold and take took.
func (g *group) release() {
	if g.handle != 0 {
		unix.Close(g.handle)
		g.handle, g.whole = 0, false
	}
}

// signal sends a signal to every member, as kill(2) does for a negative pid; 0
// only asks whether there is a member.
func (g *group) signal(number unix.Signal) error {
	switch {
	case g.gone || g.replaced():
		return unix.ESRCH
	case g.whole:
		return unix.PidfdSendSignal(g.handle, number, nil, unix.PIDFD_SIGNAL_PROCESS_GROUP)
	}
	return unix.Kill(-g.number, number)
}

// signalLeader sends a signal to the main process alone.
func (g *group) signalLeader(number unix.Signal) error {
	switch {
	case g.handle != 0:
		return unix.PidfdSendSignal(g.handle, number, nil, 0)
	case g.leader.PID != 0 && !g.led():
		return unix.ESRCH
	}
	return unix.Kill(g.number, number)
}

// led says whether the leader has the number still, alive or as a zombie.
func (g *group) led() bool {
	switch {
	case g.gone:
		return false
	case g.handle != 0:
		return !reaped(g.handle)
	}
	id, err := Identify(g.number)
	return isShort(err) || err == nil && id.Same(g.leader)
}

// replaced says whether somebody else has the number of an adopted child's leader:
// it was free, so the group had no member any more.
func (g *group) replaced() bool {
	if g.leader.PID == 0 || g.whole {
		return false
	}
	id, err := Identify(g.number)
	g.gone = err == nil && !id.Same(g.leader)
	return g.gone
}

// empty says that no process is in the group. EPERM comes from members that run
// as somebody whom the daemon may not signal, so it means that there are some.
func (g *group) empty() bool {
	return g.signal(0) == unix.ESRCH
}
