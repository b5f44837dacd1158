package tree

import (
	"reflect"
	"slices"
)

// Save writes the tree down as it is between two Steps. It changes nothing, and
// what it returns shares nothing with the tree but the Starts and the lists of
// Success and OnExit, which nobody changes.
func (t *Tree) Save() Saved {
	size := len(t.index)
	s := saver{
		nodes: make([]*node, 0, size), places: make(map[*node]int, size),
		known: make(map[*ChildSpec]int, size), named: make(map[string][]int, size), starts: map[any]int{},
	}
	s.out = Saved{
		Options: t.opts, Seq: t.seq, Generation: t.gen, LastCall: t.lastCall, Resumed: t.resumed,
		Waiting: slices.Clone(t.waiting), Shutdown: clone(t.shutdown), Halt: clone(t.ended),
	}
	s.out.Nodes, s.out.Specs = make([]SavedNode, 0, size), make([]SavedSpec, 0, size)
	s.number(t, t.root, -1, PlaceChild)
	for i, n := range s.nodes {
		s.node(&s.out.Nodes[i], n)
	}
	s.out.Whole = t.budget.whole
	for n := range t.budget.waiting() {
		s.out.Queue = append(s.out.Queue, s.place(n))
	}
	if a := t.change; a != nil {
		s.out.Change = &SavedChange{Call: a.call, Cause: a.cause, Changes: slices.Clone(a.changes), At: a.at.saved()}
		for _, p := range a.parts {
			s.out.Change.Parts = append(s.out.Change.Parts, p.saved())
		}
	}
	for _, c := range t.changes {
		s.out.Changes = append(s.out.Changes, s.call(c))
	}
	return s.out
}

func clone[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}

// saver collects a Saved.
type saver struct {
	out    Saved
	nodes  []*node
	places map[*node]int
	known  map[*ChildSpec]int // the places of specs that were saved already
	named  map[string][]int   // of specs, by their name
	starts map[any]int
}

// number gives n and all below it their places.
func (s *saver) number(t *Tree, n *node, above int, place NodePlace) {
	at := len(s.nodes)
	s.places[n] = at
	s.nodes = append(s.nodes, n)
	s.out.Nodes = append(s.out.Nodes, SavedNode{Supervisor: above, Place: place, Shadowed: t.index[n.id()] != n})
	for c := range n.children.all() {
		s.number(t, c, at, PlaceChild)
	}
	for c := range n.forgotten.all() {
		s.number(t, c, at, PlaceForgotten)
	}
	if n.op != nil && n.op.kind == opAdd {
		s.number(t, n.op.child, at, PlaceAdding)
	}
}

// place is that of a node; -1 for nil.
func (s *saver) place(n *node) int {
	if at, ok := s.places[n]; ok {
		return at
	}
	return -1
}

func (s *saver) node(o *SavedNode, n *node) {
	o.Spec = s.spec(n.spec)
	o.State, o.Generation, o.Since, o.Cause, o.Deadline = n.state, n.generation, n.since, n.cause, n.deadline
	o.Restarts, o.Held, o.Alive, o.Killing, o.Asked, o.Counted = n.restarts, n.held, n.alive, n.killing, n.asked, n.counted
	o.End = SavedEnding{Seq: n.end.seq, Normal: n.end.normal, GaveUp: n.end.gaveUp, Blame: n.end.blame.saved()}
	o.PID, o.Overdue, o.Signalled, o.Ran, o.UpAt, o.Level = n.pid, n.overdue, n.signalled, n.ran, n.upAt, n.level
	o.Undrawn, o.Tries, o.Tried, o.Waits = n.undrawn, n.tries, n.tried, n.waits
	o.Adopted, o.Chosen, o.Window = n.adopted, clone(n.chosen), slices.Clone(n.window)
	o.Condition, o.Passed, o.Failed, o.Trouble, o.Ailing = n.condition, n.passed, n.failed, n.trouble, n.ailing
	o.Watchdog, o.Frozen, o.Stuck = n.watchdog, n.frozen, n.stuck
	if o.LastEnd = clone(n.lastEnd); o.LastEnd != nil {
		o.LastEnd.Exit = clone(o.LastEnd.Exit)
	}
	if n.begun != nil {
		at := s.start(n.begun)
		o.Begun = &at
	}
	if l := n.left; l != nil {
		o.Left = &SavedLeft{l.exit, l.at, l.pid}
	}
	if n.pending != nil {
		at := s.spec(n.pending)
		o.Pending = &at
	}
	for _, m := range n.inbox.left() {
		s.message(o, n, m)
	}
	if n.op != nil {
		o.Operation = s.operation(n.op)
	}
}

// message saves one entry of the inbox of n. News of a child that was removed is
// left out: a node that has lost its supervisor never gets one again, so it would
// be dropped when its turn comes.
func (s *saver) message(o *SavedNode, n *node, m message) {
	if m.child != nil && m.child.parent != n {
		return
	}
	saved := SavedMessage{Kind: messageWords[m.kind], Child: s.place(m.child), Generation: m.generation, Cause: m.cause}
	if m.kind == called {
		call := s.call(m.call)
		saved.Call = &call
	}
	o.Inbox = append(o.Inbox, saved)
}

// operation saves what is left of one. Between two Steps the first step that is
// left is always in progress: a supervisor works until it waits for a child.
func (s *saver) operation(op *operation) *SavedOperation {
	o := &SavedOperation{
		Kind: opWords[op.kind], Child: s.place(op.child), Cause: op.cause, Counted: op.counted,
		Call: op.call, Ignored: op.ignored, Cut: op.cut, By: op.by, Blame: op.blame.saved(), Why: op.why,
	}
	if op.kind == opEnd {
		o.Reason = reasonWords[op.reason]
	}
	for _, st := range op.steps[op.next:] {
		o.Steps = append(o.Steps, SavedStep{Verb: verbWords[st.verb], Child: s.place(st.child), Call: st.call})
	}
	return o
}

func (b blame) saved() SavedBlame { return SavedBlame{Process: b.process, Exit: clone(b.exit)} }

func (p part) saved() SavedPart {
	return SavedPart{Supervisor: p.supervisor, Moving: slices.Clone(p.moving)}
}

// call saves a request that waits. SignalChild and ShutdownTree never do.
func (s *saver) call(c Called) SavedCall {
	o := SavedCall{ID: c.ID}
	switch r := c.Request.(type) {
	case TerminateChild:
		o.Verb, o.Supervisor, o.Child, o.Generation = "terminate", r.Supervisor, r.ID, r.Generation
	case RestartChild:
		o.Verb, o.Supervisor, o.Child = "restart", r.Supervisor, r.ID
	case CycleChild:
		o.Verb, o.Child, o.By = "cycle", r.ID, r.By
	case DeleteChild:
		o.Verb, o.Supervisor, o.Child = "delete", r.Supervisor, r.ID
	case StartChild:
		at := s.spec(&r.Spec)
		o.Verb, o.Supervisor, o.Spec = "start", r.Supervisor, &at
	case ChangeSupervisor:
		flags := r.Flags
		o.Verb, o.Child, o.Flags, o.Specs = "change", r.ID, &flags, s.list(r.Children)
	case Apply:
		at := s.spec(&r.Spec)
		o.Verb, o.Spec = "apply", &at
	}
	return o
}

// spec is the place of a spec. A node's spec is almost always the one that its
// supervisor's static spec has for it: each is saved once, so that the size is
// that of the tree, whatever its depth.
func (s *saver) spec(c *ChildSpec) int {
	at, ok := s.known[c]
	if !ok {
		at = s.newSpec(c)
		s.known[c] = at
	}
	return at
}

// newSpec is the place of a spec that may equal one that was saved: then that has the same
// name.
func (s *saver) newSpec(c *ChildSpec) int {
	spec := SavedSpec{
		ID: c.ID, Type: c.Type, Restart: c.Restart, Shutdown: c.Shutdown, Significant: c.Significant,
		Start: s.start(c.Start), Ready: c.Ready, StartTimeout: c.StartTimeout, Success: c.Success,
		OnExit: c.OnExit, Backoff: c.Backoff, Health: c.Health,
		BeforeStart: c.BeforeStart, AfterExit: c.AfterExit, Flags: c.Flags, Rate: c.Rate, Children: s.list(c.Children),
		Extra: c.Extra,
	}
	for _, at := range s.named[c.ID] {
		if reflect.DeepEqual(s.out.Specs[at], spec) {
			return at
		}
	}
	at := len(s.out.Specs)
	s.named[c.ID] = append(s.named[c.ID], at)
	s.out.Specs = append(s.out.Specs, spec)
	return at
}

// list are the places of specs; nil stays nil, for DeepEqual minds.
func (s *saver) list(specs []ChildSpec) []int {
	if specs == nil {
		return nil
	}
	places := make([]int, len(specs))
	for i := range specs {
		places[i] = s.spec(&specs[i])
	}
	return places
}

// start is the place of a Start, each value once: the same pointer is the same
// value. What Go cannot compare with == is compared in depth.
func (s *saver) start(v any) int {
	if v == nil {
		return -1
	}
	if reflect.ValueOf(v).Comparable() {
		if at, ok := s.starts[v]; ok {
			return at
		}
		s.starts[v] = len(s.out.Starts)
	} else if at := slices.IndexFunc(s.out.Starts, func(other any) bool { return reflect.DeepEqual(v, other) }); at >= 0 {
		return at
	}
	s.out.Starts = append(s.out.Starts, v)
	return len(s.out.Starts) - 1
}
