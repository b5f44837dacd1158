package keeper

import (
	"errors"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"coppice/supervisor/crash"
)

// TakeOverState is what a daemon that becomes the keeper leaves to itself, besides
// the descriptors.
type TakeOverState struct {
	Signals []syscall.Signal // that it was told of and has not acted upon, in order
	Exits   []Exit           // that it was told of and has not journalled
}

// stateHead is the first line of what a daemon writes down for the keeper that it
// becomes; a keeper that finds another one holds nothing.
const stateHead = "coppice keeper 1"

// TakeOver makes a keeper of this process, the daemon of one that is gone: it
// executes its own program anew (execve(2): the pid and the children stay), and
// that starts a new daemon, to which it hands over what held names. It returns only
// when that is not possible; then all is as it was.
//
// It must be called by the goroutine that forks, so that no fork is under way, and
// when nothing is left to be written down: of this daemon nothing remains but what
// is passed here. The exits file, if it is among held, is read anew.
func TakeOver(held []Held, state TakeOverState) error {
	runtime.LockOSThread() // for the signal mask
	defer runtime.UnlockOSThread()
	fd, err := writeState(held, state)
	if err != nil {
		return errors.New("cannot write down the keeper's state: " + err.Error())
	}
	defer unix.Close(fd)
	crash.Point("takeover.written")
	argv := append([]string{keeperName}, os.Args[1:]...)
	env := append(withoutVariables(os.Environ(), roleVariable, reportVariable), roleVariable+"=keeper:"+strconv.Itoa(fd))

	// A signal that comes now waits until the keeper has its handlers.
	var all, before unix.Sigset_t
	for i := range all.Val {
		all.Val[i] = ^all.Val[i]
	}
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &all, &before) // it cannot fail
	setInherited(held, true)
	err = syscall.Exec("/proc/self/exe", argv, env)
	setInherited(held, false)
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil)
	return errors.New("cannot become the keeper: " + err.Error())
}

// setInherited says whether descriptors outlive the next execve(2).
func setInherited(held []Held, inherited bool) {
	flags := unix.FD_CLOEXEC
	if inherited {
		flags = 0
	}
	for _, h := range held {
		// One that is closed is not handed over.
		_, _ = unix.FcntlInt(uintptr(h.FD), unix.F_SETFD, flags)
	}
}

// writeState writes the state into a file in memory: a variable of the environment
// would end at 128 KiB.
func writeState(held []Held, state TakeOverState) (int, error) {
	b := []byte(stateHead + "\n")
	if linked != nil {
		b = strconv.AppendInt(append(b, "gone "...), int64(linked.first), 10)
		b = append(b, '\n')
		if linked.nohup {
			b = append(b, "nohup\n"...)
		}
	}
	for _, sig := range state.Signals {
		b = strconv.AppendInt(append(b, "signal "...), int64(sig), 10)
		b = append(b, '\n')
	}
	for _, e := range state.Exits {
		b = append(e.appendText(append(b, "exit "...)), '\n')
	}
	for _, h := range held {
		if isName(h.Name) {
			b = strconv.AppendInt(append(b, "held "...), int64(h.FD), 10)
			b = append(append(append(b, ' '), h.Name...), '\n')
		}
	}
	fd, err := unix.MemfdCreate("coppice-keeper", 0)
	for err == nil && len(b) > 0 {
		var n int
		n, err = unix.Write(fd, b)
		b = b[max(n, 0):]
	}
	return fd, err
}

// succeed is the keeper's role in what was a daemon until now; it never returns.
func succeed(number string) {
	nameProcess(keeperName)
	binary, err := openSelf()
	if err != nil {
		say("cannot open the program of this process: " + err.Error())
		os.Exit(1)
	}
	k := newKeeper(binary)
	k.owned = true
	gone := k.restore(readState(number))
	k.nohup = k.nohup || signal.Ignored(syscall.SIGHUP)
	k.prepare()
	if file := k.store.fd(ExitsName); file >= 0 {
		k.exits.readFrom(file)
	}
	k.watchListener()
	say("the keeper (pid " + gone + ") is gone; this process (pid " + strconv.Itoa(os.Getpid()) + ") keeps the tree now")
	crash.Point("takeover.done")
	k.systemd.succeed()
	k.startAt = time.Now()
	k.run()
}

// readState reads the state out of a descriptor and closes it.
func readState(number string) string {
	fd, ok := parseNumber(number)
	if !ok || fd < 3 {
		return ""
	}
	file := os.NewFile(uintptr(fd), "state")
	defer file.Close()
	text, err := io.ReadAll(io.NewSectionReader(file, 0, 1<<62))
	state, sound := strings.CutPrefix(string(text), stateHead+"\n")
	if err != nil || !sound {
		say("cannot read what the daemon wrote down for its keeper")
		return ""
	}
	return state
}

// restore takes over what the state says; it returns the pid of the keeper before.
func (k *keeper) restore(state string) (gone string) {
	gone = "unknown"
	for line := range strings.Lines(state) {
		word, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch word {
		case "gone":
			gone = rest
		case "nohup":
			k.nohup = true
		case "signal":
			if n, ok := parseNumber(rest); ok && n >= 1 && n <= signalMax {
				k.signals = append(k.signals, syscall.Signal(n))
			}
		case "exit":
			if e, ok := parseExit(rest); ok {
				k.exits.all = append(k.exits.all, e)
			}
		case "held":
			k.restoreHeld(rest)
		}
	}
	return gone
}

// restoreHeld keeps a descriptor, "FD NAME", if it is there.
func (k *keeper) restoreHeld(text string) {
	number, name, _ := strings.Cut(text, " ")
	fd, ok := parseNumber(number)
	if !ok || fd < 3 || !isName(name) {
		return
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil {
		k.store.put(name, fd)
	}
}
