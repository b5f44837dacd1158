package process

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// descriptorsOwn is what the daemon needs for itself: the standard streams, its
// socket and the clients', the journal, and what a fork takes for a moment.
const descriptorsOwn = 64

// CheckDescriptors returns an error that says what to do if the daemon cannot hold
// this many children, for which it needs so many descriptors. (The limit is the
// hard one: Go has raised the soft one to it, see getrlimit(2). It is only read
// here; setting it would let the children inherit what Go has raised.)
func CheckDescriptors(children, descriptors int) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("cannot read the limit of descriptors: %v", err)
	}
	needed := uint64(descriptorsOwn + descriptors)
	if needed <= limit.Cur {
		return nil
	}
	return fmt.Errorf("cannot hold %d children: they need %d descriptors, the limit is %d "+
		"(raise it by ulimit -Hn %d, or LimitNOFILE=%d in systemd)", children, needed, limit.Cur, needed, needed)
}

// ReserveDescriptors has the kernel make room in this process's table of descriptors for
// children that need so many, and does not wait for it. Nothing is lost if no room is to
// be had.
//
// The table of a process with threads doubles when it is full, after a grace period of
// RCU (expand_fdtable in the kernel's fs/file.c), for which whoever asks for the next
// descriptor waits 10 to 20 ms, and the start of a thousand children four times.
func ReserveDescriptors(descriptors int) {
	highest := descriptorsOwn + descriptors - 1
	go func() {
		// Standard input is always open: see Sanitize.
		if fd, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, highest); err == nil {
			unix.Close(fd)
		}
	}()
}
