package supervisor

import (
	"cmp"
	"context"
	"os"
	"syscall"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"coppice/ipc"
	"coppice/supervisor/crash"
	"coppice/supervisor/keeper"
	"coppice/supervisor/logs"
	"coppice/tree"
)

// hearKeeper says that all is taken over, and begins to hear the keeper.
func (r *runtime) hearKeeper() {
	r.keeping.settleStrangers()
	for _, sig := range r.keeping.link.Signals() {
		if r.down {
			// It is in the journal, or asked for what is under way. Obeyed once more,
			// a Ctrl-C would kill.
			r.keeping.link.Heard(sig)
			continue
		}
		r.early = append(r.early, sig)
	}
	r.keeping.link.Serving()
	go r.keeping.link.Run(keeperHandler{r})
}

// keeperHandler passes on what the keeper says.
type keeperHandler struct{ r *runtime }

// Exit implements keeper.Handler.
func (h keeperHandler) Exit(e keeper.Exit) {
	if h.r.keeping.heard(e) {
		h.r.reaper.Ended(identityOf(e))
	}
}

// Signal implements keeper.Handler.
func (h keeperHandler) Signal(sig syscall.Signal) {
	offer(h.r, h.r.signals, heardSignal{sig, func() { h.r.keeping.link.Heard(sig) }})
}

// Ping implements keeper.Handler. The loop answers: it is what has to be alive.
func (h keeperHandler) Ping(n uint64) {
	offer(h.r, h.r.asked, func() { h.r.keeping.link.Pong(n) })
}

// Upgraded implements keeper.Handler.
func (h keeperHandler) Upgraded(why string) {
	offer(h.r, h.r.asked, func() { h.r.upgraded = &ipc.UpgradeResult{Error: why} })
}

// Gone implements keeper.Handler.
func (h keeperHandler) Gone() {
	offer(h.r, h.r.asked, h.r.becomeKeeper)
}

// leaveTimeout is how long a daemon that makes way waits for who reads its last
// answers.
const leaveTimeout = 200 * time.Millisecond

// becomeKeeper makes this process the keeper, for that one is gone: it executes
// itself anew, with the same pid and the same children, and starts a daemon. It
// comes back only if that cannot be done.
func (r *runtime) becomeKeeper() {
	if r.halted != nil || r.leaving {
		return
	}
	crash.Point("takeover.begin")
	r.takePlace()
}

// takePlaceAgain is how long after a try to become the keeper that failed the next
// one is made: what was short, a descriptor mostly, may be there again.
const takePlaceAgain = time.Second

// takePlace executes this process anew as the keeper, on the loop's goroutine.
func (r *runtime) takePlace() {
	state := keeper.TakeOverState{Exits: r.keeping.untaken(), Signals: r.unheard()}
	failed := make(chan error, 1)
	r.finish()
	r.reaper.Do(func() { failed <- keeper.TakeOver(r.belongings(), state) }) // no fork is under way there
	for {
		select {
		case <-r.turn.ring:
			r.rung()
		case err := <-failed:
			r.stay(state.Signals, err)
			return
		}
	}
}

// stay goes on without a keeper, until another try.
func (r *runtime) stay(signals []syscall.Signal, err error) {
	r.store.TakeBack()
	if !r.keeperless {
		r.log.Error("cannot take the keeper's place yet; should this daemon be killed now, its tree waits for the next `coppice up`", zap.Error(err))
	}
	r.keeperless = true
	time.AfterFunc(takePlaceAgain, func() { offer(r, r.asked, r.becomeKeeper) })
	for _, sig := range signals {
		r.signalled(sig)
	}
}

// unheard are the signals that the keeper has told and that were not obeyed yet.
func (r *runtime) unheard() []syscall.Signal {
	var signals []syscall.Signal
	for {
		select {
		case sig := <-r.signals:
			signals = append(signals, sig.Signal)
		default:
			return signals
		}
	}
}

// belongings are all that has to outlive this daemon. It is called by the reaper's
// goroutine while the loop waits.
func (r *runtime) belongings() []keeper.Held {
	var held []keeper.Held
	add := func(name string, fd int) {
		held = append(held, keeper.Held{Name: name, FD: fd})
	}
	add(keptLock, int(r.listener.Lock().Fd()))
	_ = r.listener.FD(func(fd int) { add(keptSocket, fd) }) // it fails only for a closed one
	for name, file := range r.keeping.own {
		add(name, int(file.Fd()))
	}
	if r.keeping.own[keptOrphan] == nil {
		// Only its name counts, but it has to be a descriptor of its own: the keeper
		// closes the lock's when a daemon puts the lock anew.
		if fd, err := unix.FcntlInt(r.listener.Lock().Fd(), unix.F_DUPFD_CLOEXEC, 3); err == nil {
			r.keeping.own[keptOrphan] = os.NewFile(uintptr(fd), keptOrphan)
			add(keptOrphan, fd)
		}
	}
	r.store.EachReader(func(p logs.Pipe, fd int) { add(pipeName(p), fd) })
	r.notify.Each(func(ref tree.Ref, fd int, pipe bool) {
		kind := keptNotify
		if pipe {
			kind = keptReady
		}
		add(refName(kind, ref), fd)
	})
	for ref, fd := range r.reaper.PIDFDs() {
		add(refName(keptProcess, ref), fd)
	}
	return append(held, r.heldStored()...)
}

// Upgrade implements ipc.Backend.
func (r *runtime) Upgrade(ctx context.Context, req ipc.UpgradeRequest) error {
	if r.keeping.link.Keeper() == 0 {
		return refused("this daemon has no keeper that could start another one")
	}
	file, err := os.OpenFile(req.Binary, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return refused("cannot upgrade: %v", err)
	}
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
		file.Close()
		return refused("cannot upgrade: %s is not a program", req.Binary)
	}
	defer file.Close() // the link has a copy
	var refusal error
	err = r.ask(ctx, func() {
		if err := r.keeping.link.Upgrade(int(file.Fd()), req.Binary); err != nil {
			refusal = refused("cannot upgrade: %v", err)
			return
		}
		r.leaving = true
	})
	return cmp.Or(err, refusal)
}

// Leave implements ipc.Backend.
func (r *runtime) Leave(ctx context.Context) error {
	var refusal error
	err := r.ask(ctx, func() {
		if !r.unattended {
			refusal = refused("the tree has a keeper that is waited for")
			return
		}
		r.leaving, r.relieved = true, true
	})
	return cmp.Or(err, refusal)
}

// leave ends this process and touches nothing: another one goes on. Who waits for
// an answer has it first.
func (r *runtime) leave(server *ipc.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
	defer cancel()
	r.listener.Abandon()
	if err := server.Shutdown(ctx); err != nil {
		r.log.Warn("cannot end all connections in order", zap.Error(err))
	}
	switch {
	case r.relieved:
		r.keeping.link.Leave(0)
	case r.keeping.link.Keeper() == 0: // killed meanwhile: nobody would start another one
		r.takePlace()
	}
	os.Exit(0)
}

// keepProcesses gives the keeper descriptors of the adopted processes that are not
// its own children: through those alone their exit status can be had.
func (r *runtime) keepProcesses() {
	if len(r.foreign) == 0 {
		return
	}
	r.reaper.Do(func() {
		for ref, fd := range r.reaper.PIDFDs() {
			if r.foreign[ref] {
				r.keeping.put(refName(keptProcess, ref), fd)
			}
		}
	})
}
