package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"coppice/ipc"
)

// ends are what is waited for when a daemon ends: its process and its keeper's.
// Where their pids are numbers of another pid namespace nobody is held, and its
// socket tells.
type ends struct {
	daemon ipc.Daemon
	held   []end
}

type end struct {
	pid int
	fd  int // a pidfd, -1 where the kernel has none or the process is gone
}

// openEnds takes hold of a daemon's processes, so that a pid that is used again
// later is not mistaken for theirs.
func openEnds(d ipc.Daemon) (ends, error) {
	e := ends{daemon: d}
	if d.PIDNamespace == 0 || d.PIDNamespace != ipc.PIDNamespace() {
		return e, nil
	}
	for _, pid := range []int{d.PID, d.Keeper} {
		if pid == 0 {
			continue
		}
		fd, err := unix.PidfdOpen(pid, 0)
		switch {
		case errors.Is(err, unix.ESRCH) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM):
			fd = -1
		case err != nil:
			e.close()
			return ends{}, fmt.Errorf("cannot watch the daemon with pid %d: %w", pid, err)
		}
		e.held = append(e.held, end{pid: pid, fd: fd})
	}
	return e, nil
}

func (e ends) close() {
	for _, one := range e.held {
		if one.fd >= 0 {
			_ = unix.Close(one.fd) // nothing was written
		}
	}
}

// await returns when all of them have ended.
func (e ends) await(ctx context.Context, p place) error {
	if len(e.held) == 0 {
		return e.awaitSocket(ctx, p)
	}
	for _, one := range e.held {
		if err := one.await(); err != nil {
			return fmt.Errorf("cannot wait for the daemon with pid %d: %w", one.pid, err)
		}
	}
	return nil
}

// awaitSocket returns when the daemon's socket is closed, or is that of the next
// tree.
func (e ends) awaitSocket(ctx context.Context, p place) error {
	for {
		t, err := p.client().Trunk(ctx)
		switch {
		case errors.Is(err, ipc.ErrNoDaemon):
			return nil
		case err == nil && !t.Daemon.Stopping && !t.Daemon.StartedAt.Equal(e.daemon.StartedAt):
			return nil
		case ipc.HasEnded(err): // and it soon will
		case err != nil && !errors.Is(err, ipc.ErrDaemonGone):
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
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
