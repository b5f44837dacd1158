package probe

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"coppice/supervisor/procfs"
)

// ancestorsMax bounds the walk from a sender up to its ancestors.
const ancestorsMax = 64

// sender is who sent a message, as seen when the message was read.
type sender struct {
	pid, uid int
	// line is the process and its ancestors, nearest first; empty if it was gone.
	line []kin
	// address is the NOTIFY_SOCKET in its environment.
	address string
	// alive says that it still ran after all this was found out.
	alive bool
}

// kin is a process in a sender's line.
type kin struct{ pid, group, session int }

// look finds out what is to be known of a sender while it lives. A process that
// has ended and was not yet reaped can be looked at too.
func (s *sender) look() {
	for pid := s.pid; pid > 1 && len(s.line) < ancestorsMax; {
		session, err := unix.Getsid(pid)
		if err != nil {
			break
		}
		group, _ := unix.Getpgid(pid)
		s.line = append(s.line, kin{pid: pid, group: group, session: session})
		pid = parent(pid)
	}
	address, err := notifySocket(s.pid)
	s.address = address
	// An end empties the environment, so what was read of it must be judged by
	// whether the process lives after that.
	s.alive = err == nil && len(s.line) > 0 && (s.address != "" || lives(s.pid))
}

// belongsTo says whether a sender may speak for a socket's process. It may if it
// is that process, or is in its session or group, or descends from one that is,
// or inherited the socket's name (a daemon that has left all of these). One that
// has ended cannot be asked any more: systemd-notify says its word and is gone.
// It is believed if it was the daemon's user or the process's own, since the
// name was given to this process alone.
func (s *sender) belongsTo(owner *socket, daemonUID int) bool {
	if s.pid == owner.pid {
		return true
	}
	for _, k := range s.line {
		if k.pid == owner.pid || k.group == owner.pid || k.session == owner.pid {
			return true
		}
	}
	if s.alive {
		return s.address == owner.address
	}
	return s.uid == daemonUID || s.uid == owner.uid
}

// owns says whether a process lives and belongs to a socket's process, as all that
// may send for it do. It need not know the socket's name.
func (s *socket) owns(pid int) bool {
	who := sender{pid: pid}
	who.look()
	for _, k := range who.line {
		if k.pid == s.pid || k.group == s.pid || k.session == s.pid {
			return true
		}
	}
	return false
}

// parent is a process's parent, 0 if that cannot be told.
func parent(pid int) int {
	_, parent := readStat(pid)
	return parent
}

// lives says whether a process exists and has not ended.
func lives(pid int) bool {
	state, _ := readStat(pid)
	return state != "" && state != "Z" && state != "X"
}

// readStat reads fields 3 and 4 of a process's stat: its state, empty if there is
// no such process, and its parent.
func readStat(pid int) (state string, parent int) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", 0
	}
	return parseStat(stat)
}

// parseStat counts fields from the last parenthesis: the name before it may hold
// anything.
func parseStat(stat []byte) (state string, parent int) {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 {
		return "", 0
	}
	parent, err := strconv.Atoi(string(fields[1]))
	if err != nil {
		return "", 0
	}
	return string(fields[0]), parent
}

// notifySocket is the NOTIFY_SOCKET with which a process was started; empty if
// that cannot be read, procfs.ErrExecuting if only not now.
func notifySocket(pid int) (string, error) {
	environ, err := procfs.Environ(pid, nil)
	if errors.Is(err, procfs.ErrExecuting) {
		return "", err
	}
	return procfs.Variable(environ, "NOTIFY_SOCKET"), nil
}
