package keeper

import (
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"coppice/supervisor/crash"
)

// Times of a daemon's life.
const (
	longLife     = 2 * time.Second        // after which a death is not one of a row
	delayFirst   = 10 * time.Millisecond  // doubled with each death of a row but the first
	delayMax     = 250 * time.Millisecond // from start to start, while they served
	delayVainMax = 5 * time.Second        // while they never came to serve
	shortageWait = 10 * time.Millisecond  // until a shortage of the kernel is tried again
)

// collectEach is after how many messages the heap is collected, and how many
// descriptors handed over are as good a reason. Left to itself, the heap grows to
// 4 MB first, and memory is all that a keeper costs.
const collectEach = 512

// daemon is the present daemon, as its keeper knows it.
type daemon struct {
	pid     int // 0: there is none
	link    int // -1: there is none, or it has ended
	out     outbox
	retryAt time.Time // when to send again what a shortage kept back
	started time.Time

	claimed bool // it has the tree
	serving bool // it has adopted all
	final   int  // the code to end with when it ends, plus one; 0: it is not to end
	garbled bool // it was said that it sent what is no message
}

// start starts a daemon and hands everything over to it.
func (k *keeper) start() error {
	ours, theirs, err := socketPair()
	if err != nil {
		return os.NewSyscallError("socketpair", err)
	}
	pid, err := k.fork(theirs)
	unix.Close(theirs)
	if err != nil {
		unix.Close(ours)
		return err
	}
	crash.Point("keeper.forked")
	k.daemon = daemon{pid: pid, link: ours, out: outbox{fd: ours}, started: time.Now()}
	k.watch.reset()
	unprotect(pid, k.oom)
	if k.report >= 0 {
		unix.Close(k.report)
		k.report = -1
	}
	if err := k.waiter.add(ours, unix.EPOLLIN); err != nil {
		say("cannot wait for the daemon: " + err.Error())
	}
	k.handOver()
	k.lookAfter()
	return nil
}

// fork executes the program of the daemons in a session of its own, so that the
// terminal speaks to the keeper only.
func (k *keeper) fork(link int) (pid int, err error) {
	files, env := []uintptr{0, 1, 2}, k.env
	if k.report >= 0 {
		env = append(env[:len(env):len(env)], reportVariable+"="+strconv.Itoa(len(files)))
		files = append(files, uintptr(k.report))
	}
	role := "daemon:" + strconv.Itoa(len(files))
	if k.nohup {
		role += ":nohup"
	}
	files = append(files, uintptr(link))
	binary := k.binary
	if k.upgrade != nil {
		binary = k.upgrade.binary
	}
	runtime.LockOSThread() // whose signal mask is inherited
	defer runtime.UnlockOSThread()
	unblockSignals()
	return syscall.ForkExec("/proc/self/fd/"+strconv.Itoa(binary), k.args, &syscall.ProcAttr{
		Env:   append(env[:len(env):len(env)], roleVariable+"="+role),
		Files: files,
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
}

// startAgain starts the next daemon, or tries again a little later.
func (k *keeper) startAgain() {
	k.startAt = time.Time{}
	err := k.start()
	switch {
	case err == nil:
		return
	case k.upgrade != nil:
		k.withdraw("it cannot be executed: " + err.Error())
		k.startAgain()
		return
	}
	say("cannot start the daemon: " + err.Error() + "; trying again")
	k.failures++
	k.startAt = time.Now().Add(delay(k.failures, delayVainMax))
}

// send tells the daemon something, if there is one.
func (k *keeper) send(m message, fds ...int) {
	if k.daemon.link >= 0 {
		k.sent(k.daemon.out.send(m, fds))
	}
}

// sent sees to it that what the socket did not take is sent when it does.
func (k *keeper) sent(err error) {
	events := uint32(unix.EPOLLIN)
	switch {
	case err == unix.EAGAIN || err == nil && len(k.daemon.out.queue) > 0 && k.daemon.retryAt.IsZero():
		events |= unix.EPOLLOUT
	case isShortage(err):
		k.daemon.retryAt = time.Now().Add(shortageWait)
	case err == unix.EMFILE || err == unix.ENFILE:
		say("cannot hand a descriptor to the daemon: " + err.Error())
	}
	if k.daemon.link >= 0 {
		k.waiter.change(k.daemon.link, events)
	}
}

// hear reads what the daemon has sent; some of it, so that nothing else waits.
func (k *keeper) hear() {
	const atOnce = 64
	for range atOnce {
		if !k.hearOne() {
			return
		}
	}
}

// hearOne reads one message. false: there is none now.
func (k *keeper) hearOne() bool {
	if k.daemon.link < 0 {
		return false
	}
	m, fds, err := k.inbox.receive(k.daemon.link)
	switch err {
	case nil:
		k.obey(m, fds)
		if k.obeyed++; k.obeyed%collectEach == 0 {
			runtime.GC()
		}
	case errGarbled:
		closeAll(fds)
		if !k.daemon.garbled {
			k.daemon.garbled = true
			say("the daemon (pid " + strconv.Itoa(k.daemon.pid) + ") sent what is no message")
		}
	case unix.EINTR, unix.ECONNRESET: // after the latter the rest can be read
	case unix.EAGAIN:
		return false
	default:
		k.unlink()
		return false
	}
	return true
}

// unlink closes the link; its daemon says nothing any more.
func (k *keeper) unlink() {
	if k.daemon.link < 0 {
		return
	}
	k.waiter.remove(k.daemon.link)
	unix.Close(k.daemon.link)
	k.daemon.out.drop()
	k.daemon.link, k.daemon.retryAt = -1, time.Time{}
}

// obey does what a message of the daemon says.
func (k *keeper) obey(m message, fds []int) {
	if m.kind != msgPut && m.kind != msgUpgrade {
		closeAll(fds)
	}
	switch m.kind {
	case msgPut:
		k.put(m, fds)
	case msgDrop:
		k.drop(m.names[0])
	case msgClaimed:
		k.daemon.claimed, k.owned = true, true
	case msgServing:
		k.served()
	case msgFinal:
		k.daemon.final = int(m.number) + 1
	case msgTaken:
		k.exits.take(m.exits[0], k.store.fd(ExitsName))
	case msgHeard:
		k.heard(syscall.Signal(m.number))
	case msgPong:
		k.pong(m.number)
	case msgReady, msgStopping, msgStatus:
		k.systemd.tell(m)
	case msgUpgrade:
		k.begun(m.text, fds)
	case msgLeave:
		os.Exit(int(m.number))
	}
}

// buryDaemon deals with the daemon's end: what it said last comes first.
func (k *keeper) buryDaemon(how end) {
	for k.hearOne() {
	}
	crash.Point("keeper.daemon.died")
	bury(k.daemon.pid)
	k.unlink()
	died := k.daemon
	k.daemon = daemon{link: -1}
	k.watch.reset()
	tried := k.upgrade != nil && k.upgrade.tried
	switch {
	case died.final > 0 && (died.serving || !tried):
		os.Exit(died.final - 1)
	case !k.owned:
		passOn(how)
	case tried:
		k.withdraw(k.upgrade.why(how))
		k.startAt = time.Now()
	case k.upgrade != nil:
		k.try()
		k.startAt = time.Now()
	default:
		k.crashed(died, how)
	}
}

// crashed decides when the next daemon starts.
func (k *keeper) crashed(died daemon, how end) {
	say("the daemon (pid " + strconv.Itoa(died.pid) + ") " + how.String() + "; starting it again")
	most, since := delayMax, died.started
	if !died.serving {
		// It may have worked all its life, to no avail.
		most, since = delayVainMax, time.Now()
	} else if time.Since(died.started) >= longLife {
		k.failures = 0
	}
	k.startAt = since.Add(delay(k.failures, most))
	k.failures++
}

// delay is how long the daemon after a number of deaths in a row has to wait.
func delay(failures int, most time.Duration) time.Duration {
	if failures == 0 {
		return 0
	}
	const doublings = 9 // more than 5 s
	return min(most, delayFirst<<min(failures-1, doublings))
}

// killDaemon ends a daemon that is of no use. Its number is safe: nobody has
// waited for it.
func (k *keeper) killDaemon() {
	if k.daemon.pid > 0 {
		_ = unix.Kill(k.daemon.pid, unix.SIGKILL) // the only refusal would be that it is gone
	}
}
