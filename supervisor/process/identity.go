package process

import (
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Identity tells one process from all others of this boot, whomever its number is
// given to afterwards. Two of them are compared by Same.
type Identity struct {
	PID int
	// Start is when it was started, in clock ticks since boot: field 22 of
	// /proc/PID/stat, proc_pid_stat(5). 0: not known.
	Start uint64
	// Inode is the inode of its pidfds, which no other process of this boot
	// has (pidfs, Linux 6.9 and later). 0: not known.
	Inode uint64
	// Cgroup is the cgroup that it was started in, an absolute path; empty: in none
	// of its own. It does not tell two processes apart.
	Cgroup string
}

// Same says whether both are the same process: by the inodes where both are known,
// else by the time of the start. What has neither is nobody's.
func (id Identity) Same(other Identity) bool {
	switch {
	case id.PID != other.PID:
		return false
	case id.Inode != 0 && other.Inode != 0:
		return id.Inode == other.Inode
	}
	return id.Start != 0 && id.Start == other.Start
}

// Identify returns the identity of the process that has a number now; a zombie has
// one, too. It is an error if there is none.
func Identify(pid int) (Identity, error) {
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err == nil {
		defer unix.Close(pidfd)
	} else {
		pidfd = -1
	}
	return identify(pid, pidfd)
}

// tick is the unit of Identity.Start: USER_HZ is 100 wherever Linux runs Go.
const tick = int64(10 * time.Millisecond)

// ticks is the time since boot in ticks, which is what the start of a process that is
// forked now will be, proc_pid_stat(5).
func ticks() uint64 {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &now) != nil {
		return 0
	}
	return uint64(now.Nano() / tick)
}

// identifyForked is Identify for a child of this process that was not waited for, so that
// nobody else can have its number. earliest is what ticks was before it was forked: if
// the clock has not gone on since, /proc need not be asked.
func identifyForked(pid int, earliest uint64) Identity {
	id := Identity{PID: pid}
	if earliest != 0 && earliest == ticks() {
		id.Start = earliest
	} else if s, err := readStat(pid); err == nil {
		id.Start = s.start
	}
	if pidfd, err := unix.PidfdOpen(pid, 0); err == nil {
		id.Inode = inode(pidfd)
		unix.Close(pidfd)
	}
	return id
}

// identify is Identify through a pidfd that was opened before, -1: without one.
func identify(pid, pidfd int) (Identity, error) {
	id := Identity{PID: pid, Inode: inode(pidfd)}
	s, err := readStat(pid)
	if err == nil {
		id.Start = s.start
	}
	// Was it one process all the time?
	if id.Inode == 0 && isShort(err) {
		return Identity{}, fmt.Errorf("cannot identify process %d: %w", pid, err)
	}
	if id.Inode == 0 && err != nil || pidfd >= 0 && reaped(pidfd) {
		return Identity{}, fmt.Errorf("cannot identify process %d: %w", pid, unix.ESRCH)
	}
	return id, nil
}

// Lives says whether the process is there and has not ended. One that cannot be looked at
// for want of a descriptor is not known to have ended, so it lives.
func (id Identity) Lives() bool {
	if id.PID <= 1 {
		return false
	}
	pidfd, err := unix.PidfdOpen(id.PID, 0)
	if err == nil {
		defer unix.Close(pidfd)
		// The pidfd says all that there is to know, in a tenth of the time that it takes
		// to read of the process in /proc.
		if known := inode(pidfd); known != 0 && id.Inode != 0 {
			return known == id.Inode && !ended(pidfd)
		}
	} else {
		pidfd = -1
	}
	now, err := identify(id.PID, pidfd)
	if isShort(err) {
		return true
	}
	if err != nil || !now.Same(id) {
		return false
	}
	s, err := readStat(id.PID)
	return err != nil || s.state != 'Z' && s.state != 'X' || s.threads > 1
}

// pidfs is whether the pidfds of this kernel have inodes that tell something: asked of the
// first one that there is.
var pidfs struct {
	sync.Once
	there bool
}

// isPidfs says whether a pidfd has such an inode.
func isPidfs(pidfd int) bool {
	pidfs.Do(func() {
		var fs unix.Statfs_t
		pidfs.there = unix.Fstatfs(pidfd, &fs) == nil && fs.Type == unix.PID_FS_MAGIC
	})
	return pidfs.there
}

// inode returns the inode of a pidfd, 0 where it tells nothing.
func inode(pidfd int) uint64 {
	var stat unix.Stat_t
	if pidfd < 0 || !isPidfs(pidfd) || unix.Fstat(pidfd, &stat) != nil {
		return 0
	}
	return stat.Ino
}

// ended says whether the process of a pidfd has ended, all of its threads: then it can
// be read, pidfd_open(2).
func ended(pidfd int) bool {
	poll := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	n, _ := unix.Poll(poll, 0)
	return n > 0
}

// reaped says whether the process of a pidfd is gone, its zombie included.
func reaped(pidfd int) bool {
	return unix.PidfdSendSignal(pidfd, 0, nil, 0) == unix.ESRCH
}
