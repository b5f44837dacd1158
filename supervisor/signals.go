package supervisor

import (
	"os"
	"os/signal"
	"syscall"

	"go.uber.org/zap"

	"coppice/supervisor/process"
	"coppice/tree"
)

// heardSignal is a signal, and who wants to know that it was obeyed.
type heardSignal struct {
	syscall.Signal
	heard func() // nil: nobody
}

// catchSignals takes over the signals that mean something to a daemon, and those
// that somebody may send and that would end it: a broken pipe (a terminal that
// has gone away), timers, the signals of faults, real-time signals. A fault of
// our own still ends it. signal.Ignore would be inherited by the children. The
// signals of job control keep their meaning.
//
// hangsUp says that a hang-up is to be obeyed: nobody asked to ignore it.
func (r *runtime) catchSignals(hangsUp bool) {
	r.hangsUp = hangsUp
	signals := make(chan os.Signal, 8) // one must not be missed while the loop works
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP)
	if os.Getpid() == 1 { // without a keeper
		for name := range halting {
			number, _ := process.SignalNumber(name)
			signal.Notify(signals, number)
		}
	}
	go func() {
		for {
			select {
			case sig := <-signals:
				offer(r, r.signals, heardSignal{Signal: sig.(syscall.Signal)})
			case <-r.done:
				return
			}
		}
	}()
	nobody := make(chan os.Signal, 1)
	signal.Notify(nobody, syscall.SIGPIPE, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGALRM,
		syscall.SIGVTALRM, syscall.SIGPROF, syscall.SIGIO, syscall.SIGPWR, syscall.SIGXCPU, syscall.SIGXFSZ,
		syscall.SIGILL, syscall.SIGTRAP, syscall.SIGABRT, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGSEGV,
		syscall.SIGSTKFLT, syscall.SIGSYS)
	first, _ := process.SignalNumber("SIGRTMIN")
	last, _ := process.SignalNumber("SIGRTMAX")
	for sig := first; sig <= last; sig++ {
		signal.Notify(nobody, sig)
	}
}

// halting are the signals by which whoever runs a container asks its first process to
// end, as systemd(1) obeys them: true is at once. The keeper passes them on where it is
// that process.
var halting = map[string]bool{
	"SIGPWR": false, "SIGRTMIN+3": false, "SIGRTMIN+4": false, "SIGRTMIN+5": false,
	"SIGRTMIN+13": true, "SIGRTMIN+14": true, "SIGRTMIN+15": true,
}

// signalled obeys a signal: SIGTERM, SIGINT and SIGQUIT stop the tree in order,
// a second SIGINT kills it, SIGHUP reloads or, in the foreground, stops; to a first
// process those in halting mean something, too.
func (r *runtime) signalled(sig syscall.Signal) {
	name := process.SignalName(sig)
	if sig == syscall.SIGHUP {
		switch {
		case !r.hangsUp:
			return
		case !r.opts.Foreground:
			r.reloadByItself(name)
			return
		}
	}
	kill := r.down && sig == syscall.SIGINT || halting[name]
	if kill {
		r.log.Warn("killing what is left", zap.String("signal", name))
	}
	r.shutdown(tree.ShutdownTree{By: name, Kill: kill}, nil)
}

// shutdown asks the tree to end; done is called when nothing of it is left.
func (r *runtime) shutdown(request tree.ShutdownTree, done func(tree.Reply)) {
	r.down = true
	r.keeping.link.Stopping()
	r.call(request, done)
}
