package supervisor

import (
	"time"

	"go.uber.org/zap"

	"coppice/supervisor/process"
	"coppice/tree"
)

// loop is the one goroutine that owns the tree. It hears facts, lets the tree
// decide and carries out what it says, until the tree has ended.
func (r *runtime) loop() {
	defer close(r.done)
	r.catchSignals()
	timer := time.NewTimer(0)
	defer timer.Stop()
	r.rewatch()
	r.step(tree.Boot{})
	for r.halted == nil {
		r.arm(timer)
		select {
		case facts := <-r.facts:
			r.step(r.hear(facts)...)
		case ref := <-r.ready:
			r.step(tree.Ready{Ref: ref})
		case name := <-r.changed:
			r.fileChanged(name)
		case ask := <-r.asked:
			ask()
		case sig := <-r.signals:
			r.signalled(sig)
		case <-timer.C:
			r.step(tree.Tick{})
		}
	}
}

// now is the present as the tree counts it: monotonic, never 0.
func (r *runtime) now() tree.Time { return tree.Time(time.Since(r.origin)) + 1 }

// clockStep is how far the wall clock has to move for the times of the tree to
// be told anew. Below it the same time is told in the same way every time.
const clockStep = 10 * time.Millisecond

// wall is a time of the tree's on the wall clock, in whole microseconds.
func (r *runtime) wall(at tree.Time) time.Time {
	zero := time.Now().Add(-time.Duration(r.now()))
	if zero.Sub(r.zero).Abs() > clockStep {
		r.zero = zero
	}
	return r.zero.Add(time.Duration(at)).Truncate(time.Microsecond).UTC()
}

// arm sets the one timer to the tree's next deadline.
func (r *runtime) arm(timer *time.Timer) {
	at, ok := r.tree.Deadline()
	if !ok {
		timer.Stop()
		return
	}
	timer.Reset(time.Duration(at - r.now()))
}

// step is the only place that asks the tree. What an action finds out at once
// (a pipe that cannot be made) is heard before the loop waits again.
func (r *runtime) step(events ...tree.Event) {
	for {
		now := r.now()
		out := r.tree.Step(now, events...)
		r.tell(out.Reports, r.wall(now))
		for _, a := range out.Actions {
			r.execute(a)
		}
		if len(r.queue) == 0 || r.halted != nil {
			return
		}
		events, r.queue = r.queue, nil
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
			events = append(events, tree.StartFailed{Ref: f.Ref, Cause: f.Cause})
		case process.Exited:
			if r.notify.Drain(f.Ref) {
				events = append(events, tree.Ready{Ref: f.Ref})
			}
			r.unwatchReady(f.Ref)
			r.store.Drain(f.Ref.ID)
			events = append(events, tree.Exited{Ref: f.Ref, Exit: f.Exit})
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
