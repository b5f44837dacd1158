package keeper

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"coppice/supervisor/crash"
)

// siginfo is where a siginfo_t of SIGCHLD has its fields, counted in int32: behind
// si_signo, si_errno and si_code there is padding where pointers have 64 bits.
const (
	siginfoCode   = 2
	siginfoPID    = 2 + unsafe.Sizeof(uintptr(0))/4
	siginfoStatus = siginfoPID + 2
)

const cldExited = 1 // CLD_EXITED, sigaction(2)

// end is how a child ended.
type end struct {
	code   int
	signal syscall.Signal // 0: it exited
}

// String is the end of a sentence about a process.
func (e end) String() string {
	if e.signal == 0 {
		return "ended with code " + strconv.Itoa(e.code)
	}
	return "was killed by " + signalName(e.signal)
}

// peek finds a child that is a zombie, and leaves it one; pid 0: there is none.
func peek() (pid int, how end) {
	for {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return 0, end{}
		}
		fields := (*[16]int32)(unsafe.Pointer(&info))
		if status := fields[siginfoStatus]; fields[siginfoCode] == cldExited {
			how.code = int(status) & 0xff
		} else {
			how.signal = syscall.Signal(status)
		}
		return int(fields[siginfoPID]), how
	}
}

// canWait says why peek does not work here.
func canWait() error {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	if err == unix.ECHILD || err == unix.EINTR {
		return nil
	}
	return err
}

// bury waits for a zombie.
func bury(pid int) {
	for {
		if _, err := unix.Wait4(pid, nil, 0, nil); err != unix.EINTR {
			return
		}
	}
}

// reap reaps every child that has ended. What a dead daemon left is written down
// before its zombie goes, so that at no instant nobody knows how it ended.
func (k *keeper) reap() {
	for {
		pid, how := peek()
		switch pid {
		case 0:
			return
		case k.daemon.pid:
			k.buryDaemon(how)
		default:
			e := k.identify(pid)
			e.Code, e.Signal, e.Wall = how.code, how.signal, time.Now().UnixNano()
			crash.Point("keeper.peeked")
			k.exits.record(e, k.store.fd(ExitsName))
			crash.Point("keeper.recorded")
			bury(pid)
			crash.Point("keeper.reaped")
			k.send(message{kind: msgExit, exits: []Exit{e}})
			k.lookAfter()
		}
	}
}

// reserve opens a descriptor that is none of anything; -1: it cannot be had.
func reserve() int {
	fd, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	return fd
}

// identify says who a child is, also when there is no free descriptor: the end of somebody
// of whom only the number is known would be nobody's.
func (k *keeper) identify(pid int) Exit {
	e := identify(pid)
	if e.Start == 0 && k.spare >= 0 {
		unix.Close(k.spare)
		e = identify(pid)
		k.spare = reserve()
	}
	return e
}

// identify says who a child is, while it still has its number.
func identify(pid int) Exit {
	return Exit{PID: pid, Start: startTime(pid), Inode: pidfdInode(pid)}
}

// startTime is field 22 of /proc/PID/stat, 0 where it cannot be read.
func startTime(pid int) uint64 {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0
	}
	// The name may contain anything; what follows its last parenthesis begins with
	// field 3.
	text := string(stat)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	const start = 22 - 3
	if len(fields) <= start {
		return 0
	}
	n, _ := strconv.ParseUint(fields[start], 10, 64)
	return n
}

// pidfdInode is the number that pidfs gives a process, unique until reboot; 0
// before Linux 6.9, where all pidfds share one.
func pidfdInode(pid int) uint64 {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return 0
	}
	defer unix.Close(fd)
	var system unix.Statfs_t
	var stat unix.Stat_t
	if unix.Fstatfs(fd, &system) != nil || system.Type != unix.PID_FS_MAGIC || unix.Fstat(fd, &stat) != nil {
		return 0
	}
	return stat.Ino
}
