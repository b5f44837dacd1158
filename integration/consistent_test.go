package integration

import (
	"slices"
	"testing"

	"coppice/ipc"
	"coppice/tree"
)

// What an event record has to be by itself, whoever made it.

// mayCause says which kinds of events may be the cause of which; "" is none.
var mayCause = map[tree.Kind][]tree.Kind{
	tree.DaemonStarted:  {""},
	tree.DaemonStopping: {""},
	tree.ReqMade:        {""},
	tree.ExitSeen:       {""},
	tree.StartBegun:     {tree.DaemonStarted, tree.StartBegun, tree.RestartBegun, tree.ReqMade},
	tree.StartDone:      {tree.StartBegun},
	tree.StartFailure:   {tree.StartBegun},
	tree.RestartBegun:   {tree.ExitSeen, tree.StartFailure, tree.StopDone},
	tree.GaveUp:         {tree.ExitSeen, tree.StartFailure, tree.StopDone},
	tree.StopDone:       {tree.StopBegun},
	tree.StopBegun: {
		tree.RestartBegun, tree.ReqMade, tree.StopBegun, tree.DaemonStopping, tree.GaveUp, tree.StartFailure,
	},
}

// standing is where a node stands in the tree file.
type standing struct {
	spec  *tree.ChildSpec
	above *tree.ChildSpec // nil for the root
	index int
}

func standings(root *tree.ChildSpec) map[string]standing {
	all := map[string]standing{root.ID: {spec: root}}
	var walk func(s *tree.ChildSpec)
	walk = func(s *tree.ChildSpec) {
		for i := range s.Children {
			all[s.Children[i].ID] = standing{&s.Children[i], s, i}
			walk(&s.Children[i])
		}
	}
	walk(root)
	return all
}

// reader reads a record and keeps in mind what it has to be consistent with.
type reader struct {
	t        *testing.T
	nodes    map[string]standing
	events   []ipc.Event
	live     map[string]int         // the pid of each process that has started
	starting map[string]bool        // whose start is not answered
	sweeps   map[uint64][]ipc.Event // what each restart has stopped and started
	restarts map[string]int         // those of each supervisor's present incarnation
}

// checkRecord checks a record that begins with the daemon, of a tree whose
// periods are longer than the record.
func checkRecord(t *testing.T, spec tree.ChildSpec, events []ipc.Event) {
	t.Helper()
	r := &reader{
		t: t, nodes: standings(&spec), events: events, live: map[string]int{}, starting: map[string]bool{},
		sweeps: map[uint64][]ipc.Event{}, restarts: map[string]int{},
	}
	for i, e := range events {
		if e.Seq != uint64(i)+1 || e.Because >= e.Seq {
			t.Errorf("event %d has seq %d because of %d", i+1, e.Seq, e.Because)
			return
		}
		if !slices.Contains(mayCause[tree.Kind(e.Kind)], r.causeOf(e)) {
			t.Errorf("%s: its cause is %q", eventLine(e), r.causeOf(e))
		}
		if r.nodes[e.Node].spec.Type == tree.Process {
			r.process(e)
		} else {
			r.supervisor(e)
		}
		r.sweep(e)
	}
	if len(r.live)+len(r.starting) > 0 {
		t.Errorf("at the end there are still %v and %v", r.live, r.starting)
	}
}

func (r *reader) causeOf(e ipc.Event) tree.Kind {
	if e.Because == 0 {
		return ""
	}
	return tree.Kind(r.events[e.Because-1].Kind)
}

// process checks that there is one incarnation at most, and that each that
// begins has one end.
func (r *reader) process(e ipc.Event) {
	pid, lives := r.live[e.Node]
	switch tree.Kind(e.Kind) {
	case tree.StartBegun:
		if lives || r.starting[e.Node] {
			r.t.Errorf("%s: there is one already", eventLine(e))
		}
		r.starting[e.Node] = true
	case tree.StartDone:
		if lives || !r.starting[e.Node] || e.PID == 0 {
			r.t.Errorf("%s: nobody asked for it", eventLine(e))
		}
		delete(r.starting, e.Node)
		r.live[e.Node] = e.PID
	case tree.StartFailure:
		if lives || !r.starting[e.Node] {
			r.t.Errorf("%s: nobody asked for it", eventLine(e))
		}
		delete(r.starting, e.Node)
	case tree.ExitSeen, tree.StopDone:
		if (!lives || pid != e.PID) && !r.starting[e.Node] {
			r.t.Errorf("%s: pid %d is what runs (%v)", eventLine(e), pid, lives)
		}
		delete(r.live, e.Node)
		delete(r.starting, e.Node)
	}
}

// supervisor checks that one gives up exactly when its limit is used up.
func (r *reader) supervisor(e ipc.Event) {
	switch tree.Kind(e.Kind) {
	case tree.StartBegun:
		r.restarts[e.Node] = 0
	case tree.GaveUp:
		if limit := r.nodes[e.Node].spec.Flags.Intensity; r.restarts[e.Node] != limit {
			r.t.Errorf("%s: after %d restarts, and %d are allowed", eventLine(e), r.restarts[e.Node], limit)
		}
	}
}

// sweep checks that a restart touches who its strategy says, stops from right to
// left, then starts from left to right, and starts no temporary child.
func (r *reader) sweep(e ipc.Event) {
	at := r.nodes[e.Node]
	switch kind := tree.Kind(e.Kind); {
	case kind == tree.RestartBegun:
		if r.restarts[at.above.ID]++; at.spec.Restart == tree.Temporary {
			r.t.Errorf("%s: it is temporary", eventLine(e))
		}
		return
	case kind != tree.StartBegun && kind != tree.StopBegun || r.causeOf(e) != tree.RestartBegun:
		return
	}
	if wrong := r.outOfRange(e, at); wrong != "" {
		r.t.Errorf("%s: %s", eventLine(e), wrong)
	}
	for _, before := range r.sweeps[e.Because] {
		i := r.nodes[before.Node].index
		switch {
		case before.Kind != e.Kind && e.Kind == string(tree.StopBegun):
			r.t.Errorf("%s: a stop after a start", eventLine(e))
		case before.Kind == e.Kind && (i < at.index) != (e.Kind == string(tree.StartBegun)):
			r.t.Errorf("%s: it comes after %s", eventLine(e), before.Node)
		}
	}
	r.sweeps[e.Because] = append(r.sweeps[e.Because], e)
}

// outOfRange says why a step of a restart is none of its business.
func (r *reader) outOfRange(e ipc.Event, at standing) string {
	cause := r.nodes[r.events[e.Because-1].Node]
	switch {
	case cause.above != at.above:
		return "it is another supervisor's"
	case at.above.Flags.Strategy == tree.OneForOne && at.index != cause.index:
		return "one_for_one touches no sibling"
	case at.above.Flags.Strategy == tree.RestForOne && at.index < cause.index:
		return "rest_for_one touches none before it"
	case e.Kind == string(tree.StartBegun) && at.spec.Restart == tree.Temporary:
		return "it is temporary"
	}
	return ""
}

// checkCounts compares the restarts and pids that status shows with the record
// up to seq.
func checkCounts(t *testing.T, root ipc.Node, seq uint64, events []ipc.Event) {
	t.Helper()
	counted := map[uint64]bool{}    // the starts that are restarts
	begun := map[string]ipc.Event{} // the latest start of each node
	restarts, running := map[string]int{}, map[string]int{}
	for _, e := range events[:seq] {
		switch tree.Kind(e.Kind) {
		case tree.StartBegun:
			if e.Because == 0 {
				continue // checkRecord has said so
			}
			cause := events[e.Because-1]
			counted[e.Seq] = cause.Kind == string(tree.RestartBegun) || counted[cause.Seq]
			begun[e.Node] = e
			if n, _ := findNode(root, e.Node); n.Kind == "supervisor" && counted[e.Seq] {
				restarts[e.Node]++
			}
		case tree.StartDone:
			if running[e.Node] = e.PID; e.PID != 0 && counted[begun[e.Node].Seq] {
				restarts[e.Node]++
			}
		case tree.ExitSeen, tree.StopDone:
			if e.PID != 0 && running[e.Node] == 0 && counted[begun[e.Node].Seq] {
				restarts[e.Node]++ // it was executed, and its start was cut short
			}
			delete(running, e.Node)
		}
	}
	compareCounts(t, root, restarts, running)
}

func compareCounts(t *testing.T, n ipc.Node, restarts, running map[string]int) {
	t.Helper()
	if n.Restarts != restarts[n.Name] || n.PID != running[n.Name] {
		t.Errorf("status shows %s with %d restarts and pid %d, the record has %d and %d",
			n.Name, n.Restarts, n.PID, restarts[n.Name], running[n.Name])
	}
	for _, c := range n.Children {
		compareCounts(t, c, restarts, running)
	}
}
