package process

import "golang.org/x/sys/unix"

// group is the process group that a child leads.
//
// As long as its leader was not reaped, the number is safe. hold prepares for the
// time after that; see "Draining groups" in the package's documentation.
type group struct {
	number int
	handle int // a pidfd of the leader, 0: none
}

// hold opens a pidfd of the leader, which must not be reaped yet. It says whether
// this kernel can signal a group through it; where it cannot, or there is no free
// descriptor, the group goes on being named by its number.
func (g *group) hold() bool {
	handle, err := unix.PidfdOpen(g.number, 0)
	if err != nil {
		return err != unix.ENOSYS
	}
	switch unix.PidfdSendSignal(handle, 0, nil, unix.PIDFD_SIGNAL_PROCESS_GROUP) {
	case nil, unix.EPERM:
		g.handle = handle
		return true
	}
	unix.Close(handle)
	return false
}

// release gives back what hold took.
func (g *group) release() {
	if g.handle != 0 {
		unix.Close(g.handle)
		g.handle = 0
	}
}

// signal sends a signal to every member, as kill(2) does for a negative pid; 0
// only asks whether there is a member.
func (g *group) signal(number unix.Signal) error {
	if g.handle != 0 {
		return unix.PidfdSendSignal(g.handle, number, nil, unix.PIDFD_SIGNAL_PROCESS_GROUP)
	}
	return unix.Kill(-g.number, number)
}

// empty says that no process is in the group. EPERM comes from members that run
// as somebody whom the daemon may not signal, so it means that there are some.
func (g *group) empty() bool {
	return g.signal(0) == unix.ESRCH
}
