package tree

import (
	"fmt"
	"slices"
)

// Restore reads a tree that Save wrote down. What it returns answers every later
// Step as the saved one would have. It keeps nothing of s but the Starts and the
// lists of Success and OnExit.
//
// Nothing in s is believed: what no tree could have come to is an error, and a
// tree that is accepted does not panic later.
func Restore(s Saved) (*Tree, error) {
	r := restorer{saved: &s, built: make([]ChildSpec, 0, len(s.Specs)), homes: make([]*ChildSpec, len(s.Specs)), nodes: make([]*node, 0, len(s.Nodes)), tree: &Tree{
		opts: s.Options, gen: s.Generation, seq: s.Seq, lastCall: s.LastCall, resumed: s.Resumed,
		index: make(map[string]*node, len(s.Nodes)), waiting: slices.Clone(s.Waiting), shutdown: clone(s.Shutdown), ended: clone(s.Halt),
	}}
	r.specs()
	r.place()
	for i := range s.Nodes {
		r.node(i)
	}
	r.change()
	r.queue()
	if r.err == nil {
		r.err = r.tree.sound()
	}
	if r.err != nil {
		return nil, fmt.Errorf("cannot restore the tree: %w", r.err)
	}
	r.tree.remember()
	return r.tree, nil
}

// restorer builds a tree. After the first fault it goes on with harmless values.
type restorer struct {
	saved *Saved
	tree  *Tree
	built []ChildSpec
	// homes are where the specs stand in the list of a supervisor's spec, by place; nil where
	// they stand in none.
	homes []*ChildSpec
	nodes []*node
	err   error
}

func (r *restorer) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

// specsMax bounds how many specs one spec may stand for: lists that name each
// other could stand for more than there is time to look at.
const specsMax = 1 << 20

// specs builds every spec once; lists of children are shared, for nobody writes
// to them.
func (r *restorer) specs() {
	sizes := make([]int, len(r.saved.Specs))
	for i, s := range r.saved.Specs {
		c := ChildSpec{
			ID: s.ID, Type: s.Type, Restart: s.Restart, Shutdown: s.Shutdown, Significant: s.Significant, Ready: s.Ready,
			StartTimeout: s.StartTimeout, Success: s.Success, OnExit: s.OnExit, Backoff: s.Backoff, Health: s.Health, Flags: s.Flags, Rate: s.Rate,
			Extra:       s.Extra,
			BeforeStart: s.BeforeStart, AfterExit: s.AfterExit,
		}
		c.Start = r.start(s.Start)
		c.Children = r.list(s.Children)
		sizes[i] = 1
		for _, child := range s.Children {
			if child >= 0 && child < i {
				sizes[i] = min(sizes[i]+sizes[child], specsMax+1)
			}
		}
		if sizes[i] > specsMax {
			r.fail("spec %d has too many children", i)
		}
		r.built = append(r.built, c)
	}
}

// start is the Start of a place; nil for -1.
func (r *restorer) start(place int) any {
	if place < -1 || place >= len(r.saved.Starts) {
		r.fail("there is no start %d", place)
		return nil
	}
	if place == -1 {
		return nil
	}
	return r.saved.Starts[place]
}

// spec is one of those built so far.
func (r *restorer) spec(place int) ChildSpec {
	if place < 0 || place >= len(r.built) {
		r.fail("there is no spec %d", place)
		return ChildSpec{}
	}
	return r.built[place]
}

func (r *restorer) list(places []int) []ChildSpec {
	if places == nil {
		return nil
	}
	specs := make([]ChildSpec, len(places))
	for i, place := range places {
		specs[i] = r.spec(place)
		if place >= 0 && place < len(r.homes) {
			r.homes[place] = &specs[i]
		}
	}
	return specs
}

// shared is a spec for a node: that of its supervisor's list, if it is in one.
func (r *restorer) shared(place int) *ChildSpec {
	if place >= 0 && place < len(r.homes) && r.homes[place] != nil {
		return r.homes[place]
	}
	spec := r.spec(place)
	return &spec
}

// place makes the nodes and puts each in its list and in the index.
func (r *restorer) place() {
	if len(r.saved.Nodes) == 0 {
		r.fail("there is no node")
		r.saved.Nodes = []SavedNode{{Supervisor: -1}}
	}
	for i, s := range r.saved.Nodes {
		n := &node{}
		n.wanted(r.shared(s.Spec))
		r.nodes = append(r.nodes, n)
		switch {
		case i == 0 && s.Supervisor == -1 && s.Place == PlaceChild:
			r.tree.root = n
		case s.Supervisor < 0 || s.Supervisor >= i:
			r.fail("node %d has the supervisor %d", i, s.Supervisor)
		case !r.nodes[s.Supervisor].isSupervisor():
			r.fail("node %d is below a process", i)
		default:
			n.parent = r.nodes[s.Supervisor]
		}
		switch {
		case n.parent == nil || s.Place == PlaceAdding:
		case s.Place == PlaceChild:
			n.parent.children.append(n)
		case s.Place == PlaceForgotten:
			n.parent.forgotten.append(n)
		default:
			r.fail("node %d has the place %q", i, s.Place)
		}
		if !s.Shadowed {
			if r.tree.index[n.id()] != nil {
				r.fail("there are two nodes of the name %q", n.id())
			}
			r.tree.index[n.id()] = n
		}
	}
}

// at is the node of a place; nil for -1.
func (r *restorer) at(place int) *node {
	if place < -1 || place >= len(r.nodes) {
		r.fail("there is no node %d", place)
		return nil
	}
	if place == -1 {
		return nil
	}
	return r.nodes[place]
}

func (r *restorer) node(i int) {
	s, n := &r.saved.Nodes[i], r.nodes[i]
	n.state, n.generation, n.since, n.cause, n.deadline = s.State, s.Generation, s.Since, s.Cause, s.Deadline
	n.restarts, n.held, n.alive, n.killing, n.asked, n.counted = s.Restarts, s.Held, s.Alive, s.Killing, s.Asked, s.Counted
	n.end = ending{seq: s.End.Seq, normal: s.End.Normal, gaveUp: s.End.GaveUp, blame: s.End.Blame.restored()}
	n.pid, n.overdue, n.signalled, n.ran, n.upAt, n.level = s.PID, s.Overdue, s.Signalled, s.Ran, s.UpAt, s.Level
	n.undrawn, n.tries, n.tried, n.waits = s.Undrawn, max(s.Tries, 0), s.Tried, s.Waits
	n.adopted, n.chosen = s.Adopted, clone(s.Chosen)
	n.fitness = fitness{condition: s.Condition, passed: s.Passed, failed: s.Failed, trouble: s.Trouble, ailing: s.Ailing}
	n.watchdog, n.frozen, n.stuck = max(s.Watchdog, 0), s.Frozen, s.Stuck
	r.tree.stuck = r.tree.stuck || n.stuck != ""
	if n.lastEnd = clone(s.LastEnd); n.lastEnd != nil {
		n.lastEnd.Exit = clone(n.lastEnd.Exit)
	}
	if s.Begun != nil {
		n.begun = r.start(*s.Begun)
	}
	if l := s.Left; l != nil {
		n.left = &left{l.Exit, l.At, l.PID}
	}
	switch {
	case n.isSupervisor():
		r.office(s, n)
	case s.Pending != nil || len(s.Inbox)+len(s.Window) > 0 || s.Operation != nil:
		r.fail("%s is a process and has what a supervisor has", n.id())
	}
	r.adding(i)
}

// office is what a supervisor has beside what every node has.
func (r *restorer) office(s *SavedNode, n *node) {
	n.window = slices.Clone(s.Window)
	if s.Pending != nil {
		n.pending = r.shared(*s.Pending)
	}
	for _, m := range s.Inbox {
		n.inbox.push(r.message(m))
	}
	if s.Operation != nil {
		n.op = r.operation(s.Operation)
	}
}

// adding checks that a node in no list yet is the one that its supervisor adds.
func (r *restorer) adding(i int) {
	nodes := r.saved.Nodes
	adds := func(s int) int {
		if s < 0 || s >= len(nodes) || nodes[s].Operation == nil || nodes[s].Operation.Kind != opWords[opAdd] {
			return -1
		}
		return nodes[s].Operation.Child
	}
	if nodes[i].Place == PlaceAdding && adds(nodes[i].Supervisor) != i {
		r.fail("nobody adds node %d", i)
	}
	if nodes[i].Operation == nil || nodes[i].Operation.Kind != opWords[opAdd] {
		return
	}
	if c := adds(i); c < 0 || c >= len(nodes) || nodes[c].Place != PlaceAdding || nodes[c].Supervisor != i {
		r.fail("node %d adds node %d", i, c)
	}
}

// word is the constant of a word.
func word[T ~uint8](r *restorer, what, text string, words []string) T {
	at := slices.Index(words, text)
	if at < 0 {
		r.fail("%q is no %s", text, what)
		return 0
	}
	return T(at)
}

func (r *restorer) message(s SavedMessage) message {
	m := message{kind: word[messageKind](r, "message", s.Kind, messageWords), child: r.at(s.Child), generation: s.Generation, cause: s.Cause}
	if (m.kind == called) != (s.Call != nil) {
		r.fail("a message of the kind %q has the call %+v", s.Kind, s.Call)
	}
	if s.Call != nil {
		m.call = r.call(*s.Call)
	}
	return m
}

func (r *restorer) operation(s *SavedOperation) *operation {
	op := &operation{
		kind: word[opKind](r, "operation", s.Kind, opWords), issued: true, child: r.at(s.Child), cause: s.Cause,
		counted: s.Counted, call: s.Call, ignored: s.Ignored, cut: s.Cut, by: s.By, blame: s.Blame.restored(), why: s.Why,
	}
	if op.kind == opEnd {
		op.reason = word[endReason](r, "reason", s.Reason, reasonWords)
	}
	if len(s.Steps) == 0 {
		r.fail("an operation of the kind %q has no steps", s.Kind)
	}
	for _, st := range s.Steps {
		c := r.at(st.Child)
		if c != nil && op.kind == opEnd {
			c.turn = len(op.steps)
		}
		op.steps = append(op.steps, step{verb: word[stepVerb](r, "step", st.Verb, verbWords), child: c, call: st.Call})
	}
	return op
}

func (b SavedBlame) restored() blame { return blame{b.Process, clone(b.Exit)} }

func (p SavedPart) restored() part { return part{p.Supervisor, slices.Clone(p.Moving)} }

// call restores a request that waits in an inbox, or an Apply.
func (r *restorer) call(s SavedCall) Called {
	c := Called{ID: s.ID}
	one := func() ChildSpec {
		if s.Spec == nil {
			r.fail("call %d has no spec", s.ID)
			return ChildSpec{}
		}
		return r.spec(*s.Spec)
	}
	switch s.Verb {
	case "terminate":
		c.Request = TerminateChild{s.Supervisor, s.Child, s.Generation}
	case "restart":
		c.Request = RestartChild{s.Supervisor, s.Child}
	case "cycle":
		c.Request = CycleChild{s.Child, s.By}
	case "delete":
		c.Request = DeleteChild{s.Supervisor, s.Child}
	case "start":
		c.Request = StartChild{s.Supervisor, one()}
	case "change":
		if s.Flags == nil {
			r.fail("call %d has no flags", s.ID)
			s.Flags = &Flags{}
		}
		c.Request = ChangeSupervisor{s.Child, *s.Flags, r.list(s.Specs)}
	case "apply":
		c.Request = Apply{one()}
	default:
		r.fail("call %d asks for %q", s.ID, s.Verb)
	}
	return c
}

// queue restores who waits for the budget.
func (r *restorer) queue() {
	r.tree.budget.whole = r.saved.Whole
	for _, place := range r.saved.Queue {
		n := r.at(place)
		if n == nil || n.queues || n.state != BackingOff || n.parent == nil {
			r.fail("node %d waits for its turn and has none to wait for", place)
			continue
		}
		r.tree.budget.wait(n)
	}
}

// change restores the Apply in progress and those that wait.
func (r *restorer) change() {
	if s := r.saved.Change; s != nil {
		a := &application{call: s.Call, cause: s.Cause, changes: slices.Clone(s.Changes), at: s.At.restored()}
		for _, p := range s.Parts {
			a.parts = append(a.parts, p.restored())
		}
		r.tree.change = a
	}
	for _, c := range r.saved.Changes {
		if c.Verb != "apply" {
			r.fail("call %d, %q, waits for an Apply", c.ID, c.Verb)
			continue
		}
		r.tree.changes = append(r.tree.changes, r.call(c))
	}
}
