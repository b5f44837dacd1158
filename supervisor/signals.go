package supervisor

import (
	"os"
	"os/signal"
	"syscall"

	"go.uber.org/zap"

	"coppice/supervisor/process"
	"coppice/tree"
)

// catchSignals takes over the signals that mean something to a daemon. SIGPIPE
// is caught so that a terminal that has gone away does not end the daemon;
// signal.Ignore would be inherited by the children.
func (r *runtime) catchSignals() {
	signal.Notify(r.signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP)
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
}

// signalled obeys a signal: SIGTERM, SIGINT and SIGQUIT stop the tree in order,
// a second SIGINT kills it, SIGHUP reloads or, in the foreground, stops.
func (r *runtime) signalled(sig os.Signal) {
	name := process.SignalName(sig.(syscall.Signal))
	if sig == syscall.SIGHUP {
		switch {
		case !r.hangsUp:
			return
		case !r.opts.Foreground:
			r.reloadByItself(name)
			return
		}
	}
	kill := r.down && sig == syscall.SIGINT
	if kill {
		r.log.Warn("killing what is left", zap.String("signal", name))
	}
	r.shutdown(tree.ShutdownTree{By: name, Kill: kill}, nil)
}

// shutdown asks the tree to end; done is called when nothing of it is left.
func (r *runtime) shutdown(request tree.ShutdownTree, done func(tree.Reply)) {
	r.down = true
	r.call(request, done)
}
