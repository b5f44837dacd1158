package treetest

import (
	"fmt"

	"coppice/tree"
)

// Watch looks at every Step of a world for what must not happen, whatever the
// specs and the events were. It knows nothing of how the tree works: it reads
// events, reports, actions and snapshots.
type Watch struct {
	world *World
	err   error

	// reports are all that were watched; the first follows number earlier.
	reports []tree.Report
	earlier uint64
	// highest is the latest generation; asked and alive are the incarnations
	// whose start is not answered, and that run, as far as the tree was told.
	highest tree.Generation
	// ended are those whose end the latest Step told.
	// hooks are those that have ended and whose end is not complete.
	asked, live    map[string]tree.Generation
	hooks          map[string]tree.Generation
	ended, stopped map[tree.Ref]bool
	// open are the calls that wait for their reply.
	open     map[uint64]tree.Request
	killed   bool // somebody asked to have the tree killed
	changing bool // a change of flags may happen in this Step
	halted   bool
	// stale is the last call of a world before: nobody waits for those up to it.
	stale uint64

	// nodes is the tree after the latest Step by name, before that of the Step
	// before it.
	nodes, before map[string]known
	// above is the latest supervisor of each name, also of one that is not in a
	// list any more. One that is not in a list yet stands under the supervisor
	// that a StartChild named: promised is by name in this Step, askers by the
	// report of the request.
	above, promised map[string]string
	askers          map[uint64]string
	// inFlight are the children that are being started or stopped, with the
	// supervisor that does it.
	inFlight map[string]string
	// supervisors are the present incarnations.
	supervisors map[string]*incarnation
}

func newWatch(w *World) *Watch {
	return &Watch{
		world: w,
		asked: map[string]tree.Generation{}, live: map[string]tree.Generation{}, hooks: map[string]tree.Generation{},
		stopped: map[tree.Ref]bool{}, open: map[uint64]tree.Request{},
		nodes: map[string]known{}, above: map[string]string{}, askers: map[uint64]string{},
		inFlight: map[string]string{}, supervisors: map[string]*incarnation{},
	}
}

// resume begins in the middle: with a tree that is told what lives.
func (w *Watch) resume(t *tree.Tree, living []tree.Living) {
	s := t.Save()
	w.earlier, w.stale, w.highest = s.Seq, s.LastCall, s.Generation
	w.halted, w.killed = s.Halt != nil, s.Shutdown != nil
	w.resumeRestarts(t.Status())
	for _, l := range living {
		w.live[l.ID] = l.Generation
		w.highest = max(w.highest, l.Generation)
	}
	for _, n := range s.Nodes {
		if id := s.Specs[n.Spec].ID; w.halted && n.Stuck != "" {
			w.live[id] = n.Generation // for all that it is told
		}
	}
}

// resumeRestarts exempts children whose restarts are in progress: one that is
// temporary now was not when its restart began.
func (w *Watch) resumeRestarts(s tree.Status) {
	for _, c := range s.Children {
		if c.State == tree.Restarting || c.State == tree.BackingOff {
			w.exempt(s.Spec.ID, c.Spec.ID)
		}
		w.resumeRestarts(c)
	}
}

// Err is the first thing that went wrong.
func (w *Watch) Err() error { return w.err }

// fail keeps the first fault, with the latest reports.
func (w *Watch) fail(format string, args ...any) {
	if w.err != nil {
		return
	}
	text := fmt.Sprintf(format, args...) + "\nthe reports before it:"
	for _, r := range w.reports[max(0, len(w.reports)-12):] {
		text += fmt.Sprintf("\n  %d (because %d) %s %s %s", r.Seq, r.Because, r.Kind, r.Node, r.Request)
	}
	w.err = fmt.Errorf("%s", text)
}

func (w *Watch) step(events []tree.Event, out tree.Output) {
	if w.halted {
		w.afterHalt(out)
	}
	w.ended, w.promised = map[tree.Ref]bool{}, map[string]string{}
	for _, e := range events {
		w.event(e)
	}
	w.changing = w.changes()
	w.look()
	for _, r := range out.Reports {
		w.report(r)
	}
	for _, a := range out.Actions {
		w.action(a)
	}
	w.snapshot()
}

func (w *Watch) afterHalt(out tree.Output) {
	if len(out.Reports) > 0 {
		w.fail("after Halt the tree reports %v", out.Reports)
	}
	for _, a := range out.Actions {
		if _, ok := a.(tree.Reply); !ok {
			w.fail("after Halt the tree asks for %#v", a)
		}
	}
}

// event notes what the tree was told. Odd events, about nothing that is there,
// change nothing; nor does any after the tree has ended: whoever it has left behind
// then is shown as it was.
func (w *Watch) event(e tree.Event) {
	if _, asks := e.(tree.Called); w.halted && !asks {
		return
	}
	switch e := e.(type) {
	case tree.Started:
		if w.answer(e.Ref) {
			w.live[e.ID] = e.Generation
			delete(w.ended, e.Ref)
		}
	case tree.StartFailed:
		w.answer(e.Ref)
	case tree.StartIgnored:
		w.answer(e.Ref)
	case tree.Exited:
		if names(w.live, e.Ref) {
			delete(w.live, e.ID)
			w.ended[e.Ref] = true
		}
	case tree.HookDone:
		if names(w.hooks, e.Ref) {
			delete(w.hooks, e.ID)
			w.ended[e.Ref] = true
		}
	case tree.Called:
		switch r := e.Request.(type) {
		case tree.ShutdownTree:
			w.killed = w.killed || r.Kill
		case tree.StartChild:
			w.promise(r)
		}
		w.open[e.ID] = e.Request
	}
}

// changes says whether a request that changes flags waits for its reply.
func (w *Watch) changes() bool {
	for _, r := range w.open {
		switch r.(type) {
		case tree.Apply, tree.ChangeSupervisor:
			return true
		}
	}
	return false
}

// promise notes under whom a child may soon stand: nobody knows, if one Step
// asks for it under two supervisors.
func (w *Watch) promise(r tree.StartChild) {
	if other, ok := w.promised[r.Spec.ID]; ok && other != r.Supervisor {
		w.promised[r.Spec.ID] = ""
		return
	}
	w.promised[r.Spec.ID] = r.Supervisor
}

// answer says whether ref is a start that waits to be answered, and no longer.
func (w *Watch) answer(ref tree.Ref) bool {
	if !names(w.asked, ref) {
		return false
	}
	delete(w.asked, ref.ID)
	w.ended[ref] = true
	return true
}

func names(incarnations map[string]tree.Generation, ref tree.Ref) bool {
	g, ok := incarnations[ref.ID]
	return ok && g == ref.Generation
}

// report checks one report for its place among the others.
func (w *Watch) report(r tree.Report) {
	if want := w.earlier + uint64(len(w.reports)) + 1; r.Seq != want {
		w.fail("report %d comes where %d should", r.Seq, want)
	}
	if r.Because >= r.Seq {
		w.fail("report %d was caused by a later one, %d", r.Seq, r.Because)
	}
	w.reports = append(w.reports, r)
	w.supervise(r)
}

// because is the report that caused r; none for a root cause.
func (w *Watch) because(r tree.Report) tree.Report {
	if r.Because <= w.earlier || r.Because > w.earlier+uint64(len(w.reports)) {
		return tree.Report{}
	}
	return w.reports[r.Because-w.earlier-1]
}

func (w *Watch) action(a tree.Action) {
	switch a := a.(type) {
	case tree.Start:
		w.start(a)
	case tree.Stop:
		w.addressed("Stop", a.Ref)
		if names(w.hooks, a.Ref) {
			w.fail("%v has ended and is asked to stop", a.Ref)
		}
		if w.stopped[a.Ref] {
			w.fail("%v is asked to stop twice", a.Ref)
		}
		w.stopped[a.Ref] = true
	case tree.Kill:
		w.addressed("Kill", a.Ref)
	case tree.AfterExit:
		if !w.ended[a.Ref] {
			w.fail("the end of %v is followed by something and was not told", a.Ref)
		}
		w.hooks[a.ID] = a.Generation
	case tree.Signal:
		w.addressed("Signal", a.Ref)
	case tree.Inspect:
		w.addressed("Inspect", a.Ref)
	case tree.Freeze:
		w.addressed("Freeze", a.Ref)
	case tree.Reply:
		if _, ok := w.open[a.ID]; !ok && a.ID > w.stale {
			w.fail("call %d is answered, and nobody waits for it", a.ID)
		}
		delete(w.open, a.ID)
	case tree.Halt:
		w.halted = true
		if left := w.left(); len(w.asked)+len(left)+len(w.hooks) > 0 {
			w.fail("the tree halts and there are still %v, %v and %v", w.asked, left, w.hooks)
		}
	}
}

// left are the processes that are there and could be killed.
func (w *Watch) left() []string {
	var left []string
	for id := range w.live {
		if n, ok := w.world.Tree.Node(id); !ok || n.State != tree.IsUnkillable {
			left = append(left, id)
		}
	}
	return left
}

// start checks that a new incarnation is new, and alone.
func (w *Watch) start(a tree.Start) {
	if a.Generation <= w.highest {
		w.fail("%v is started after generation %d", a.Ref, w.highest)
	}
	w.highest = a.Generation
	if g, ok := w.asked[a.ID]; ok {
		w.fail("%v is started while the start of generation %d is not answered", a.Ref, g)
	}
	if g, ok := w.live[a.ID]; ok {
		w.fail("%v is started while generation %d is alive", a.Ref, g)
	}
	if g, ok := w.hooks[a.ID]; ok {
		w.fail("%v is started before the end of generation %d is complete", a.Ref, g)
	}
	if a.Spec == nil || a.Spec.ID != a.ID || a.Spec.Type != tree.Process {
		w.fail("%v is started with the spec %v", a.Ref, a.Spec)
	}
	w.asked[a.ID] = a.Generation
}

// addressed checks that there is somebody to do it.
func (w *Watch) addressed(what string, ref tree.Ref) {
	if !names(w.asked, ref) && !names(w.live, ref) && !names(w.hooks, ref) && !w.ended[ref] {
		w.fail("%s for %v, which is not there", what, ref)
	}
}
