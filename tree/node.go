package tree

import "fmt"

// node is one supervisor or process, from the moment it is wanted until it is
// removed, through all its incarnations.
type node struct {
	// spec is shared, with the supervisor's spec and with whoever carries out a start: it
	// is replaced and never written to.
	spec   *ChildSpec
	parent *node // nil for the root
	// list is where it stands below its supervisor, between two neighbours; nil while it is
	// being added.
	list       *siblings
	prev, next *node
	turn       int // its step in the end of its supervisor, see operation.stops

	state      State
	generation Generation
	since      Time
	cause      uint64 // the report behind state
	deadline   Time   // of the present state, 0: none
	slot       int    // of the deadline, see timers
	restarts   int
	held       bool // an operator stopped it

	// alive: there is something of this incarnation. A process between Started
	// and Exited; a supervisor between the beginning of its init and its end. A
	// node that is Up and not alive has died, and its supervisor has not yet
	// heard of it (OTP: the 'EXIT' message is in the mailbox).
	alive bool
	// killing: it was killed, and so is whatever of it is left to stop.
	killing bool
	asked   bool // its supervisor, or who stops the tree, wants it gone
	counted bool // its incarnation was a restart, so its children's are
	queues  bool // it waits in the queue of the budget
	// Of a process.
	overdue bool // its start timeout has passed: its end is a failed start
	adopted bool // another runtime started it
	frozen  bool // it does not run, an operator wants it so

	end       ending
	pid       int
	lastEnd   *End
	signalled uint64     // an operator's signal, which causes its next end
	ran       Generation // the last incarnation that had a process
	upAt      Time
	undrawn   Time      // a delay of which chance has still to take its part
	tries     int       // starts in a row that failed for a shortage
	tried     Time      // when the first of them was begun
	waits     string    // what it waits for in words, where that is not its own backoff
	level     int       // restarts in a row that were delayed by backoff
	chosen    *Strategy // that its last failure chose; nil: its supervisor's own
	fitness
	watchdog Time // the span that its present incarnation has chosen, 0: none
	// stuck says what is left of it that cannot be killed; "": nothing is known of
	// such.
	stuck string
	begun any   // the Start of its present incarnation, where spec has another by now
	left  *left // it has ended, and the command after its end has not; it is alive until then

	*office
}

// office is what a supervisor has beside what every node has. Processes, of which there
// are many, share the one that is vacant.
type office struct {
	children siblings // in start order (OTP: {Ids, Db})
	// forgotten are children that OTP has no record of any more, kept to be
	// shown: temporary ones whose process is gone.
	forgotten siblings
	inbox     inbox      // OTP: the mailbox
	op        *operation // OTP: the blocking receive
	window    []Time     // restarts that still count, oldest first
	awaited   *node      // a significant child that had not ended when one was looked for
	// pending is the spec that Apply has for it and it has not heard of yet.
	pending *ChildSpec
	queued  bool // among Tree.runnable
}

// vacant stays empty: nobody may write to it.
var vacant office

// wanted gives a node its spec, and its office to one that is a supervisor by it.
func (n *node) wanted(spec *ChildSpec) {
	n.spec = spec
	if n.isSupervisor() && (n.office == nil || n.office == &vacant) {
		n.office = &office{}
	} else if n.office == nil {
		n.office = &vacant
	}
}

// ending is how the last incarnation of a node ended.
type ending struct {
	seq    uint64 // the report that told it
	normal bool   // OTP: normal, shutdown or {shutdown, _}
	gaveUp bool   // a supervisor whose intensity was exceeded
	blame  blame
}

// blame is the process whose end is behind another end: its own, or that of the
// child that ended a supervisor, followed down to a process.
type blame struct {
	process string
	exit    *Exit // nil: it could not be executed
}

func (n *node) id() string { return n.spec.ID }

func (n *node) isSupervisor() bool { return n.spec.Type == Supervisor }

func (n *node) ref() Ref { return Ref{n.spec.ID, n.generation} }

// simple tells a supervisor whose children are instances of a template.
func (n *node) simple() bool { return n.spec.Flags.Strategy == SimpleOneForOne }

// present says that its supervisor holds a pid for it (OTP: is_pid(Pid)), be
// the process alive or not.
func (n *node) present() bool {
	return n.state == Starting || n.state == Up || n.state == Stopping
}

// pendingRestart says that OTP would show it as restarting.
func (n *node) pendingRestart() bool { return n.state == Restarting || n.state == BackingOff }

// newNode makes a node that does not run and enters it into the index.
func (t *Tree) newNode(spec *ChildSpec, parent *node) *node {
	n := &node{parent: parent, state: Stopped, since: t.now}
	n.wanted(spec)
	t.index[spec.ID] = n
	return n
}

// populate gives a supervisor the children of its static spec. Nodes that it
// had under the same name and type stay, with their history; whatever else it
// had is gone: a new incarnation knows its static spec only.
func (t *Tree) populate(s *node) {
	old := append(s.children.take(), s.forgotten.take()...)
	known := make(map[string]*node, len(old))
	for _, c := range old {
		known[c.id()] = c
	}
	if !s.simple() {
		for i := range s.spec.Children {
			spec := &s.spec.Children[i]
			c := known[spec.ID]
			if c != nil && c.spec.Type == spec.Type {
				delete(known, spec.ID)
				c.wanted(spec)
				if c.isSupervisor() {
					c.pending = nil
				}
				t.become(c, Stopped, c.cause)
			} else {
				c = t.newNode(spec, s)
			}
			s.children.append(c)
			if c.isSupervisor() {
				t.populate(c)
			}
		}
	}
	for _, c := range old {
		if known[c.id()] == c {
			t.remove(c)
		}
	}
}

// remove takes a node that does not run and all below it out of the index.
func (t *Tree) remove(n *node) {
	if n.alive {
		panic(fmt.Sprintf("tree: %s is removed while it is %s", n.id(), n.state))
	}
	t.setDeadline(n, 0)
	t.leaveQueue(n)
	if t.index[n.id()] == n {
		delete(t.index, n.id())
	}
	for c := range n.children.all() {
		t.remove(c)
	}
	for c := range n.forgotten.all() {
		t.remove(c)
	}
	n.parent = nil
}

// become enters a state. Every state that waits for a time sets its deadline
// after it.
func (t *Tree) become(n *node, s State, cause uint64) {
	if n.state != s {
		n.since = t.now
	}
	n.state = s
	n.cause = cause
	n.waits, n.undrawn = "", 0
	t.leaveQueue(n)
	t.setDeadline(n, 0)
}

// becomeStarting begins a new incarnation.
func (t *Tree) becomeStarting(n *node, cause uint64) {
	if n.alive || n.present() {
		panic(fmt.Sprintf("tree: %s is started while it is %s", n.id(), n.state))
	}
	t.become(n, Starting, cause)
	t.gen++
	n.generation = t.gen
	n.held, n.overdue, n.asked, n.killing = false, false, false, false
	n.signalled, n.adopted, n.frozen, n.left = 0, false, false, nil
	n.fitness, n.begun, n.watchdog = fitness{}, nil, 0
	n.end = ending{}
}

// forget is what OTP does with a temporary child whose process is gone: it has
// no record of it any more. An instance of a template vanishes, every other one
// is still shown.
func (t *Tree) forget(s, c *node) {
	s.children.remove(c)
	if s.simple() {
		t.vanish(c, c.cause)
		return
	}
	t.become(c, Finished, c.cause)
	s.forgotten.append(c)
}

// settleChild is what is left of a child that was stopped or swept: a
// temporary one is forgotten, any other one is stopped.
func (t *Tree) settleChild(s, c *node, cause uint64) {
	if c.spec.Restart == Temporary || s.simple() {
		c.cause = cause
		t.forget(s, c)
		return
	}
	if c.state != Finished {
		t.become(c, Stopped, cause)
	}
}

// each visits every node, each after its supervisor.
func (t *Tree) each(visit func(n *node)) { t.root.each(visit) }

func (n *node) each(visit func(n *node)) {
	visit(n)
	for c := range n.children.all() {
		c.each(visit)
	}
	for c := range n.forgotten.all() {
		c.each(visit)
	}
	if n.op != nil && n.op.kind == opAdd {
		n.op.child.each(visit)
	}
}
