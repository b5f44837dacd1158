package process

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Sanitize frees the daemon, and so its children, from what the daemon's own
// starter left behind. It belongs first thing into main, before anything opens a
// descriptor that a child is meant to get.
//
//   - Descriptors above 2 are closed on exec (close_range(2)); on 0 to 2, where
//     they are missing, the runtime of Go has opened /dev/null before main.
//   - Orphans of the children become children of this process
//     (PR_SET_CHILD_SUBREAPER, prctl(2)).
//   - Where processes cannot be waited for, that is told now: without it no end would
//     ever be seen.
//   - Signals that are ignored stay without effect here, but no child inherits
//     that. signal.Ignored says false for them from now on.
//
// A blocked signal needs nothing here: Go unblocks what signal.Notify asks for,
// and children are forked with an empty mask.
func Sanitize() error {
	if err := closeOnExec(); err != nil {
		return fmt.Errorf("cannot set descriptors to be closed on exec: %v", err)
	}
	if err := canWait(); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("cannot become a child subreaper: %v", err)
	}
	if err := unignore(); err != nil {
		return fmt.Errorf("cannot undo ignored signals: %v", err)
	}
	return nil
}

// closeOnExec sets FD_CLOEXEC on all descriptors above 2.
func closeOnExec() error {
	if unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC) == nil {
		return nil
	}
	// Before Linux 5.11, or forbidden by a container's filter.
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if fd, err := strconv.Atoi(entry.Name()); err == nil && fd > 2 {
			syscall.CloseOnExec(fd)
		}
	}
	return nil
}

// unignore makes sure that no child inherits an ignored signal. A handler is what
// exec resets to the default and SIG_IGN is not, so each ignored signal gets Go's
// handler, by way of a channel that nobody reads. Go has no handler for the three
// signals that C libraries use among their threads; these get their default here.
func unignore() error {
	for n := syscall.Signal(1); n <= rtMax; n++ {
		ignored, err := isIgnored(n)
		if err != nil {
			return err
		}
		if ignored {
			signal.Notify(nobody, n)
		}
	}
	for n := syscall.Signal(rtMin - 2); n <= rtMin; n++ {
		if ignored, err := isIgnored(n); err != nil || !ignored {
			continue
		}
		if err := sigaction(n, &action{}, nil); err != nil {
			return err
		}
	}
	return nil
}

// nobody is the reader of signals that are to have no effect.
var nobody = make(chan os.Signal, 1)

// action is the kernel's struct sigaction where it begins with the handler, which
// is everywhere but on MIPS; it is large enough for all. The zero value is SIG_DFL.
type action struct {
	handler uintptr
	_       [4]uintptr
}

const sigIgn = 1

func isIgnored(n syscall.Signal) (bool, error) {
	if n == syscall.SIGKILL || n == syscall.SIGSTOP {
		return false, nil
	}
	var now action
	err := sigaction(n, nil, &now)
	return now.handler == sigIgn, err
}

func sigaction(n syscall.Signal, new, old *action) error {
	const maskBytes = 8
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(n),
		uintptr(unsafe.Pointer(new)), uintptr(unsafe.Pointer(old)), maskBytes, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
