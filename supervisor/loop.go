package supervisor

import (
	"time"

	"go.uber.org/zap"

	"coppice/supervisor/crash"
	"coppice/supervisor/process"
	"coppice/tree"
)

// loop owns the tree, but for what it leaves to the reaper while it waits (turn). It hears
// facts, lets the tree decide and carries out what it says, until the tree has ended.
func (r *runtime) loop() {
	defer close(r.done)
	r.timer = time.NewTimer(0)
	defer r.timer.Stop()
	r.turn.Lock()
	defer r.turn.Unlock()
	r.turn.taken = true
	if r.halted == nil {
		r.step(tree.Boot{}) // of a tree that was booted before it means nothing
	}
	for _, sig := range r.early {
		r.signalled(sig)
		r.keeping.link.Heard(sig) // it is in the journal
	}
	r.heedAll() // nobody was called for what came before
	for r.halted == nil && !r.leaving {
		r.arm()
		r.heap.Stir()
		r.turn.Unlock()
		do := r.wait()
		r.turn.Lock()
		if r.halted == nil { // it may be by now
			do()
		}
	}
	r.finish()
	r.turn.taken = false
}

// rung does what the loop was called for.
func (r *runtime) rung() {
	r.heedAll()
	r.prepare()
	r.finish()
}

// finish does of the last steps what nobody waits for.
func (r *runtime) finish() {
	rest := r.rest
	r.rest = nil
	for _, out := range rest {
		r.retire(out)
		r.logReports(out.Reports)
	}
}

// wait waits for something to do, without the turn.
func (r *runtime) wait() (do func()) {
	select {
	case <-r.turn.ring:
		return r.rung
	case said := <-r.said:
		return func() { r.heard(said) }
	case answer := <-r.answers:
		return func() { r.answered(answer) }
	case name := <-r.changed:
		return func() { r.fileChanged(name) }
	case ask := <-r.asked:
		return ask
	case sig := <-r.signals:
		return func() {
			r.signalled(sig.Signal)
			if sig.heard != nil {
				sig.heard() // it is in the journal
			}
		}
	case <-r.timer.C:
		return func() { r.step(tree.Tick{}) }
	}
}

// arm sets the one timer to the tree's next deadline.
func (r *runtime) arm() {
	at, ok := r.tree.Deadline()
	wait := time.Duration(at - r.now())
	if r.record.behind() && (!ok || wait > recordPause) {
		ok, wait = true, recordPause
	}
	if !ok {
		r.timer.Stop()
		return
	}
	r.timer.Reset(wait)
}

// recordPause is how long after a step that could not be written down another one
// is taken, which writes both.
const recordPause = time.Second

// step is the only place that asks the tree. What it says is written down before
// it is done. What an action finds out at once (a pipe that cannot be made) is
// heard before the loop waits again.
func (r *runtime) step(events ...tree.Event) {
	for {
		now := r.now()
		out := r.tree.Step(now, events...)
		r.tell(out, now, events)
		r.followHealth(out.Reports)
		r.releaseStored(out.Reports)
		crash.Point("step.noted")
		if r.record.due() {
			if err := r.compact(); err != nil {
				r.log.Error("cannot begin the journal anew", zap.Error(err))
			}
		}
		r.bury(events)
		for _, a := range out.Actions {
			r.execute(a)
		}
		r.expect(out.Actions)
		r.rest = append(r.rest, out)
		if !r.inTurn {
			r.finish()
		}
		crash.Point("step.done")
		if len(r.queue) == 0 || r.halted != nil {
			return
		}
		events, r.queue = r.queue, nil
	}
}

// heed hears what the reaper tells. What it tells of the end of an adopted process
// is in the journal after the step, and then nobody else needs to know it any more.
func (r *runtime) heed(facts []process.Fact) {
	ended := map[tree.Ref]process.Identity{}
	for _, f := range facts {
		switch e := f.(type) {
		case process.Exited:
			if r.adoptees[e.Ref] {
				ended[e.Ref] = r.record.identity(e.Ref)
			}
		case process.StartFailed:
			if r.adoptees[e.Ref] {
				ended[e.Ref] = r.record.identity(e.Ref)
			}
		}
	}
	r.step(r.hear(facts)...)
	for ref, id := range ended {
		r.keeping.settled(id)
		if r.foreign[ref] {
			r.keeping.drop(refName(keptProcess, ref))
		}
		delete(r.adoptees, ref)
		delete(r.foreign, ref)
	}
}

// hear turns the reaper's facts into events. Before an end is judged, what the
// process said before it is heard: its last READY=1, its last bytes.
func (r *runtime) hear(facts []process.Fact) []tree.Event {
	events := make([]tree.Event, 0, len(facts))
	for _, f := range facts {
		switch f := f.(type) {
		case process.Started:
			r.awaitReady(f)
			events = append(events, tree.Started{Ref: f.Ref, PID: f.PID})
		case process.StartFailed:
			r.unwatchReady(f.Ref)
			events = append(events, tree.StartFailed{Ref: f.Ref, Cause: r.placed(r.wantedAs(f.ID), f.Key, f.Cause), Shortage: isShortage(f.Errno)})
		case process.Exited:
			r.store.Drain(f.Ref.ID)
			if r.readyAtEnd(f.Ref) {
				events = append(events, tree.Ready{Ref: f.Ref})
			}
			r.unwatchReady(f.Ref)
			r.cutReloads(f.Ref)
			events = append(events, tree.Exited{Ref: f.Ref, Exit: f.Exit})
		case process.Survives:
			events = append(events, tree.Survives{Ref: f.Ref, Cause: f.Cause})
		case process.Adopted:
			r.adopted(f)
			events = append(events, tree.Adopted{Ref: f.Ref})
		case process.JobDone:
			r.jobDone(f)
		case process.SignalFailed:
			r.log.Error("cannot signal "+f.Ref.ID+": "+f.Cause, zap.String("node", f.Ref.ID), zap.String("signal", f.Signal))
		}
	}
	return events
}

// call asks the tree for something; reply, which may be nil, is called with the
// answer, on the loop.
func (r *runtime) call(request tree.Request, reply func(tree.Reply)) {
	r.lastCall++
	if reply != nil {
		r.waiters[r.lastCall] = reply
	}
	r.step(tree.Called{ID: r.lastCall, Request: request})
}
