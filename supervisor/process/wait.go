package process

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"coppice/tree"
)

// siginfoPID is where si_pid stands in a siginfo_t, counted in int32: behind
// si_signo, si_errno, si_code and, where pointers have 64 bits, padding.
const siginfoPID = 2 + unsafe.Sizeof(uintptr(0))/4

// peek returns the pid of a child that is a zombie, and leaves it one. 0: there
// is none.
func peek() int {
	for {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		switch err {
		case nil:
			return int((*[16]int32)(unsafe.Pointer(&info))[siginfoPID])
		case unix.EINTR:
			continue
		}
		return 0 // ECHILD: no child at all
	}
}

// wait reaps a zombie and says how it ended.
func wait(pid int) tree.Exit {
	for {
		var status unix.WaitStatus
		_, err := unix.Wait4(pid, &status, 0, nil)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			panic(fmt.Sprintf("process: somebody else has waited for %d: %v", pid, err))
		case status.Signaled():
			return tree.Exit{Signal: SignalName(status.Signal())}
		}
		return tree.Exit{Code: status.ExitStatus()}
	}
}
