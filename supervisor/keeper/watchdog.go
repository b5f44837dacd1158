package keeper

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// pongMax is how long a daemon that serves may take to answer. A variable, so that
// a test need not wait as long.
var pongMax = 5 * time.Second

const (
	comingMax  = 60 * time.Second // for one that still adopts
	looksApart = time.Second      // between two pings while somebody goes on waiting
	// glanceAfter is how long somebody waits until it is seen whether the daemon is
	// stopped (SIGSTOP): that needs no patience.
	glanceAfter = 300 * time.Millisecond
)

// watchdog asks the daemon whether it lives, and only while somebody waits for it:
// a connection that it has not accepted, an exit or a signal that it has not taken.
type watchdog struct {
	listener int       // the stored descriptor "listen"; -1: there is none
	number   uint64    // of the last ping
	asked    bool      // that ping has not been answered
	last     time.Time // when it was sent
	at       time.Time // when to look again; zero: never
	until    time.Time // asked: until when it may answer
}

// reset is for a new daemon, and for the time without one.
func (w *watchdog) reset() { *w = watchdog{listener: w.listener, number: w.number} }

// watchListener hears of connections; each wakes the keeper once (EPOLLET).
func (k *keeper) watchListener() {
	k.watch.listener = k.store.fd(ListenName)
	// What cannot be waited for (EPERM: no socket) is not watched.
	if k.watch.listener >= 0 && k.waiter.add(k.watch.listener, unix.EPOLLIN|unix.EPOLLET) != nil {
		k.watch.listener = -1
	}
	k.lookAfter()
}

// outstanding says whether anybody waits for the daemon.
func (k *keeper) outstanding() bool {
	if len(k.exits.all) > 0 || len(k.signals) > 0 {
		return true
	}
	if k.watch.listener < 0 {
		return false
	}
	set := []unix.PollFd{{Fd: int32(k.watch.listener), Events: unix.POLLIN}}
	n, _ := unix.Poll(set, 0)
	return n == 1
}

// lookAfter asks the daemon whether it lives, if somebody waits for it and it is
// not asked, or not lately. Before a daemon has claimed the tree it may wait for its lock as
// long as it likes.
func (k *keeper) lookAfter() {
	if k.daemon.pid == 0 || !k.owned || k.watch.asked || !k.outstanding() {
		return
	}
	now := time.Now()
	if next := k.watch.last.Add(looksApart); now.Before(next) {
		k.watch.at = earlier(next, now.Add(glanceAfter))
		return
	}
	k.watch.number++
	k.watch.asked, k.watch.last = true, now
	k.watch.until = now.Add(k.patience())
	k.watch.at = earlier(k.watch.until, now.Add(glanceAfter))
	k.send(message{kind: msgPing, number: k.watch.number})
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// stopped says whether the daemon was stopped by a signal, proc_pid_stat(5).
func (k *keeper) stopped() bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(k.daemon.pid) + "/stat")
	_, rest, found := strings.Cut(string(stat[bytes.LastIndexByte(stat, ')')+1:]), " ")
	return err == nil && found && strings.HasPrefix(rest, "T ")
}

func (k *keeper) patience() time.Duration {
	if k.daemon.serving {
		return pongMax
	}
	return comingMax
}

// pong: the daemon lives. If somebody still waits it is asked again a little later.
func (k *keeper) pong(number uint64) {
	if number != k.watch.number || !k.watch.asked {
		return
	}
	k.watch.asked, k.watch.at = false, time.Time{}
	if k.outstanding() {
		k.watch.at = time.Now().Add(looksApart)
	}
}

// bark is what is due at watch.at.
func (k *keeper) bark(now time.Time) {
	late := now.Sub(k.watch.at) > time.Second
	for k.hearOne() { // the answer may be here
	}
	switch {
	case k.watch.at.IsZero() || now.Before(k.watch.at):
	case !k.outstanding():
		k.watch.asked, k.watch.at = false, time.Time{}
	case late:
		// It was the keeper that did not run; the daemon may have been stopped with it.
		k.watch.until = now.Add(k.patience())
		k.watch.at = now.Add(glanceAfter)
	case k.stopped():
		k.replace("is stopped")
	case !k.watch.asked:
		k.watch.at = time.Time{}
		k.lookAfter()
	case now.Before(k.watch.until):
		k.watch.at = k.watch.until
	default:
		k.replace("does not answer")
	}
}

// replace kills the daemon for a reason. Its death comes as SIGCHLD.
func (k *keeper) replace(why string) {
	say("the daemon (pid " + strconv.Itoa(k.daemon.pid) + ") " + why + ", and somebody waits for it")
	k.watch.at = time.Time{}
	k.killDaemon()
}
