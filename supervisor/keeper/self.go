package keeper

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

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
		if fd, ok := parseNumber(entry.Name()); ok && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}

// oomScore is how much the keeper, which holds what everything else needs, is
// spared when memory ends: -1000 would be never, see proc(5).
const oomScore = "-900"

// protect spares this process, and returns the value from before; "" where that
// is not permitted.
func protect() string {
	const file = "/proc/self/oom_score_adj"
	before, err := os.ReadFile(file)
	if err != nil || os.WriteFile(file, []byte(oomScore), 0) != nil {
		return ""
	}
	return string(before)
}

// unprotect gives a daemon, and so its children, the value from before.
func unprotect(pid int, before string) {
	if before != "" {
		// A daemon that is gone needs none.
		_ = os.WriteFile("/proc/"+strconv.Itoa(pid)+"/oom_score_adj", []byte(before), 0)
	}
}

// say writes a line to stderr, or not: a terminal that is gone or a pipe that is
// full must not stop the keeper.
func say(text string) {
	set := []unix.PollFd{{Fd: 2, Events: unix.POLLOUT}}
	if n, _ := unix.Poll(set, 0); n == 1 && set[0].Revents&unix.POLLOUT != 0 {
		_, _ = unix.Write(2, []byte("coppice: "+text+"\n"))
	}
}

// parseNumber reads a small number that is not negative.
func parseNumber(text string) (int, bool) {
	n, err := strconv.ParseUint(text, 10, 31)
	return int(n), err == nil
}
