package treetest

import (
	"slices"

	"coppice/tree"
)

// incarnation is what one incarnation of a supervisor has done so far.
type incarnation struct {
	// restarts are the times of those it began by itself.
	restarts []tree.Time
	// sweeps are the steps it took, by the report that caused them.
	sweeps map[uint64]*sweep
	// begun counts the starts of temporary children that nobody asked for;
	// exempt are children that became temporary only later.
	begun  map[string]int
	exempt map[string]bool
}

// sweep is the steps of one cause, in order.
type sweep struct{ stops, starts []string }

func (w *Watch) supervisor(name string) *incarnation {
	s := w.supervisors[name]
	if s == nil {
		s = &incarnation{
			sweeps: map[uint64]*sweep{}, begun: map[string]int{}, exempt: map[string]bool{},
		}
		w.supervisors[name] = s
	}
	return s
}

// exempt notes that a child has become temporary: a restart of it that goes on
// is none of a temporary child.
func (w *Watch) exempt(supervisor, child string) { w.supervisor(supervisor).exempt[child] = true }

// supervise checks what a report says of the supervisor that did it.
func (w *Watch) supervise(r tree.Report) {
	if r.Kind == tree.ReqMade && r.Request == "start-child" {
		w.askers[r.Seq] = w.promised[r.Node]
	}
	parent, checked := w.actor(r)
	switch r.Kind {
	case tree.StartBegun:
		delete(w.supervisors, r.Node)
		if checked {
			w.begin(parent, r)
			w.temporary(parent, r)
			w.order(parent, r)
		}
	case tree.StopBegun:
		w.abandon(r.Node)
		if checked && !w.byItself(r) {
			w.begin(parent, r)
			w.order(parent, r)
		}
	case tree.StartDone, tree.StartFailure, tree.StopDone, tree.CannotBeKilled:
		delete(w.inFlight, r.Node)
	case tree.ChildAdded:
		if asker, ok := w.askers[r.Because]; ok {
			w.askers[r.Seq] = asker
		}
		delete(w.supervisor(parent).begun, r.Node)
	case tree.RestartBegun:
		w.limit(parent)
	}
}

// byItself says whether a stop is no step of the supervisor above: it gives up or
// shuts down by itself, is unhealthy, or its start, which goes on, is overdue.
func (w *Watch) byItself(r tree.Report) bool {
	because := w.because(r)
	overdue := because.Kind == tree.StartBegun && because.Node == r.Node
	return because.Kind == tree.GaveUp || because.Kind == tree.BecameUnhealthy || r.Child != "" || overdue
}

// actor is the supervisor that did what r reports. It is not sure of a node that
// moved in this Step, unless the cause tells: the start or the end of the actor.
func (w *Watch) actor(r tree.Report) (supervisor string, sure bool) {
	because := w.because(r)
	if asker, ok := w.askers[r.Because]; ok && r.Kind == tree.StartBegun {
		w.above[r.Node] = asker
	}
	if (because.Kind == tree.StartBegun || because.Kind == tree.StopBegun) && because.Node != r.Node {
		return because.Node, true
	}
	above := w.above[r.Node]
	was, ok := w.before[r.Node]
	return above, above != "" && (!ok || was.parent == above)
}

// begin checks that a supervisor does one thing at a time. It does not always wait for
// who cannot be killed.
func (w *Watch) begin(supervisor string, r tree.Report) {
	w.inFlight[r.Node] = supervisor
	for other, s := range w.inFlight {
		if s == supervisor && other != r.Node && !w.together(supervisor) && !hasUnkillable(w.world.Tree.Status(), other) {
			w.fail("%s is in the middle of %s and of %s at once", supervisor, other, r.Node)
		}
	}
}

// hasUnkillable says whether a node, or one below it, cannot be killed.
func hasUnkillable(s tree.Status, name string) bool {
	if s.Spec.ID == name {
		name = ""
	}
	if name == "" && s.State == tree.IsUnkillable {
		return true
	}
	return slices.ContainsFunc(s.Children, func(c tree.Status) bool { return hasUnkillable(c, name) })
}

// abandon forgets the step that a supervisor was in the middle of, because it
// ends: what it was starting is stopped when its turn comes, after those behind.
func (w *Watch) abandon(supervisor string) {
	for child, s := range w.inFlight {
		if s == supervisor {
			delete(w.inFlight, child)
		}
	}
}

// together says whether a supervisor may stop its children all at once: it has
// no order among them, or it is being killed.
func (w *Watch) together(supervisor string) bool {
	if w.killed {
		return true
	}
	k := w.nodes[supervisor]
	if k.Spec == nil || k.Spec.Flags.Strategy == tree.SimpleOneForOne {
		return true
	}
	for ; k.Spec != nil && k.parent != ""; k = w.nodes[k.parent] {
		if k.Spec.Shutdown != (tree.Shutdown{Timeout: tree.Infinity}) {
			return true
		}
	}
	return false
}

// order checks that the steps of one cause are stops from right to left, then
// starts from left to right. What an operator asked for has an order of its own.
func (w *Watch) order(supervisor string, r tree.Report) {
	if r.Because == 0 || w.because(r).Kind == tree.ReqMade || w.together(supervisor) {
		return
	}
	sweeps := w.supervisor(supervisor).sweeps
	s := sweeps[r.Because]
	if s == nil {
		s = &sweep{}
		sweeps[r.Because] = s
	}
	if r.Kind == tree.StartBegun {
		w.after(supervisor, r.Node, s.starts)
		s.starts = append(s.starts, r.Node)
		return
	}
	if len(s.starts) > 0 {
		w.fail("%s stops %s after it has started %v, for one cause", supervisor, r.Node, s.starts)
	}
	for _, later := range s.stops {
		w.after(supervisor, later, []string{r.Node})
	}
	s.stops = append(s.stops, r.Node)
}

// after checks that name stands behind all of others. Only what stood wrong when
// the Step began and still does is wrong: the list may have changed in between.
func (w *Watch) after(supervisor, name string, others []string) {
	for _, other := range others {
		if misplaced(w.before, other, name) && misplaced(w.nodes, other, name) {
			w.fail("%s goes from %s to %s, which is the wrong way", supervisor, other, name)
		}
	}
}

// misplaced says whether both have a place, and first is not before second.
func misplaced(nodes map[string]known, first, second string) bool {
	a, b := nodes[first], nodes[second]
	return a.place != 0 && b.place != 0 && a.place >= b.place
}

// temporary checks that a supervisor starts a temporary child when it starts
// itself, and never again.
func (w *Watch) temporary(supervisor string, r tree.Report) {
	k, ok := w.nodes[r.Node]
	because := w.because(r).Kind
	if because == tree.BackoffBegun && w.because(r).Cause != "" {
		return // one that was put off goes on
	}
	if !ok || k.Spec.Restart != tree.Temporary || because == tree.ReqMade || because == tree.ChildAdded {
		return
	}
	s := w.supervisor(supervisor)
	s.begun[r.Node]++
	first := because == tree.StartBegun || because == tree.DaemonStarted // the latter after Salvage
	if (s.begun[r.Node] > 1 || !first) && !s.exempt[r.Node] {
		w.fail("%s starts its temporary child %s again", supervisor, r.Node)
	}
}

// limit checks that a supervisor has not restarted more than it may. While a
// change of flags is under way nobody knows which ones held, and counting begins
// anew after it; without a limit nothing is counted.
func (w *Watch) limit(supervisor string) {
	s, flags := w.supervisor(supervisor), w.flags(supervisor)
	if w.changing || flags.Intensity < 0 {
		s.restarts = nil
		return
	}
	s.restarts = slices.DeleteFunc(append(s.restarts, w.world.Now), func(at tree.Time) bool {
		return !w.world.within(at, flags.Period)
	})
	if len(s.restarts) > flags.Intensity {
		w.fail("%s has begun too many restarts for %+v: at %v", supervisor, flags, s.restarts)
	}
}

// flags are those of a supervisor; unlimited if there is none.
func (w *Watch) flags(supervisor string) tree.Flags {
	if k := w.nodes[supervisor]; k.Spec != nil {
		return k.Spec.Flags
	}
	return tree.Flags{Intensity: -1}
}

// within says whether a restart counts. OTP counts whole seconds.
func (w *World) within(at, period tree.Time) bool {
	if w.opts.OTP {
		return at/tree.Second >= w.Now/tree.Second-period/tree.Second
	}
	return at >= w.Now-period
}
