package tree_test

import (
	"math/rand/v2"
	"testing"

	"coppice/tree"
	"coppice/tree/treetest"
)

// TestStopAgainstOwnEnd lets a process end by itself around the moment of its stop,
// in 2,000 ways: it is stopped, its true end is kept, and where the stop was heard
// first nothing is restarted.
func TestStopAgainstOwnEnd(t *testing.T) {
	for seed := range uint64(2000) {
		stopAgainstEnd(t, rand.New(rand.NewPCG(seed, 10)), seed)
	}
}

func stopAgainstEnd(t *testing.T, r *rand.Rand, seed uint64) {
	spec := family(func(c *tree.ChildSpec) {
		c.Restart = tree.RestartType(r.IntN(2))
		c.Shutdown = tree.Shutdown{Brutal: r.IntN(4) == 0, Timeout: tree.Time(r.IntN(3)) * tree.Second}
		if r.IntN(3) == 0 {
			c.Backoff = tree.Backoff{Initial: tree.Second, Max: tree.Second, Factor: 2}
		}
		c.OnExit = []tree.Verdict{{Codes: [2]int{2, 2}, Strategy: tree.Strategy(r.IntN(3))}}
	})
	spec.Children[1].Flags = tree.Flags{Strategy: tree.Strategy(r.IntN(3)), Intensity: 1, Period: tree.Second}
	w := treetest.NewWorld(spec, tree.Options{})
	w.Step(tree.Boot{})
	rest(t, w)
	end := tree.Exit{Code: r.IntN(3)}
	if r.IntN(4) == 0 {
		end = tree.Exit{Signal: "SIGSEGV"}
	}
	stop, call := w.Call(tree.TerminateChild{ID: "c"})
	events := []tree.Event{w.End(w.Procs["c"], end), stop}
	stopFirst := r.IntN(2) == 0
	if stopFirst {
		events[0], events[1] = events[1], events[0]
	}
	var out tree.Output
	together := r.IntN(2) == 0
	if together {
		out = w.Step(events...)
	} else {
		w.Step(events[0])
		if r.IntN(2) == 0 {
			if at, ok := w.Tree.Deadline(); ok {
				w.Now = at
				w.Step(tree.Tick{})
			}
		}
		out = w.Step(events[1])
	}
	for _, report := range out.Reports {
		if stopFirst && report.Kind == tree.RestartBegun {
			t.Errorf("seed %d: %s is restarted after its stop was heard", seed, report.Node)
		}
	}
	rest(t, w)
	n, _ := w.Tree.Node("c")
	if n.State != tree.Stopped && n.State != tree.Finished || n.PID != 0 || w.Procs["c"].Alive {
		t.Errorf("seed %d: after its stop it is %s, pid %d", seed, n.State, n.PID)
	}
	if reply, ok := w.Replies[call]; !ok || reply.Refusal != "" {
		t.Errorf("seed %d: the stop is answered with %+v", seed, reply)
	}
	if stopFirst && *n.LastEnd.Exit != end {
		t.Errorf("seed %d: it ended with %s, told is %s", seed, end, n.LastEnd.Exit)
	}
	// Where both were heard at once nobody had asked the process yet.
	if stopFirst && !together && n.LastEnd.Reason != tree.EndStopped {
		t.Errorf("seed %d: the reason is %s", seed, n.LastEnd.Reason)
	}
	if err := w.Watch.Err(); err != nil {
		t.Errorf("seed %d: %v", seed, err)
	}
}
