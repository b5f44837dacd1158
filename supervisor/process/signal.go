package process

import (
	"strconv"
	"strings"
	"syscall"
)

// The real-time signals as programs see them: the C library keeps the first two
// that the kernel has (32 and 33) to itself.
const (
	rtMin = 34
	rtMax = 64
)

// signalNames are the standard signals of signal(7), by number.
var signalNames = [...]string{
	syscall.SIGHUP:    "SIGHUP",
	syscall.SIGINT:    "SIGINT",
	syscall.SIGQUIT:   "SIGQUIT",
	syscall.SIGILL:    "SIGILL",
	syscall.SIGTRAP:   "SIGTRAP",
	syscall.SIGABRT:   "SIGABRT",
	syscall.SIGBUS:    "SIGBUS",
	syscall.SIGFPE:    "SIGFPE",
	syscall.SIGKILL:   "SIGKILL",
	syscall.SIGUSR1:   "SIGUSR1",
	syscall.SIGSEGV:   "SIGSEGV",
	syscall.SIGUSR2:   "SIGUSR2",
	syscall.SIGPIPE:   "SIGPIPE",
	syscall.SIGALRM:   "SIGALRM",
	syscall.SIGTERM:   "SIGTERM",
	syscall.SIGSTKFLT: "SIGSTKFLT",
	syscall.SIGCHLD:   "SIGCHLD",
	syscall.SIGCONT:   "SIGCONT",
	syscall.SIGSTOP:   "SIGSTOP",
	syscall.SIGTSTP:   "SIGTSTP",
	syscall.SIGTTIN:   "SIGTTIN",
	syscall.SIGTTOU:   "SIGTTOU",
	syscall.SIGURG:    "SIGURG",
	syscall.SIGXCPU:   "SIGXCPU",
	syscall.SIGXFSZ:   "SIGXFSZ",
	syscall.SIGVTALRM: "SIGVTALRM",
	syscall.SIGPROF:   "SIGPROF",
	syscall.SIGWINCH:  "SIGWINCH",
	syscall.SIGIO:     "SIGIO",
	syscall.SIGPWR:    "SIGPWR",
	syscall.SIGSYS:    "SIGSYS",
}

// SignalName returns the full name of a signal, "SIGTERM". Real-time signals
// count from SIGRTMIN as in C: 37 is "SIGRTMIN+3". What has no name anywhere is
// told by its distance to one: 32 is "SIGRTMIN-2". SignalNumber understands all
// of them.
func SignalName(signal syscall.Signal) string {
	n := int(signal)
	switch {
	case n > 0 && n < len(signalNames):
		return signalNames[n]
	case n == rtMin:
		return "SIGRTMIN"
	}
	return "SIGRTMIN" + signed(n-rtMin)
}

func signed(n int) string {
	if n < 0 {
		return strconv.Itoa(n)
	}
	return "+" + strconv.Itoa(n)
}

// SignalNumber returns the signal of a full name: those of SignalName, the
// other names of signal(7) (SIGPOLL, SIGIOT, SIGCLD), and real-time signals
// counted down from SIGRTMAX ("SIGRTMAX-1").
func SignalNumber(name string) (syscall.Signal, bool) {
	for n, known := range signalNames {
		if known == name && n > 0 {
			return syscall.Signal(n), true
		}
	}
	switch name {
	case "SIGPOLL":
		return syscall.SIGPOLL, true
	case "SIGIOT":
		return syscall.SIGIOT, true
	case "SIGCLD":
		return syscall.SIGCHLD, true
	}
	if distance, ok := strings.CutPrefix(name, "SIGRTMIN"); ok {
		return realTime(rtMin, distance)
	}
	if distance, ok := strings.CutPrefix(name, "SIGRTMAX"); ok {
		return realTime(rtMax, distance)
	}
	return 0, false
}

// realTime returns the signal at a signed distance, which may be missing.
func realTime(from int, distance string) (syscall.Signal, bool) {
	if distance == "" {
		return syscall.Signal(from), true
	}
	if distance[0] != '+' && distance[0] != '-' {
		return 0, false
	}
	d, err := strconv.Atoi(distance)
	n := from + d
	if err != nil || n < 32 || n > rtMax {
		return 0, false
	}
	return syscall.Signal(n), true
}
