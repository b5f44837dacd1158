package tree_test

import (
	"testing"

	"coppice/tree"
	"coppice/tree/treetest"
)

// situation is a state of c and the way to it.
type situation struct {
	name  string
	state tree.State
	with  func(*tree.ChildSpec)
	rate  tree.Rate
	// calm is whether everything is up before way; way are the steps then.
	calm bool
	way  func(w *treetest.World)
}

func notice(c *tree.ChildSpec)    { c.Ready, c.StartTimeout = tree.AtNotice, tree.Second }
func atExit(c *tree.ChildSpec)    { c.Ready, c.Restart = tree.AtExit, tree.Transient }
func checked(c *tree.ChildSpec)   { c.Health = tree.Health{Failures: 2, Successes: 1} }
func transient(c *tree.ChildSpec) { c.Restart = tree.Transient }
func temporary(c *tree.ChildSpec) { c.Restart = tree.Temporary }
func hooked(c *tree.ChildSpec)    { c.BeforeStart, c.AfterExit = true, true }
func hookedNotice(c *tree.ChildSpec) {
	hooked(c)
	notice(c)
}

func delayed(c *tree.ChildSpec) {
	c.Backoff = tree.Backoff{Initial: tree.Second, Max: 8 * tree.Second, Factor: 2}
}

func jittery(c *tree.ChildSpec) { delayed(c); c.Backoff.Jitter = 1 }

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
	{name: "start put off", state: tree.BackingOff, way: func(w *treetest.World) {
		begin(w, "a", "b")
		w.Step(tree.StartFailed{Ref: w.Procs["c"].Ref, Cause: "no more processes", Shortage: true})
	}},
	{name: "restart put off", state: tree.BackingOff, calm: true, way: func(w *treetest.World) {
		exit(w, "c", 1)
		exit(w, "d", 0)
		w.Step(tree.StartFailed{Ref: w.Procs["c"].Ref, Cause: "no more processes", Shortage: true})
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
	{name: "running, with a failed check", state: tree.Up, with: checked, calm: true, way: func(w *treetest.World) {
		w.Step(tree.Checked{Ref: w.Procs["c"].Ref, Passed: true})
		w.Step(tree.Checked{Ref: w.Procs["c"].Ref, Cause: "no answer"})
	}},
	{name: "unhealthy", state: tree.Stopping, with: checked, calm: true, way: func(w *treetest.World) {
		w.Step(tree.Checked{Ref: w.Procs["c"].Ref, Cause: "no answer"})
		w.Step(tree.Checked{Ref: w.Procs["c"].Ref, Cause: "no answer"})
	}},
	{name: "the command before its start runs", state: tree.Starting, with: hooked, way: func(w *treetest.World) { begin(w, "a", "b") }},
	{name: "the command before its start is cut short", state: tree.Stopping, with: hooked, way: func(w *treetest.World) {
		begin(w, "a", "b")
		call(w, tree.TerminateChild{ID: "c"})
	}},
	{name: "overdue before it was executed", state: tree.Stopping, with: hookedNotice, way: func(w *treetest.World) {
		begin(w, "a", "b")
		later(w)
	}},
	{name: "the command after its end runs", state: tree.Restarting, with: hooked, calm: true, way: func(w *treetest.World) { exit(w, "c", 1) }},
	{name: "the command after its end runs, and it is asked to stop", state: tree.Stopping, with: hooked, calm: true, way: func(w *treetest.World) {
		exit(w, "c", 1)
		call(w, tree.TerminateChild{ID: "c"})
	}},
	{name: "the command after its stop runs", state: tree.Stopping, with: hooked, calm: true, way: func(w *treetest.World) {
		call(w, tree.TerminateChild{ID: "c"})
		exit(w, "c", 0)
	}},
	{name: "the command after its end is killed", state: tree.Stopping, with: hooked, calm: true, way: func(w *treetest.World) {
		exit(w, "c", 1)
		call(w, tree.ShutdownTree{Kill: true})
	}},
	{name: "the command after a failed start runs", state: tree.Starting, with: hookedNotice, way: func(w *treetest.World) {
		begin(w, "a", "b", "c")
		exit(w, "c", 1)
	}},
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
	{name: "backing off, not drawn", state: tree.BackingOff, with: jittery, calm: true, way: func(w *treetest.World) {
		exit(w, "c", 1)
		exit(w, "d", 0)
	}},
	{name: "waits for its turn", state: tree.BackingOff, calm: true, rate: tree.Rate{PerSecond: 1, Burst: 2}, way: func(w *treetest.World) {
		for range 2 {
			exit(w, "c", 1)
			exit(w, "d", 0)
			if n, _ := w.Tree.Node("c"); n.State == tree.Starting {
				begin(w, "c", "d")
			}
		}
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
func (s situation) reach(t testing.TB) *treetest.World {
	spec := family(s.with)
	spec.Rate = s.rate
	w := treetest.NewWorld(spec, tree.Options{})
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
