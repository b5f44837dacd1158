package tree_test

import (
	"testing"

	"coppice/tree"
	"coppice/tree/treetest"
)

// TestEveryPair brings a child into every state there is and tells the tree
// every event there is, about the present incarnation, an earlier and a later
// one; and of those about the present one also a second, in the same Step or the
// next. Nothing may panic or break an invariant, and afterwards the tree comes to
// rest and ends as asked.
func TestEveryPair(t *testing.T) {
	for _, s := range situations {
		t.Run(s.name, func(t *testing.T) {
			w := s.reach(t)
			timely := len(timelyEvents(w))
			for first := range everyEvent(w) {
				pair(t, s, first, -1, false)
			}
			for first := range timely {
				for second := range timely {
					pair(t, s, first, second, false)
					pair(t, s, first, second, true)
				}
			}
		})
	}
}

// pair tells a child in some situation one event, or two.
func pair(t *testing.T, s situation, first, second int, together bool) {
	w := s.reach(t)
	events := everyEvent(w)
	told := []tree.Event{events[first]}
	defer func() {
		if p := recover(); p != nil {
			t.Fatalf("%s, told %+v: %v", s.name, told, p)
		}
	}()
	switch {
	case second < 0:
		w.Step(told...)
	case together:
		told = append(told, fresh(w, events[second]))
		w.Step(told...)
	default:
		w.Step(told...)
		told = append(told, timelyEvents(w)[second])
		w.Step(told[1])
	}
	end(t, w)
	if err := w.Watch.Err(); err != nil {
		t.Fatalf("%s, told %+v: %v", s.name, told, err)
	}
}

// fresh gives a request a number of its own.
func fresh(w *treetest.World, e tree.Event) tree.Event {
	if called, ok := e.(tree.Called); ok {
		called, _ = w.Call(called.Request)
		return called
	}
	return e
}

// end lets the tree come to rest, and then asks it to end.
func end(t *testing.T, w *treetest.World) {
	rest(t, w)
	w.Watch.AtRest()
	if w.Halt != nil {
		return
	}
	called, _ := w.Call(tree.ShutdownTree{By: "down"})
	w.Step(called)
	rest(t, w)
	w.Watch.AtRest()
	if w.Halt == nil || w.Halt.Reason != tree.HaltShutdown {
		t.Fatalf("after a shutdown the tree has ended with %+v", w.Halt)
	}
}

func rest(t testing.TB, w *treetest.World) {
	for range restMax {
		e := w.Oblige()
		if e == nil {
			return
		}
		w.Step(e)
	}
	t.Fatalf("the tree does not come to rest: %+v", w.Tree.Status())
}

// everyEvent is every kind of event about c and about the supervisor above it;
// the timely ones first.
func everyEvent(w *treetest.World) []tree.Event {
	events, present := timelyEvents(w), present(w)
	for _, gen := range []tree.Generation{present - 1, present + 1000, 0} {
		events = append(events, news(tree.Ref{ID: "c", Generation: gen})...)
	}
	return events
}

func timelyEvents(w *treetest.World) []tree.Event {
	events := append(news(tree.Ref{ID: "c", Generation: present(w)}), tree.Boot{}, tree.Tick{}, tree.Resumed{}, tree.Dropped{ID: "c", Bytes: 1})
	for _, r := range everyRequest(present(w)) {
		called, _ := w.Call(r)
		events = append(events, called)
	}
	return events
}

// present is the latest incarnation of c, 0 before the first.
func present(w *treetest.World) tree.Generation {
	if p := w.Procs["c"]; p != nil {
		return p.Generation
	}
	return 0
}

// news is all that can be told of an incarnation.
func news(ref tree.Ref) []tree.Event {
	return []tree.Event{
		tree.Started{Ref: ref, PID: 99},
		tree.StartFailed{Ref: ref, Cause: "no such file"},
		tree.StartIgnored{Ref: ref},
		tree.Ready{Ref: ref},
		tree.NotReady{Ref: ref, Cause: "the port is taken"},
		tree.Checked{Ref: ref, Passed: true},
		tree.Checked{Ref: ref, Cause: "no answer"},
		tree.Unwell{Ref: ref, Cause: "it is silent"},
		tree.Extended{Ref: ref, Span: 9 * tree.Second},
		tree.Exited{Ref: ref},
		tree.Exited{Ref: ref, Exit: tree.Exit{Signal: "SIGKILL"}},
		tree.Exited{Ref: ref, Exit: tree.Exit{Lost: true}},
		tree.Adopted{Ref: ref},
		tree.HookDone{Ref: ref},
		tree.HookDone{Ref: ref, Cause: "exit code 1"},
	}
}

// everyRequest is every request about c and s, its supervisor.
func everyRequest(present tree.Generation) []tree.Request {
	changed := process("c", func(c *tree.ChildSpec) { c.Restart, c.Start = tree.Transient, "changed" })
	other := family(func(c *tree.ChildSpec) { c.Start = "changed" })
	other.Children[1].Children = other.Children[1].Children[1:]
	return []tree.Request{
		tree.TerminateChild{ID: "c"},
		tree.TerminateChild{ID: "c", Generation: present},
		tree.TerminateChild{ID: "c", Generation: present + 1000},
		tree.TerminateChild{Supervisor: "root", ID: "c"},
		tree.TerminateChild{ID: "s"},
		tree.TerminateChild{ID: "root"},
		tree.RestartChild{ID: "c"},
		tree.RestartChild{ID: "s"},
		tree.CycleChild{ID: "c"},
		tree.CycleChild{ID: "s"},
		tree.CycleChild{ID: "nobody"},
		tree.DeleteChild{ID: "c"},
		tree.DeleteChild{ID: "s"},
		tree.StartChild{Supervisor: "s", Spec: changed},
		tree.StartChild{Supervisor: "c", Spec: process("x", nil)},
		tree.StartChild{Supervisor: "s", Spec: process("x", nil)},
		tree.SignalChild{ID: "c", Signal: "SIGHUP"},
		tree.SignalChild{ID: "s", Signal: "SIGHUP"},
		tree.ReloadChild{ID: "c"},
		tree.ReloadChild{ID: "s"},
		tree.ChangeSupervisor{ID: "s", Flags: flags, Children: []tree.ChildSpec{changed}},
		tree.ChangeSupervisor{ID: "c", Flags: flags},
		tree.ChangeSupervisor{ID: "s"},
		tree.Apply{Spec: family(nil)},
		tree.Apply{Spec: other},
		tree.ShutdownTree{By: "down"},
		tree.ShutdownTree{Kill: true, By: "down"},
	}
}

var flags = tree.Flags{Strategy: tree.RestForOne, Intensity: 3, Period: 5 * tree.Second}

// family is root [a, s [b, c, d]]; with makes c what it is.
func family(with func(*tree.ChildSpec)) tree.ChildSpec {
	s := tree.ChildSpec{
		ID: "s", Type: tree.Supervisor, Restart: tree.Transient, Shutdown: tree.Shutdown{Timeout: tree.Infinity}, Flags: flags,
		Children: []tree.ChildSpec{process("b", nil), process("c", with), process("d", nil)},
	}
	return tree.ChildSpec{ID: "root", Type: tree.Supervisor, Flags: flags, Children: []tree.ChildSpec{process("a", nil), s}}
}

func process(id string, with func(*tree.ChildSpec)) tree.ChildSpec {
	c := tree.ChildSpec{ID: id, Shutdown: tree.Shutdown{Timeout: tree.Second}, Success: decent, Start: id}
	if with != nil {
		with(&c)
	}
	return c
}

// begin answers the starts of processes in turn.
func begin(w *treetest.World, names ...string) {
	for _, name := range names {
		if p := w.Procs[name]; p != nil && !p.Answered {
			w.Step(w.Begin(p))
		}
	}
}

func exit(w *treetest.World, name string, code int) {
	if p := w.Procs[name]; p.Alive {
		w.Step(w.End(p, tree.Exit{Code: code}))
	}
}

// later lets the nearest deadline pass.
func later(w *treetest.World) {
	w.Now, _ = w.Tree.Deadline()
	w.Step(tree.Tick{})
}

func call(w *treetest.World, r tree.Request) {
	called, _ := w.Call(r)
	w.Step(called)
}
