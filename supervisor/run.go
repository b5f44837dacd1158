package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"go.uber.org/zap"

	"coppice/ipc"
	"coppice/supervisor/crash"
	"coppice/supervisor/footprint"
	"coppice/supervisor/journal"
	"coppice/supervisor/keeper"
	"coppice/supervisor/process"
	"coppice/tree"
)

// Run runs a tree until it ends, and returns the exit code that tells how: 0
// after a stop that was asked for, 1 when the root gave up or did not start,
// after the root's auto_shutdown the code of the process whose end caused it.
// The error, if any, says in words why the tree ended, or why it did not even
// begin: a *ipc.HeldError when another daemon runs it, that of Options.Load.
//
// Where an earlier daemon's tree is there to go on with, it goes on with that: as
// the keeper's next daemon, or because both died and left processes alive.
func Run(opts Options) (code int, err error) {
	hangsUp := !signal.Ignored(syscall.SIGHUP)
	if err := process.Sanitize(); err != nil {
		return 1, err
	}
	r, err := newRuntime(opts)
	if err != nil {
		return 1, err
	}
	r.catchSignals(hangsUp && !r.keeping.link.HangUpIgnored())
	if err := r.claim(); err != nil {
		return 1, err
	}
	r.keeping.link.Claimed()
	defer func() { err = errors.Join(err, r.listener.Release()) }()
	defer r.close()
	relax := footprint.Hurry()
	err = r.begin()
	relax()
	if err != nil {
		return 1, err
	}
	process.SpareThreads()
	r.keeping.begun.Store(true)
	if !r.keeping.resuming {
		// From now on there is something to go on with. A daemon that dies before
		// has done nothing, and the next one begins as it did.
		if err := r.keeping.charge(Charge{Folders: r.opts.Folders, Detached: r.opts.Detached, TreeID: r.treeID, Strangers: r.strangers}); err != nil {
			return 1, err
		}
	}
	return r.serve()
}

// serve answers requests while the loop runs, and ends in order.
func (r *runtime) serve() (int, error) {
	server := ipc.NewServer(r, ipc.ServerOptions{})
	serving := make(chan error, 1)
	go func() { serving <- server.Serve(r.listener) }()
	r.hearKeeper()

	r.loop()
	r.endJobs()
	if r.leaving {
		r.leave(server) // does not return
	}
	r.end()
	r.record.end()
	r.closeStore() // whoever follows is shown what is left

	// Who waits for the end is answered before the socket goes away; who does
	// not read its answer is not waited for long.
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := errors.Join(server.Shutdown(ctx), <-serving); err != nil {
		r.log.Warn("cannot end all connections in order", zap.Error(err))
	}
	return r.verdict()
}

// claim makes the state folder this daemon's, by what an earlier one has left
// with the keeper or anew.
func (r *runtime) claim() (err error) {
	lock, socket := r.keeping.take(keptLock), r.keeping.take(keptSocket)
	if lock != nil && socket != nil {
		r.listener, err = ipc.Inherit(r.opts.Folders.Run, lock, socket)
	} else {
		r.listener, err = ipc.Listen(r.opts.Folders.Run)
	}
	if err != nil {
		return err
	}
	crash.Point("claim.locked")
	r.keeping.put(keptLock, int(r.listener.Lock().Fd()))
	err = r.listener.FD(func(fd int) { r.keeping.put(keptSocket, fd) })
	if file := r.keeping.take(keptCharge); file != nil {
		r.keeping.own[keptCharge], r.keeping.resuming = file, true
	}
	if file := r.keeping.take(keptOrphan); file != nil {
		r.keeping.own[keptOrphan], r.unattended = file, !r.opts.Detached
	}
	return err
}

// begin starts a fresh tree, or goes on with that of an earlier daemon.
func (r *runtime) begin() error {
	r.meetStrangers()
	p := newPast()
	var damage *journal.Damage
	var err error
	if r.record, damage, err = openRecord(r.opts.Folders.Record, p.visit); err != nil {
		return err
	}
	if err := r.openExits(); err != nil {
		return err
	}
	here := p.ofHere()
	w := world{}
	if here && !p.over() || p.tree == nil {
		behind, jobs := r.keeping.take(keptBehind) != nil, r.hadJobs()
		walk := !r.keeping.resuming || behind || jobs || damage != nil || p.tree == nil
		if w, err = p.look(r.treeID, walk); err != nil {
			return err
		}
	}
	switch {
	case here && r.keeping.resuming && p.over():
		return r.endOf(p)
	case here && !p.over() && (r.keeping.resuming || !w.empty()):
		return r.goOn(p, w, damage)
	case !w.empty():
		return r.unreadable(damage, w)
	}
	return r.fresh(p, w, damage)
}

// over says that the tree has ended.
func (p *past) over() bool {
	_, over := p.tree.Halted()
	return over
}

// endOf ends at once with a tree that has ended already: the daemon that ended it
// was killed before it could say so.
func (r *runtime) endOf(p *past) error {
	h, _ := p.tree.Halted()
	r.wanted = p.wanted
	r.tree, r.halted = p.tree, &h
	return r.open()
}

// fresh starts a tree from its file. What happened before is forgotten, but for
// the event record.
func (r *runtime) fresh(p *past, w world, damage *journal.Damage) error {
	config, err := r.opts.Load()
	if err != nil {
		return err
	}
	if err := checkTree(config); err != nil {
		return err
	}
	if err := process.EndLeft(r.treeID); err != nil {
		r.keeping.begun.Store(true) // trying again would not help
		return fmt.Errorf("cannot start the tree beside what is left of an earlier run: %w", err)
	}
	r.config = config
	r.tree = tree.New(config.Spec, tree.Options{Seq: r.record.last})
	if err := r.open(); err != nil {
		return err
	}
	r.tellDamage(damage)
	r.endLeftJobs(w)
	r.releaseUnkept()
	r.record.forgetAll(p.spawned)
	if err := r.compact(); err != nil {
		return err
	}
	r.startReaper()
	r.rewatch()
	return nil
}

// goOn takes over the tree of an earlier daemon and all of its processes.
func (r *runtime) goOn(p *past, w world, damage *journal.Damage) error {
	r.wanted = p.wanted
	if err := r.open(); err != nil {
		return err
	}
	r.tellDamage(damage)
	r.endLeftJobs(w)
	if damage != nil || len(w.ahead) > 0 {
		salvaged := r.salvage(p, &w)
		r.takeOver(p)
		// A disk that is full heals; until then the journal is behind, which is told.
		_ = r.compact()
		r.tell(tree.Output{Reports: salvaged.Reports}, r.now(), nil)
		r.logReports(salvaged.Reports)
		p.sent = nil // what is asked for now was never sent
		r.resume(p, w, salvaged.Actions)
	} else {
		r.resume(p, w, p.tree.Redo())
	}
	r.rewatch()
	r.noteRoot()
	return nil
}

// noteRoot tells those who wait for the start of a tree that had started before.
func (r *runtime) noteRoot() {
	if r.tree.Status().State == tree.Up {
		r.bootDone(nil)
	}
}

func (r *runtime) tellDamage(damage *journal.Damage) {
	if damage != nil {
		r.log.Error("the journal is damaged; what stands before the damage counts", zap.String("damage", damage.Error()))
	}
}

// unreadable refuses to start a second set of processes beside one that runs and
// that no journal explains.
func (r *runtime) unreadable(damage *journal.Damage, w world) error {
	var running []string
	for _, f := range w.ahead {
		running = append(running, fmt.Sprintf("%s (pid %d)", f.Ref.ID, f.Identity.PID))
	}
	for ref, id := range w.alive {
		running = append(running, fmt.Sprintf("%s (pid %d)", ref.ID, id.PID))
	}
	what := "has no tree in it"
	if damage != nil {
		what = "is damaged: " + damage.Error()
	}
	r.keeping.begun.Store(true) // trying again would not help
	return fmt.Errorf("cannot go on with the tree: the journal in %s %s; its processes were left running: %s; "+
		"end them (`kill`), then `coppice up` starts the tree anew", r.opts.Folders.Record, what, strings.Join(running, ", "))
}

// compact begins the journal anew with the tree as it is. The log of a detached daemon has
// grown with it.
func (r *runtime) compact() error {
	if err := trimOwnLog(os.Stderr, filepath.Join(r.opts.Folders.Record, OwnLog), ownLogMax); err != nil {
		r.log.Error("cannot begin this log anew", zap.Error(err))
	}
	boot, namespace := journal.Host()
	return r.record.begin(
		journal.Begin{Boot: boot, PIDNamespace: namespace, Tree: r.treeID, Version: r.opts.Version, Wall: r.wall(0)},
		journal.State{Config: r.config, Tree: r.tree.Save()},
	)
}

// openExits reads what a keeper noted that is gone, and gives the file to the
// present one.
func (r *runtime) openExits() error {
	if file := r.keeping.take(keptExits); file != nil {
		r.keeping.own[keptExits] = file // and the keeper has told all that is in it
		return nil
	}
	path := filepath.Join(r.opts.Folders.Record, exitsName)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return fmt.Errorf("cannot open the record of exits: %w", err)
	}
	r.keeping.own[keptExits] = file
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return errors.Join(err, &fs.PathError{Op: "open", Path: path, Err: errors.New("it is not a plain file")})
	}
	exits, err := keeper.ReadExits(file)
	if err != nil {
		return fmt.Errorf("cannot read the record of exits: %w", err)
	}
	r.keeping.remember(exits)
	r.keeping.put(keptExits, int(file.Fd()))
	return nil
}

// verdict is the exit code of a tree that has ended, and why it did.
func (r *runtime) verdict() (int, error) {
	h := r.halted
	switch h.Reason {
	case tree.HaltShutdown:
		if h.Left != "" {
			return 1, fmt.Errorf("the tree has ended, and something of it is left that cannot be killed: %s", h.Left)
		}
		return 0, nil
	case tree.HaltGaveUp:
		return 1, fmt.Errorf("%s gave up: %s%s", r.config.Spec.ID, exceeded(h.Child, h.Limit), lastWords(h))
	case tree.HaltStartFailed:
		return 1, fmt.Errorf("cannot start the tree: %s", h.Cause)
	}
	return exitCode(h.Exit), nil
}

// lastWords names the process whose end was the last straw.
func lastWords(h *tree.Halt) string {
	if h.Process == "" || h.Exit == nil {
		return ""
	}
	return fmt.Sprintf("; the last end: %s, %s", h.Process, h.Exit)
}

// exitCode is a process's end as an exit code of ours: 128+N for a signal, as
// shells tell it; 1 where no process ended.
func exitCode(e *tree.Exit) int {
	if e == nil || e.Lost {
		return 1
	}
	if e.Signal == "" {
		return e.Code
	}
	n, _ := process.SignalNumber(e.Signal)
	return 128 + int(n)
}
