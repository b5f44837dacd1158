package supervisor

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"time"

	"coppice/configs"
	"coppice/supervisor/logs"
	"coppice/supervisor/probe"
	"coppice/supervisor/process"
	"coppice/tree"
)

// answered turns what a probe found out into an event. What tells the tree nothing
// new is neither told nor recorded: it comes all the time.
func (r *runtime) answered(a probe.Answer) {
	var e tree.Event
	switch {
	case a.Health:
		e = tree.Checked{Ref: a.Ref, Passed: a.OK, Cause: a.Cause}
	case a.OK:
		e = tree.Ready{Ref: a.Ref}
	default:
		e = tree.NotReady{Ref: a.Ref, Cause: a.Cause}
	}
	if r.tree.Heeds(r.now(), e) {
		r.step(e)
	}
}

// process is the process that a ref names, as it was started, if it is its name's
// present incarnation.
func (r *runtime) process(ref tree.Ref) (tree.Status, *configs.Process, bool) {
	n, ok := r.tree.Node(ref.ID)
	if !ok || n.Generation != ref.Generation || n.Spec.Type != tree.Process {
		return n, nil, false
	}
	spec := *n.Spec
	spec.Start = n.Begun
	n.Spec = &spec
	p, err := r.processOf(n.Spec)
	return n, p, err == nil
}

// askReady begins to ask a process whether it is ready, if that is how its
// readiness is known.
func (r *runtime) askReady(ref tree.Ref, pid int) {
	if _, p, ok := r.process(ref); ok && p.Ready.Probe != nil {
		r.prober.Ask(r.question(ref, pid, p, p.Ready.Probe, 0))
	}
}

// question is what an incarnation is asked: in each interval how it is, with 0
// whether it is ready.
func (r *runtime) question(ref tree.Ref, pid int, p *configs.Process, how *configs.Probe, interval tree.Time) probe.Question {
	q := probe.Question{
		Ref: ref, Probe: *how, Interval: time.Duration(interval), PID: pid,
		Mark: process.Unit(r.treeID, ref.ID, ref.Generation),
	}
	switch how.Kind {
	case configs.ProbeCommand:
		q.Ask = r.runProbe(ref, p, how)
	case configs.ProbeLog:
		q.Ask = searchLog(r.searches[ref], how)
	}
	return q
}

// searchLog is how a process is asked whether it has written what it is to write.
func searchLog(search *logs.Search, how *configs.Probe) func(context.Context) error {
	return func(ctx context.Context) error {
		found, err := search.Found(ctx)
		if err == nil && !found {
			err = fmt.Errorf("no line that it has written fits %q", how.Target)
		}
		return err
	}
}

// watchHealth begins to ask a process that has started how it is, and to wait for
// its own word.
func (r *runtime) watchHealth(n tree.Status) {
	p, ok := n.Begun.(*configs.Process)
	if ok && n.State == tree.Up && n.PID != 0 && p.Watchdog > 0 {
		r.notify.Watch(tree.Ref{ID: n.Spec.ID, Generation: n.Generation}, time.Duration(cmp.Or(n.Watchdog, p.Watchdog)))
	}
	r.askHealth(n)
}

// askHealth begins to ask a process that runs how it is, or ends it where it is
// not to be asked any more.
func (r *runtime) askHealth(n tree.Status) {
	ref := tree.Ref{ID: n.Spec.ID, Generation: n.Generation}
	_, p, ok := r.process(ref)
	if !ok || n.State != tree.Up || n.PID == 0 {
		return
	}
	check := r.settings(ref.ID).Check
	if check.Probe == nil {
		r.prober.Cancel(ref)
		return
	}
	r.prober.Ask(r.question(ref, n.PID, p, check.Probe, check.Interval))
}

// followHealth asks those processes how they are that have just started, and asks
// those no more that are being stopped, are frozen or have ended, and cannot answer.
func (r *runtime) followHealth(reports []tree.Report) {
	for i := range reports {
		switch reports[i].Kind {
		case tree.StartDone, tree.Thawed, tree.StopBegun, tree.Frozen, tree.CannotBeKilled:
		default:
			continue
		}
		n, ok := r.tree.Node(reports[i].Node)
		switch {
		case !ok || n.Spec.Type != tree.Process:
		case n.State == tree.Up:
			r.watchHealth(n)
		case n.State == tree.Stopping || n.State == tree.IsFrozen || n.State == tree.IsUnkillable:
			r.prober.Cancel(tree.Ref{ID: n.Spec.ID, Generation: n.Generation})
		}
	}
}

// recheck asks the processes that run in the way that a new configuration says,
// where that differs.
func (r *runtime) recheck(old, new *configs.Config) {
	processes(r.tree.Status(), func(s tree.Status) {
		as := r.wantedAs(s.Spec.ID)
		if !reflect.DeepEqual(old.SettingsOf(as).Check, new.SettingsOf(as).Check) {
			r.watchHealth(s) // its own word may be all there is now
		}
	})
}
