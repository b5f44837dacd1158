package keeper

import (
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"coppice/supervisor/footprint"
)

// keeper is the role. One goroutine owns all of it; nothing here ever waits for
// the daemon.
type keeper struct {
	args   []string // of the command line, for every daemon
	env    []string // for every daemon
	report int      // a descriptor for the first daemon; -1: there is none, or it was given
	nohup  bool     // SIGHUP was ignored by whoever started us, and stays so
	oom    string   // what oom_score_adj was for us and is to be for the daemons

	store   store
	exits   untaken
	signals []syscall.Signal // that the tree got and no daemon has heard yet, in order
	owned   bool             // a daemon has claimed the tree once: from then on a death is a crash
	systemd notifier

	spare   int      // a descriptor that is free when no other one is; -1: there is none
	binary  int      // the program of the daemons, an O_PATH descriptor
	upgrade *upgrade // to another program, under way
	verdict *string  // on an upgrade, for the next daemon; "" is success

	daemon   daemon
	obeyed   int       // messages of all daemons
	failures int       // daemons in a row that did not live long
	startAt  time.Time // zero: there is a daemon

	watch  watchdog
	heap   footprint.Heap
	waiter *waiter
	inbox  inbox

	signalled chan os.Signal
	children  chan os.Signal
	timer     *time.Timer
}

// begin is the keeper's role from its start; it returns only where there is no
// /proc to start a daemon from.
func begin() {
	binary, err := openSelf()
	if err != nil {
		return
	}
	k := newKeeper(binary)
	k.nohup = signal.Ignored(syscall.SIGHUP)
	if err := canWait(); err != nil {
		say("cannot wait for processes by waitid(2): " + err.Error() + " (a filter of system calls that forbids it?)")
		os.Exit(1)
	}
	k.prepare()
	k.takeReport()
	if err := k.start(); err != nil {
		say("cannot start the daemon: " + err.Error())
		os.Exit(1)
	}
	k.run()
}

func newKeeper(binary int) *keeper {
	return &keeper{
		args:      append([]string{daemonName}, os.Args[1:]...),
		env:       withoutVariables(os.Environ(), roleVariable, reportVariable),
		report:    -1,
		systemd:   notifier{path: os.Getenv("NOTIFY_SOCKET")},
		binary:    binary,
		spare:     reserve(),
		daemon:    daemon{link: -1},
		watch:     watchdog{listener: -1},
		signalled: make(chan os.Signal, 64), // more than anybody sends while one is dealt with
		children:  make(chan os.Signal, 1),  // one is enough: all zombies are looked for
		timer:     time.NewTimer(time.Hour),
	}
}

// prepare makes of this process what a keeper is: deaf to what would kill it, the
// parent of orphans, and the last that the kernel would end for want of memory.
func (k *keeper) prepare() {
	runtime.GOMAXPROCS(1)
	k.catchSignals()
	_ = closeOnExec()                                       // a descriptor that leaks is the lesser evil
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) // no kernel of ours refuses
	k.oom = protect()
	waiter, err := newWaiter()
	if err != nil {
		say("cannot wait for the daemon: " + err.Error())
		os.Exit(1)
	}
	k.waiter = waiter
}

// takeReport takes the descriptor that the first daemon is to have.
func (k *keeper) takeReport() {
	fd, ok := parseNumber(os.Getenv(reportVariable))
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); ok && err == nil && fd > 2 {
		k.report = fd
	}
}

func withoutVariables(env []string, names ...string) []string {
	return slices.DeleteFunc(env, func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return slices.Contains(names, name)
	})
}

// openSelf opens the program that this process executes, so that it can be
// executed again when its file was replaced or removed.
func openSelf() (int, error) {
	fd, err := unix.Open("/proc/self/exe", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	return outOfTheWay(fd)
}

// outOfTheWay moves a program's descriptor above those that a child is given.
func outOfTheWay(fd int) (int, error) {
	defer unix.Close(fd)
	return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 10)
}

// run never returns. The loop has a goroutine of its own because that of an init is
// bound to the main thread: each turn would need two threads.
func (k *keeper) run() {
	go k.loop()
	select {}
}

// loop hears of everything.
func (k *keeper) loop() {
	k.reap() // what ended before the handler of SIGCHLD was there
	for {
		k.setTimer()
		select {
		case sig := <-k.signalled:
			k.forward(sig.(syscall.Signal))
		case <-k.children:
			k.reap()
		case events := <-k.waiter.ready:
			k.handle(events)
			k.waiter.handled <- struct{}{}
		case <-k.timer.C:
		}
		k.tick(time.Now())
		k.heap.Stir()
	}
}

// handle deals with descriptors that are ready.
func (k *keeper) handle(events []unix.EpollEvent) {
	for _, e := range events {
		switch fd := int(e.Fd); fd {
		case k.watch.listener:
			k.lookAfter()
		case k.daemon.link:
			if e.Events&unix.EPOLLOUT != 0 {
				k.sent(k.daemon.out.flush())
			}
			if e.Events&^unix.EPOLLOUT != 0 {
				k.hear()
			}
		}
	}
}

// deadlines are the times at which something is to be done; zero is never.
func (k *keeper) deadlines() [4]time.Time {
	trial := time.Time{}
	if k.upgrade != nil {
		trial = k.upgrade.until
	}
	return [...]time.Time{k.startAt, k.daemon.retryAt, k.watch.at, trial}
}

// setTimer sets the one timer to the next deadline. Without one it is stopped:
// an idle keeper never wakes.
func (k *keeper) setTimer() {
	next := time.Time{}
	for _, at := range k.deadlines() {
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	if next.IsZero() {
		k.timer.Stop()
		return
	}
	k.timer.Reset(time.Until(next))
}

// tick does what is due.
func (k *keeper) tick(now time.Time) {
	due := func(at time.Time) bool { return !at.IsZero() && !now.Before(at) }
	if due(k.daemon.retryAt) {
		k.daemon.retryAt = time.Time{}
		k.sent(k.daemon.out.flush())
	}
	if due(k.watch.at) {
		k.bark(now)
	}
	if k.upgrade != nil && due(k.upgrade.until) {
		k.giveUp()
	}
	if due(k.startAt) {
		k.startAgain()
	}
}
