package keeper

import (
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// forwarded are the signals that mean something to a tree.
var forwarded = []os.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP}

// rtMin is SIGRTMIN as C libraries and systemd count: they keep the first two.
const rtMin = 34

// halting are the signals by which whoever runs a container asks its first process to
// end, systemd(1): a failing power supply; halt, power off and reboot, in order and at
// once.
var halting = []os.Signal{
	syscall.SIGPWR,
	syscall.Signal(rtMin + 3), syscall.Signal(rtMin + 4), syscall.Signal(rtMin + 5),
	syscall.Signal(rtMin + 13), syscall.Signal(rtMin + 14), syscall.Signal(rtMin + 15),
}

// meant are the signals that keep their meaning: those of job control, and those
// that are harmless.
var meant = []os.Signal{
	syscall.SIGKILL, syscall.SIGSTOP, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU,
	syscall.SIGCONT, syscall.SIGURG, syscall.SIGWINCH, syscall.SIGCHLD,
}

// catchSignals takes every signal that would end the keeper; what is not forwarded
// has no effect. signal.Ignore would be inherited by the daemon. A fault of our own
// still ends it.
func (k *keeper) catchSignals() {
	signal.Notify(k.children, syscall.SIGCHLD)
	forwarded := forwarded
	if os.Getpid() == 1 {
		forwarded = append(slices.Clone(forwarded), halting...)
	}
	signal.Notify(k.signalled, forwarded...)
	nobody := make(chan os.Signal, 1)
	for n := syscall.Signal(1); n <= signalMax; n++ {
		if !slices.Contains(forwarded, os.Signal(n)) && !slices.Contains(meant, os.Signal(n)) {
			signal.Notify(nobody, n)
		}
	}
}

// forward passes a signal on: to a daemon that has not yet claimed the tree by
// kill(2), as if it had been started directly; later as a message, which is kept
// until a daemon has heard it.
func (k *keeper) forward(sig syscall.Signal) {
	if sig == syscall.SIGHUP && k.nohup {
		return
	}
	if !k.owned {
		if k.daemon.pid > 0 {
			if slices.Contains(halting, os.Signal(sig)) {
				sig = syscall.SIGTERM // the others mean something to a first process alone
			}
			_ = unix.Kill(k.daemon.pid, sig) // it is our child
		}
		return
	}
	const most = 64 // somebody leans on the keys, and no daemon is there to hear
	if len(k.signals) < most {
		k.signals = append(k.signals, sig)
		k.send(message{kind: msgSignal, number: uint64(sig)})
		k.lookAfter()
	}
}

// heard forgets a signal that was acted upon: the oldest of its number.
func (k *keeper) heard(sig syscall.Signal) {
	if i := slices.Index(k.signals, sig); i >= 0 {
		k.signals = slices.Delete(k.signals, i, i+1)
	}
}

// signalName is "SIGTERM", or "signal 40" for what has no name of its own.
func signalName(sig syscall.Signal) string {
	if name := unix.SignalName(sig); name != "" {
		return name
	}
	return "signal " + strconv.Itoa(int(sig))
}

// unblockSignals gives the calling thread an empty signal mask, which whoever is
// forked from there inherits.
func unblockSignals() {
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &unix.Sigset_t{}, nil) // it cannot fail
}

// passOn ends this process as its daemon has ended, so that whoever started it
// sees what they would have seen without a keeper.
func passOn(how end) {
	if how.signal == 0 {
		os.Exit(how.code)
	}
	// A core would be the keeper's, which is nobody's interest.
	_ = syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{})
	setDefault(how.signal)
	runtime.LockOSThread()
	unblockSignals()
	_ = unix.Tgkill(os.Getpid(), unix.Gettid(), how.signal)
	os.Exit(128 + int(how.signal)) // a signal that does not end the first process of a namespace
}

// setDefault gives a signal the kernel's own meaning, behind the back of Go, which
// has a handler for all of them; see rt_sigaction(2). The zeroes are SIG_DFL in a
// struct sigaction of any architecture.
func setDefault(sig syscall.Signal) {
	var action [8]uintptr
	const maskBytes = 8
	_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&action)), 0, maskBytes, 0, 0)
}
