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

func rest(t *testing.T, w *treetest.World) {
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
	events := append(news(tree.Ref{ID: "c", Generation: present(w)}), tree.Boot{}, tree.Tick{})
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
		tree.Exited{Ref: ref},
		tree.Exited{Ref: ref, Exit: tree.Exit{Signal: "SIGKILL"}},
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

// situation is a state of c and the way to it.
type situation struct {
	name  string
	state tree.State
	with  func(*tree.ChildSpec)
	// calm is whether everything is up before way; way are the steps then.
	calm bool
	way  func(w *treetest.World)
}

func notice(c *tree.ChildSpec)    { c.Ready, c.StartTimeout = tree.AtNotice, tree.Second }
func atExit(c *tree.ChildSpec)    { c.Ready, c.Restart = tree.AtExit, tree.Transient }
func transient(c *tree.ChildSpec) { c.Restart = tree.Transient }
func temporary(c *tree.ChildSpec) { c.Restart = tree.Temporary }
func delayed(c *tree.ChildSpec) {
	c.Backoff = tree.Backoff{Initial: tree.Second, Max: 8 * tree.Second, Factor: 2}
}

var situations = []situation{
	{name: "never started", state: tree.Stopped},
	{name: "start not answered", state: tree.Starting, way: func(w *treetest.World) { begin(w, "a", "b") }},
	{name: "executed, not ready", state: tree.Starting, with: notice, way: func(w *treetest.World) { begin(w, "a", "b", "c") }},
	{name: "runs until it is ready", state: tree.Starting, with: atExit, way: func(w *treetest.World) { begin(w, "a", "b", "c") }},
	{name: "overdue", state: tree.Stopping, with: notice, way: func(w *treetest.World) { begin(w, "a", "b", "c"); later(w) }},
	{name: "start not answered, and a stop waits", state: tree.Starting, way: func(w *treetest.World) {
		begin(w, "a", "b")
		call(w, tree.TerminateChild{ID: "c"})
	}},
	{name: "start cut short", state: tree.Stopping, with: notice, way: func(w *treetest.World) {
		begin(w, "a", "b", "c")
		call(w, tree.TerminateChild{ID: "c"})
	}},
	{name: "start abandoned, another is stopped first", state: tree.Starting, with: notice, calm: true, way: func(w *treetest.World) {
		call(w, tree.CycleChild{ID: "c"})
		exit(w, "c", 0)
		begin(w, "c")
		call(w, tree.TerminateChild{ID: "s"})
	}},
	{name: "killed before the start is answered", state: tree.Stopping, way: func(w *treetest.World) {
		begin(w, "a", "b")
		call(w, tree.ShutdownTree{Kill: true})
	}},
	{name: "running", state: tree.Up, calm: true},
	{name: "running, temporary", state: tree.Up, with: temporary, calm: true},
	{name: "asked to stop", state: tree.Stopping, calm: true, way: func(w *treetest.World) { call(w, tree.TerminateChild{ID: "c"}) }},
	{name: "being killed", state: tree.Stopping, calm: true, way: func(w *treetest.World) {
		call(w, tree.TerminateChild{ID: "c"})
		later(w)
	}},
	{name: "stopped by hand", state: tree.Stopped, calm: true, way: func(w *treetest.World) {
		call(w, tree.TerminateChild{ID: "c"})
		exit(w, "c", 0)
	}},
	{name: "finished", state: tree.Finished, with: transient, calm: true, way: func(w *treetest.World) { exit(w, "c", 0) }},
	{name: "forgotten", state: tree.Finished, with: temporary, calm: true, way: func(w *treetest.World) { exit(w, "c", 1) }},
	{name: "backing off", state: tree.BackingOff, with: delayed, calm: true, way: func(w *treetest.World) {
		exit(w, "c", 1)
		exit(w, "d", 0)
	}},
	{name: "dead, and nobody has heard of it", state: tree.Restarting, calm: true, way: func(w *treetest.World) {
		exit(w, "b", 1)
		exit(w, "c", 1)
	}},
	{name: "swept", state: tree.Stopped, calm: true, way: func(w *treetest.World) {
		exit(w, "b", 1)
		exit(w, "d", 0)
		exit(w, "c", 0)
	}},
	{name: "restarting", state: tree.Restarting, calm: true, way: func(w *treetest.World) {
		exit(w, "c", 1)
		exit(w, "d", 0)
		call(w, tree.TerminateChild{ID: "b"})
		w.Step(tree.StartFailed{Ref: w.Procs["c"].Ref, Cause: "no such file"})
	}},
	{name: "failed with its supervisor", state: tree.Failed, calm: true, way: func(w *treetest.World) {
		for range 4 {
			exit(w, "c", 1)
			exit(w, "d", 0)
			begin(w, "c", "d")
		}
		exit(w, "b", 0)
	}},
	{name: "supervisor stops", state: tree.Up, calm: true, way: func(w *treetest.World) { call(w, tree.TerminateChild{ID: "s"}) }},
	{name: "tree stops", state: tree.Up, calm: true, way: func(w *treetest.World) { call(w, tree.ShutdownTree{By: "down"}) }},
	{name: "tree is killed", state: tree.Stopping, calm: true, way: func(w *treetest.World) { call(w, tree.ShutdownTree{Kill: true}) }},
	{name: "tree has ended", state: tree.Stopped, calm: true, way: func(w *treetest.World) {
		call(w, tree.ShutdownTree{By: "down"})
		exit(w, "d", 0)
		exit(w, "c", 0)
		exit(w, "b", 0)
		exit(w, "a", 0)
	}},
}

// reach makes a world with c in the situation.
func (s situation) reach(t *testing.T) *treetest.World {
	w := treetest.NewWorld(family(s.with), tree.Options{})
	if s.name != situations[0].name {
		w.Step(tree.Boot{})
	}
	if s.calm {
		rest(t, w)
	}
	if s.way != nil {
		s.way(w)
	}
	if n, ok := w.Tree.Node("c"); !ok || n.State != s.state {
		t.Fatalf("%s: c is %v %s, not %s", s.name, ok, n.State, s.state)
	}
	if err := w.Watch.Err(); err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	return w
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

// TestEverySmallTree plays every tree of up to three children with every
// strategy and restart type: one child ends, or two at once, in every way, and
// perhaps one start fails. It wants what a dumb twin, written from OTP's tables,
// says.
func TestEverySmallTree(t *testing.T) {
	trees := everyTree()
	for _, f := range trees {
		text := f.scenario()
		sc, err := treetest.ParseScenario(text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := treetest.Trace(sc, nil)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if want := f.twin(); got != want {
			t.Fatalf("%s\nthe tables say\n%s\nthe tree says\n%s", text, want, got)
		}
	}
	t.Logf("%d trees", len(trees))
}
