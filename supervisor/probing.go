package supervisor

import (
	"reflect"
	"time"

	"coppice/configs"
	"coppice/supervisor/probe"
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

// process is the process that a ref names, if it is its name's present
// incarnation.
func (r *runtime) process(ref tree.Ref) (tree.Status, *configs.Process, bool) {
	n, ok := r.tree.Node(ref.ID)
	if !ok || n.Generation != ref.Generation {
		return n, nil, false
	}
	p, ok := n.Spec.Start.(*configs.Process)
	return n, p, ok
}

// askReady begins to ask a process whether it is ready, if that is how its
// readiness is known.
func (r *runtime) askReady(ref tree.Ref, pid int) {
	_, p, ok := r.process(ref)
	if ok && p.Ready.Probe.Kind != "" {
		r.prober.Ask(probe.Question{Ref: ref, Probe: p.Ready.Probe, PID: pid})
	}
}

// askHealth begins to ask a process that runs how it is, or ends it where it is
// not to be asked any more.
func (r *runtime) askHealth(n tree.Status) {
	ref := tree.Ref{ID: n.Spec.ID, Generation: n.Generation}
	if n.State != tree.Up || n.PID == 0 {
		return
	}
	check := r.settings(ref.ID).Check
	if check.Probe.Kind == "" {
		r.prober.Cancel(ref)
		return
	}
	r.prober.Ask(probe.Question{Ref: ref, Probe: check.Probe, Interval: time.Duration(check.Interval), PID: n.PID})
}

// followHealth asks those processes how they are that have just started, and asks
// those no more that are being stopped.
func (r *runtime) followHealth(reports []tree.Report) {
	for i := range reports {
		switch reports[i].Kind {
		case tree.StartDone, tree.StopBegun:
		default:
			continue
		}
		n, ok := r.tree.Node(reports[i].Node)
		if !ok || n.Spec.Type != tree.Process {
			continue
		}
		if reports[i].Kind == tree.StartDone {
			r.askHealth(n)
		} else {
			r.prober.Cancel(tree.Ref{ID: n.Spec.ID, Generation: n.Generation})
		}
	}
}

// recheck asks the processes that run in the way that a new configuration says,
// where that differs.
func (r *runtime) recheck(old, new *configs.Config) {
	for s := range new.Processes() {
		if reflect.DeepEqual(old.Settings[s.ID].Check, new.Settings[s.ID].Check) {
			continue
		}
		for _, name := range r.runningAs(s.ID) {
			if n, ok := r.tree.Node(name); ok {
				r.askHealth(n)
			}
		}
	}
}
