package process

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"coppice/tree"
)

// Where the fields stand in a siginfo_t of SIGCHLD, counted in int32: si_signo,
// si_errno, si_code, padding where pointers have 64 bits, si_pid, si_uid,
// si_status. See sigaction(2).
const (
	siginfoCode   = 2
	siginfoPID    = 2 + unsafe.Sizeof(uintptr(0))/4
	siginfoStatus = siginfoPID + 2
)

// cldExited is the si_code of a process that exited. The others of an end are
// CLD_KILLED and CLD_DUMPED, which differ only in whether a core was written.
const cldExited = 1

// peek returns the pid of a child that is a zombie and how it ended, and leaves it
// one. which and id say who is meant, as in waitid(2). 0: there is none.
func peek(which, id int) (int, tree.Exit) {
	for {
		var info unix.Siginfo
		err := unix.Waitid(which, id, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		switch err {
		case nil:
			fields := (*[16]int32)(unsafe.Pointer(&info))
			pid, status := int(fields[siginfoPID]), fields[siginfoStatus]
			if fields[siginfoCode] == cldExited {
				return pid, tree.Exit{Code: int(status) & 0xff}
			}
			return pid, tree.Exit{Signal: SignalName(unix.Signal(status))}
		case unix.EINTR:
			continue
		}
		return 0, tree.Exit{} // ECHILD: no such child at all
	}
}

// canWait says in words why peek does not work here.
func canWait() error {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	if err == nil || err == unix.ECHILD || err == unix.EINTR {
		return nil
	}
	return fmt.Errorf("cannot wait for processes by waitid(2): %w (a filter of system calls that forbids it?)", err)
}

// reap takes a zombie away.
func reap(pid int) {
	for {
		_, err := unix.Wait4(pid, nil, 0, nil)
		switch err {
		case nil:
			return
		case unix.EINTR:
			continue
		}
		panic(fmt.Sprintf("process: somebody else has waited for %d: %v", pid, err))
	}
}

// awaitZombie waits until a child is a zombie, leaves it one and returns its pid. 0: there is
// no child at all.
func awaitZombie() int {
	for {
		var info unix.Siginfo
		switch waitidBlocking(&info) {
		case 0:
			return int((*[16]int32)(unsafe.Pointer(&info))[siginfoPID])
		case unix.EINTR:
			continue
		}
		return 0 // ECHILD
	}
}

// waitidBlocking is waitid(2) for any child, by a system call of which Go's scheduler knows
// from the beginning that it will take long. Of any other one it finds out by looking,
// fifty times in the first milliseconds: that takes more of the processor than the restart
// of a child.
//
//go:nosplit
//go:norace
func waitidBlocking(info *unix.Siginfo) unix.Errno {
	entersyscallblock()
	_, _, errno := unix.RawSyscall6(unix.SYS_WAITID, unix.P_ALL, 0, uintptr(unsafe.Pointer(info)), unix.WEXITED|unix.WNOWAIT, 0, 0)
	exitsyscall()
	return errno
}

// These two are kept for programs outside of the runtime, see its proc.go and
// https://go.dev/issue/67401. Nothing may be between them that needs stack.

//go:linkname entersyscallblock runtime.entersyscallblock
func entersyscallblock()

//go:linkname exitsyscall runtime.exitsyscall
func exitsyscall()
