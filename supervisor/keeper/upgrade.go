package keeper

import (
	"time"

	"golang.org/x/sys/unix"
)

// trialMax is how long a new program has to adopt the tree. A variable, so that a
// test need not wait as long.
var trialMax = 10 * time.Second

// upgrade is another program that the daemon has named, until it serves or fails.
type upgrade struct {
	binary int       // a descriptor of it
	path   string    // what people call it
	tried  bool      // the daemon that runs, or ran last, is of it
	until  time.Time // when the trial ends; zero: it has not begun, or is over
	late   bool      // it was ended because it took too long
}

// why says why the trial has failed, by how its daemon ended.
func (u *upgrade) why(how end) string {
	if u.late {
		return "it did not serve within " + trialMax.String()
	}
	return "it " + how.String() + " before it served"
}

// begun takes note of the program that the next daemon is to be.
func (k *keeper) begun(path string, fds []int) {
	if len(fds) == 0 {
		return
	}
	closeAll(fds[1:])
	binary, err := outOfTheWay(fds[0])
	if err != nil {
		say("cannot keep " + path + " for the upgrade: " + err.Error())
		return
	}
	if k.upgrade != nil {
		unix.Close(k.upgrade.binary)
	}
	k.upgrade = &upgrade{binary: binary, path: path}
}

// try begins the trial.
func (k *keeper) try() {
	k.upgrade.tried = true
	k.upgrade.until = time.Now().Add(trialMax)
	say("upgrading to " + k.upgrade.path)
}

// served: the daemon has adopted all. If it was on trial it has passed.
func (k *keeper) served() {
	k.daemon.serving = true
	if k.upgrade != nil && k.upgrade.tried {
		unix.Close(k.binary)
		k.binary = k.upgrade.binary
		k.upgrade = nil
		k.failures = 0
		k.send(message{kind: msgUpgraded})
	}
	k.lookAfter()
}

// withdraw goes back to the program of before; the next daemon is told why.
func (k *keeper) withdraw(why string) {
	say("the upgrade to " + k.upgrade.path + " failed: " + why + "; going back")
	unix.Close(k.upgrade.binary)
	k.upgrade = nil
	k.verdict = &why
}

// giveUp ends a trial that takes too long: the death of its daemon goes back.
func (k *keeper) giveUp() {
	k.upgrade.until, k.upgrade.late = time.Time{}, true
	k.killDaemon()
}
