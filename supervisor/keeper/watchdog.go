package keeper

import (
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// pongMax is how long a daemon that serves may take to answer. A variable, so that
// a test need not wait as long.
var pongMax = 5 * time.Second

const (
	comingMax  = 60 * time.Second // for one that still adopts
	looksApart = time.Second      // between two pings while somebody goes on waiting
)

// watchdog asks the daemon whether it lives, and only while somebody waits for it:
// a connection that it has not accepted, an exit or a signal that it has not taken.
type watchdog struct {
	listener int       // the stored descriptor "listen"; -1: there is none
	number   uint64    // of the last ping
	asked    bool      // that ping has not been answered
	last     time.Time // when it was sent
	at       time.Time // asked: until when it may answer; else: when to look again; zero: never
}

// reset is for a new daemon, and for the time without one.
func (w *watchdog) reset() { w.asked, w.last, w.at = false, time.Time{}, time.Time{} }

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
		k.watch.at = next
		return
	}
	k.watch.number++
	k.watch.asked, k.watch.last = true, now
	k.watch.at = now.Add(k.patience())
	k.send(message{kind: msgPing, number: k.watch.number})
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
	case !k.watch.asked:
		k.watch.at = time.Time{}
		k.lookAfter()
	case !k.outstanding():
		k.watch.asked, k.watch.at = false, time.Time{}
	case late:
		// It was the keeper that did not run; the daemon may have been stopped with it.
		k.watch.at = now.Add(k.patience())
	default:
		say("the daemon (pid " + strconv.Itoa(k.daemon.pid) + ") does not answer")
		k.watch.at = time.Time{} // its death comes as SIGCHLD
		k.killDaemon()
	}
}
