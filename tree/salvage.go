package tree

import "slices"

// Living is a process that is known to run, whoever started it.
type Living struct {
	Ref
	PID int
}

// Salvage makes a tree fit for a world that is ahead of it: it was restored from
// a record that lost its end, or is a new one that was never booted. The living
// are all processes of it that run; those of a name that the tree does not know,
// or not as a process, stay without a supervisor, and it says nothing of them.
//
// What was in progress is dropped. Who waits for it is refused; of an Apply stays
// what was taken over, though what it was to start anew runs on as it is. Then,
// from the root down:
//
//   - The living are up and adopted, and so are the supervisors above them.
//   - A supervisor that was starting or up is up, and so is one that was ending by
//     itself: the end of a child that is behind it is heard once more, and decided
//     upon as things are now. One that was asked to stop, with nothing living left
//     of it, is stopped.
//   - A process that is not among the living and was has ended, and nobody saw
//     how: its supervisor hears of it in its turn. If it was being stopped it is
//     stopped.
//   - Restarts that were to be tried again are tried now, backoffs have passed.
//     Restart windows stay as they are.
//   - Starts that were dropped, and those of children that an end had stopped
//     which does not come now, are done after all of this, in order and each as a
//     restart that does not count. In a tree that was never booted these are all
//     its processes: its supervisors do not wait for each other then.
//   - A shutdown that was asked for begins again, and none of the above starts
//     anything.
//
// A tree that has ended stays so.
func (t *Tree) Salvage(now Time, living []Living) Output {
	t.now = now
	if t.ended == nil {
		v := salvager{
			tree: t, booted: t.root.generation != 0, killing: t.root.killing,
			living: map[*node]Living{}, holds: map[*node]bool{}, dropped: map[*node]*operation{},
		}
		v.run(living)
		t.settle()
		for t.admit() {
			t.settle()
		}
	}
	return t.said()
}

// salvager is one Salvage.
type salvager struct {
	tree            *Tree
	cause           uint64
	booted, killing bool
	living          map[*node]Living
	holds           map[*node]bool       // supervisors of the living
	dropped         map[*node]*operation // what supervisors were in the middle of
}

func (v *salvager) run(living []Living) {
	t := v.tree
	v.cause = t.report(Report{Kind: DaemonStarted, Node: t.root.id(), Request: "salvage"})
	t.resumed = v.cause
	v.drop()
	v.find(living)
	v.supervisor(t.root)
	if t.shutdown == nil {
		return
	}
	seq := t.report(Report{Kind: DaemonStopping, Node: t.root.id(), Request: t.shutdown.By, Because: v.cause})
	t.beginStop(t.root, t.shutdown.Kill || v.killing, seq)
}

// find adopts the living, in the order of the tree. Of two of one name it is the
// later one.
func (v *salvager) find(living []Living) {
	t := v.tree
	for _, l := range living {
		t.gen = max(t.gen, l.Generation)
		n := t.index[l.ID]
		if n == nil || n.isSupervisor() || l.Generation == 0 || l.Generation < v.living[n].Generation {
			continue
		}
		v.living[n] = l
		for s := n.parent; s != nil; s = s.parent {
			v.holds[s] = true
		}
	}
	t.each(func(n *node) {
		if l, ok := v.living[n]; ok {
			v.adopt(n, l)
		}
	})
}

// adopt makes a process what it is.
func (v *salvager) adopt(n *node, l Living) {
	t := v.tree
	known := n.generation == l.Generation
	if known && !n.alive && n.counted && n.present() {
		n.restarts++ // its start was not answered
	}
	seq := t.report(Report{Kind: ChildAdopted, Node: n.id(), PID: l.PID, Because: v.cause})
	if !known || !n.alive || n.state != Up {
		t.become(n, Up, seq)
		n.since, n.upAt, n.end, n.fitness = t.now, t.now, ending{}, fitness{}
	}
	if !known {
		n.signalled, n.counted, n.frozen = 0, false, false
	}
	n.generation, n.ran, n.pid, n.alive, n.adopted = l.Generation, l.Generation, l.PID, true, true
	n.held, n.overdue, n.ailing, n.asked, n.killing, n.left = false, false, false, false, false, nil
	n.stuck = ""
}

// runs says whether a supervisor is to be up.
func (v *salvager) runs(s *node) bool {
	return v.holds[s] || !v.booted || s.alive && !s.asked
}

// supervisor makes a supervisor up and its children what they are.
func (v *salvager) supervisor(s *node) {
	t := v.tree
	ended := !s.alive
	if ended {
		t.gen++
		s.generation, s.counted, s.end = t.gen, false, ending{}
	}
	if ended || s.state != Up {
		t.become(s, Up, v.cause)
		s.since = t.now
	}
	s.alive, s.held, s.asked, s.killing = true, false, false, false
	v.unforget(s)
	for _, c := range s.children.slice() {
		v.child(s, c)
	}
	if t.shutdown == nil {
		v.goOn(s, ended)
	}
}

// unforget gives the living that OTP would not know their place again.
func (v *salvager) unforget(s *node) {
	lives := func(c *node) bool { _, ok := v.living[c]; return ok || v.holds[c] }
	if !slices.ContainsFunc(s.forgotten.slice(), lives) {
		return
	}
	s.children.set(slices.DeleteFunc(s.listed(), func(c *node) bool { return s.forgotten.has(c) && !lives(c) }))
}

// child is what becomes of a child of a supervisor that is up.
func (v *salvager) child(s, c *node) {
	t := v.tree
	_, lives := v.living[c]
	switch {
	case c.isSupervisor() && v.runs(c):
		v.supervisor(c)
	case lives:
	case t.shutdown == nil && c.ailing:
		v.lost(c)
	case t.shutdown != nil || c.state == Stopping || c.isSupervisor() && c.alive: // asked to stop
		v.rest(s, c)
	case c.queues: // its turn will come
	case c.state == BackingOff:
		t.delayPassed(c)
	case c.state == Restarting:
		t.send(s, message{kind: tryAgain, child: c})
	case c.state == Up && !c.alive:
		t.send(s, message{kind: childExit, child: c, generation: c.generation})
	case c.present():
		v.lost(c)
	}
}

// lost tells of a process that has ended unseen.
func (v *salvager) lost(c *node) {
	if c.state == Starting {
		c.upAt = v.tree.now
	}
	v.tree.become(c, Up, c.cause)
	c.alive = false
	v.tree.processEnded(c, &Exit{Lost: true}, c.signalled)
	v.tree.send(c.parent, message{kind: childExit, child: c, generation: c.generation})
	c.ailing, c.killing, c.frozen, c.stuck = false, false, false, ""
	c.pid = 0
}

// rest stops a child of which nothing lives, with all below it.
func (v *salvager) rest(s, c *node) {
	t := v.tree
	for _, x := range c.children.slice() {
		v.rest(c, x)
	}
	if !c.present() && !c.pendingRestart() {
		return
	}
	switch {
	case !c.present() || c.state == Up && !c.alive: // its end was told
	case c.isSupervisor():
		seq := t.report(Report{Kind: StopDone, Node: c.id(), Because: c.cause})
		c.end, c.window = ending{seq: seq, normal: true}, nil
		t.become(c, Stopped, seq)
	default:
		t.processStopped(c, &left{exit: Exit{Lost: true}, at: t.now, pid: c.pid})
	}
	c.alive, c.pid, c.frozen, c.stuck = false, 0, false, ""
	t.settleChild(s, c, c.cause)
}

// goOn lets a supervisor come back to what it was in the middle of: after the
// ends that it has to hear of, it starts what it was to start. ended says that it
// had ended, and its children with it.
func (v *salvager) goOn(s *node, ended bool) {
	t, again := v.tree, map[*node]bool{}
	op := v.dropped[s]
	if op != nil {
		v.hearAgain(s, op)
		for _, st := range op.steps[op.next:] {
			again[st.child] = again[st.child] || st.verb == stepStart
			if c := st.child; c != nil && c.state == Stopped && (op.kind == opTerminate || st.call != 0) {
				c.held = true
			}
		}
	}
	undone := ended || op != nil && op.kind == opEnd
	for c := range s.children.all() {
		if again[c] || !v.booted || undone && c.spec.Restart != Temporary {
			t.send(s, message{kind: startAgain, child: c, cause: v.cause})
		}
	}
}

// hearAgain lets a supervisor that was ending by itself hear once more of the
// child that is behind it.
func (v *salvager) hearAgain(s *node, op *operation) {
	t := v.tree
	c := t.find(s, op.by)
	if op.kind != opEnd || c == nil || c.present() || c.pendingRestart() || c.end.seq == 0 {
		return
	}
	t.become(c, Up, c.cause)
	t.send(s, message{kind: childExit, child: c, generation: c.generation})
}
