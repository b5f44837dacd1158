package supervisor

import (
	"cmp"
	"math/rand/v2"
	"os"
	"slices"

	"coppice/configs"
	"coppice/supervisor/journal"
	"coppice/supervisor/process"
	"coppice/tree"
)

// execute carries out one action of the tree. Nothing in it waits.
func (r *runtime) execute(a tree.Action) {
	switch a := a.(type) {
	case tree.Start:
		delete(r.dead, a.ID)
		r.beginStart(a)
	case tree.Stop:
		r.cutHook(a.Ref)
		how := r.settings(a.ID)
		r.reaper.Stop(a.Ref, how.StopSignal, how.StopMain)
	case tree.Kill:
		r.cutHook(a.Ref)
		r.reaper.Kill(a.Ref)
	case tree.AfterExit:
		r.afterExit(a)
	case tree.Reload:
		r.reloadChild(a)
	case tree.Signal:
		r.reaper.Signal(a.Ref, a.Signal, a.All)
	case tree.Inspect:
		r.reaper.Inspect(a.Ref)
	case tree.Freeze:
		r.reaper.Freeze(a.Ref, a.On)
	case tree.Draw:
		r.queue = append(r.queue, tree.Drawn{Ref: a.Ref, Number: rand.Float64()})
	case tree.Reply:
		if reply := r.waiters[a.ID]; reply != nil {
			delete(r.waiters, a.ID)
			reply(a)
		}
	case tree.Halt:
		r.halted = &a
	}
}

// start gives a process its outputs and hands it to the reaper.
func (r *runtime) start(a tree.Start) {
	p, err := r.processOf(a.Spec)
	if err != nil {
		r.queue = append(r.queue, tree.StartFailed{Ref: a.Ref, Cause: err.Error()})
		return
	}
	who, fault := identify(p.Setup)
	setup, unable := setupOf(p.Setup, who)
	if fault = cmp.Or(fault, unable); fault != nil {
		r.queue = append(r.queue, tree.StartFailed{Ref: a.Ref, Cause: r.placed(r.wantedAs(a.ID), fault.key, fault.cause)})
		return
	}
	given, listen, err := r.given(a.Ref, p.FDStore)
	if err != nil {
		r.queue = append(r.queue, tree.StartFailed{Ref: a.Ref, Cause: err.Error(), Shortage: isShortage(err)})
		return
	}
	setup = withPID(setup, who, p.Watchdog > 0, given != nil)
	out, err := r.outputs(a.ID, p.Log, who)
	if err != nil {
		given.Close()
		r.queue = append(r.queue, tree.StartFailed{Ref: a.Ref, Cause: err.Error(), Shortage: isShortage(err)})
		return
	}
	spoken, extra, err := r.openReady(a.Ref, p, who)
	if err != nil {
		given.Close()
		out.Close()
		r.unwatchReady(a.Ref)
		r.queue = append(r.queue, tree.StartFailed{Ref: a.Ref, Cause: err.Error(), Shortage: isShortage(err)})
		return
	}
	env := with(p.Env, slices.Concat([]string{process.Unit(r.treeID, a.ID, a.Generation)}, spoken, listen)...)
	var outputs []journal.Output
	for _, reader := range out.Readers {
		r.keeping.putPipe(reader.Pipe, reader.FD)
		outputs = append(outputs, journal.Output{Stream: reader.Stream, Mark: reader.Mark, Inode: reader.Inode})
	}
	r.record.expect(a.Ref, outputs)
	prepared := r.prepared[a.ID]
	delete(r.prepared, a.ID)
	argv := append([]string{p.Program}, p.Argv[1:]...)
	r.reaper.Start(a.Ref, process.Command{
		Argv: argv, Env: env, Dir: p.Dir, Stdout: out.Stdout, Stderr: out.Stderr, Extra: extra, ExtraFD: p.Ready.FD, Passed: given,
		User: who.credential, UserName: who.name, NoNewPrivs: who.noNewPrivs, NoAmbient: who.noAmbient, Limits: p.Limits, Prepared: prepared, Setup: setup,
	})
}

// expect takes note of what is started, so that the loop prepares what comes after it.
func (r *runtime) expect(actions []tree.Action) {
	for _, a := range actions {
		if a, ok := a.(tree.Start); ok {
			if _, ok := r.tree.Upcoming(a.ID); ok {
				r.ahead = append(r.ahead, a.ID)
			}
		}
	}
	if !r.inTurn {
		r.prepare()
	}
}

// prepare makes what the process that is started next needs, while the reaper is busy with
// the one before.
func (r *runtime) prepare() {
	started := r.ahead
	r.ahead = nil
	for _, name := range started {
		next, ok := r.tree.Upcoming(name)
		if !ok || r.prepared[next.ID] {
			continue
		}
		for _, reader := range r.store.Prepare(next.ID, next.Start.(*configs.Process).Log) {
			r.keeping.putPipe(reader.Pipe, reader.FD)
		}
		r.prepared[next.ID] = r.cgroups.Prepare(next.ID)
	}
}

// unprepare gives back what was made for starts that do not come.
func (r *runtime) unprepare() {
	for name := range r.prepared {
		r.store.Retire(name)
		r.reaper.Forget(name)
	}
	clear(r.prepared)
}

// bury takes note of who has ended.
func (r *runtime) bury(events []tree.Event) {
	for _, e := range events {
		if e, ok := e.(tree.Exited); ok {
			r.dead[e.Ref.ID] = true
		}
	}
}

// retire lets go of the pipes of those who have ended and do not come again at once. Of
// one that has died while its supervisor was busy that is not known before that has come to
// it, and may not be told then: those are asked for until they are started.
func (r *runtime) retire(out tree.Output) {
	if r.down {
		return // all of them go with this process
	}
	for i := range out.Reports {
		switch report := &out.Reports[i]; report.Kind {
		case tree.StopDone, tree.BackoffBegun, tree.ChildRemoved:
			r.retireUnless(report.Node)
		case tree.StartFailure:
			r.retireUnless(report.Node)
			r.unprepare()
		case tree.GaveUp:
			r.unprepare()
		}
	}
	if slices.ContainsFunc(out.Actions, func(a tree.Action) bool { _, starts := a.(tree.Start); return starts }) {
		return // a thousand may have died, and come again one after the other
	}
	for name := range r.dead {
		r.retireUnless(name)
	}
}

// retireUnless lets go of the pipes of a process that does not come again at once.
func (r *runtime) retireUnless(name string) {
	if !r.tree.Expects(name) {
		r.store.Retire(name)
		delete(r.dead, name)
	}
}

// adopted goes on with what an earlier daemon had begun for a process.
func (r *runtime) adopted(f process.Adopted) {
	if f.Parent != r.keeping.link.Keeper() && f.Parent != os.Getpid() {
		r.foreign[f.Ref] = true
	}
	if n, _, ok := r.process(f.Ref); ok && n.State == tree.Starting {
		r.askReady(f.Ref, f.PID)
	} else if ok {
		r.watchHealth(n)
	}
}
