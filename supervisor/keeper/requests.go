package keeper

import (
	"errors"
	"syscall"
)

// Put has the keeper hold a copy of a descriptor for the daemons to come. One that
// it holds under the same name is closed. A name is 1 to 400 bytes without a
// newline. ListenName and ExitsName mean something to the keeper. The error is that
// of a name or of a copy that could not be made; that the keeper holds the
// descriptor is not told.
func (l *Link) Put(name string, fd int) error {
	if !isName(name) {
		return errors.New("cannot have the keeper hold a descriptor: its name is empty, too long or has a newline")
	}
	return l.send(message{kind: msgPut, names: []string{name}}, fd)
}

// Drop has the keeper close what it holds under a name, if it does.
func (l *Link) Drop(name string) {
	if isName(name) {
		l.tell(message{kind: msgDrop, names: []string{name}})
	}
}

// Claimed says that this daemon has the tree to itself (it holds the lock) and has
// taken over the signals that mean something to it. Until then the keeper is only a
// relay: it sends signals by kill(2) and ends as the daemon ends. From then on
// signals come to the Handler, and an end without Final is a crash, for the daemons
// to come as well.
func (l *Link) Claimed() { l.tell(message{kind: msgClaimed}) }

// Serving says that everything is adopted and that requests are answered. An
// upgrade is done then.
func (l *Link) Serving() { l.tell(message{kind: msgServing}) }

// Final says that the tree has ended: when this daemon ends, however, the keeper
// ends with the code, 0 to 255. A daemon on trial after an Upgrade may say so only
// once it is Serving; before, its end is a failure of the upgrade.
func (l *Link) Final(code int) { l.tell(message{kind: msgFinal, number: uint64(code & 0xff)}) }

// Taken says that an exit is in the journal. It must be said for each exit that is
// told, also for that of a stranger: only then the keeper forgets it.
func (l *Link) Taken(e Exit) { l.tell(message{kind: msgTaken, exits: []Exit{e}}) }

// Heard says that a signal was acted upon, and that the action will outlive this
// daemon: only then the keeper forgets it.
func (l *Link) Heard(sig syscall.Signal) { l.tell(message{kind: msgHeard, number: uint64(sig)}) }

// Pong answers a Ping.
func (l *Link) Pong(n uint64) { l.tell(message{kind: msgPong, number: n}) }

// Ready tells the service manager that the tree is started: READY=1, sd_notify(3).
// The keeper says so once.
func (l *Link) Ready() { l.tell(message{kind: msgReady}) }

// Stopping tells the service manager that the tree is being stopped.
func (l *Link) Stopping() { l.tell(message{kind: msgStopping}) }

// Status tells the service manager a line for people; what does not fit is cut.
func (l *Link) Status(text string) {
	l.tell(message{kind: msgStatus, text: text[:min(len(text), statusBytesMax)]})
}

// statusBytesMax is the length of a status at most.
const statusBytesMax = 1024

// Upgrade has the next daemon be another program: an open file (for reading, or
// O_PATH), and the path that people know it by. The caller ends itself afterwards;
// whichever way, that is no crash. If the program does not say Serving within ten
// seconds, or ends before, the present program is started again, and that daemon is
// told why.
func (l *Link) Upgrade(fd int, path string) error {
	return l.send(message{kind: msgUpgrade, text: path}, fd)
}

// Leave has the keeper end at once with a code, 0 to 255, and leave everything as
// it is: this daemon lives on and hears that the keeper is Gone.
func (l *Link) Leave(code int) { l.tell(message{kind: msgLeave, number: uint64(code & 0xff)}) }

// tell sends what has no descriptor and so cannot fail.
func (l *Link) tell(m message) { _ = l.send(m) }
