package main

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"coppice/ipc"
)

// ends are processes whose end is waited for: a daemon and its keeper.
type ends []end

type end struct {
	pid int
	fd  int // a pidfd, -1 where the kernel has none or the process is gone
}

// openEnds takes hold of a daemon's processes, so that a pid that is used again
// later is not mistaken for theirs.
func openEnds(d ipc.Daemon) (ends, error) {
	var held ends
	for _, pid := range []int{d.PID, d.Keeper} {
		if pid == 0 {
			continue
		}
		fd, err := unix.PidfdOpen(pid, 0)
		switch {
		case errors.Is(err, unix.ESRCH) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM):
			fd = -1
		case err != nil:
			held.close()
			return nil, fmt.Errorf("cannot watch the daemon with pid %d: %w", pid, err)
		}
		held = append(held, end{pid: pid, fd: fd})
	}
	return held, nil
}

func (e ends) close() {
	for _, one := range e {
		if one.fd >= 0 {
			_ = unix.Close(one.fd) // nothing was written
		}
	}
}

// await returns when all of them have ended.
func (e ends) await() error {
	for _, one := range e {
		if err := one.await(); err != nil {
			return fmt.Errorf("cannot wait for the daemon with pid %d: %w", one.pid, err)
		}
	}
	return nil
}

func (e end) await() error {
	if e.fd < 0 {
		for isAlive(e.pid) { // an old kernel tells it no other way
			time.Sleep(20 * time.Millisecond)
		}
		return nil
	}
	for {
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(e.fd), Events: unix.POLLIN}}, -1)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// isAlive says whether there is such a process. 0 is no process.
func isAlive(pid int) bool {
	return pid > 0 && !errors.Is(unix.Kill(pid, 0), unix.ESRCH)
}
