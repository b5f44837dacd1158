package tree

import (
	"reflect"
	"slices"
)

// application is an Apply in progress: it goes from supervisor to supervisor,
// top down, one at a time. Each does its part in its turn, as one message.
type application struct {
	call    uint64
	cause   uint64
	changes []Change
	// parts are the supervisors still to come; at is the one that is busy.
	parts []part
	at    part
}

// part is what one supervisor has to do. Children that move away are discarded
// before anything else, so that their names are free where they move to.
type part struct {
	supervisor string
	moving     []string // children to discard; nil: take over pending
}

// nextChange begins the oldest Apply that waits, if none is in progress.
func (t *Tree) nextChange() {
	if t.change != nil || len(t.changes) == 0 {
		return
	}
	c := t.changes[0]
	t.changes = t.changes[1:]
	spec := c.Request.(Apply).Spec
	if id := t.taken(&spec); id != "" {
		t.act(Reply{ID: c.ID, Refusal: AlreadyPresent, Cause: id})
		t.nextChange()
		return
	}
	moved := moved(t.root.spec, &spec)
	a := &application{call: c.ID, changes: t.diff(spec, moved)}
	if n := t.hindrance(a.changes); n != nil {
		t.act(Reply{ID: c.ID, Refusal: Unkillable, Cause: n.survivor()})
		t.nextChange()
		return
	}
	a.cause = t.report(Report{Kind: ReqMade, Node: t.root.id(), Request: "reload"})
	a.parts = append(t.movingParts(moved), part{supervisor: t.root.id()})
	t.root.pending = &spec
	t.change = a
	t.advanceChange()
}

// movingParts are the supervisors that lose children to others, top down.
func (t *Tree) movingParts(moved map[string]bool) []part {
	var parts []part
	var walk func(s *ChildSpec)
	walk = func(s *ChildSpec) {
		var ids []string
		for i := range s.Children {
			if moved[s.Children[i].ID] {
				ids = append(ids, s.Children[i].ID)
			}
		}
		if ids != nil {
			parts = append(parts, part{s.ID, ids})
		}
		for i := range s.Children {
			walk(&s.Children[i])
		}
	}
	if len(moved) > 0 {
		walk(t.root.spec)
	}
	return parts
}

// advanceChange gives the next supervisor its part. One that does not run takes
// it over as it stands; the others when they come to it.
func (t *Tree) advanceChange() {
	a := t.change
	for len(a.parts) > 0 {
		a.at, a.parts = a.parts[0], a.parts[1:]
		s := t.index[a.at.supervisor]
		switch {
		case s == nil || !s.isSupervisor():
		case s.alive && s.blocker() != nil && t.untouched(s):
			s.pending = nil
		case s.alive:
			t.send(s, message{kind: apply})
			t.refuseHindered()
			return
		case s.leaves():
			t.refuseChanges()
			return
		default:
			t.changeAtRest(s)
		}
	}
	t.change = nil
	t.act(Reply{ID: a.call, Changes: a.changes})
	t.nextChange()
}

// changed ends the part of one supervisor and goes on with those below it.
func (t *Tree) changed(s *node) {
	a := t.change
	if a == nil || a.at.supervisor != s.id() {
		return
	}
	if a.at.moving == nil {
		var below []part
		for c := range s.children.all() {
			if c.pending != nil {
				below = append(below, part{supervisor: c.id()})
			}
		}
		a.parts = append(below, a.parts...)
	}
	t.advanceChange()
}

// changeAtRest changes a supervisor that does not run: there is nothing to stop
// or start, and its next incarnation begins with the new spec.
func (t *Tree) changeAtRest(s *node) {
	for _, id := range t.change.at.moving {
		if c := t.index[id]; c != nil && c.parent == s {
			t.discard(s, c)
		}
	}
	t.unlist(s, t.change.at.moving)
	if t.change.at.moving == nil && s.pending != nil {
		s.spec, s.pending = s.pending, nil
		t.populate(s)
	}
}

// unlist takes children that move away out of the static spec, also out of that
// with which a supervisor above would start s anew: where a name comes again, it
// is a new child's.
func (t *Tree) unlist(s *node, ids []string) {
	if len(ids) > 0 {
		s.respec(s.spec.Flags, slices.DeleteFunc(slices.Clone(s.spec.Children), func(c ChildSpec) bool {
			return slices.Contains(ids, c.ID)
		}))
		t.restate(s)
	}
}

// discard removes a child that does not run, a forgotten one too.
func (t *Tree) discard(s, c *node) {
	if t.isForgotten(c) {
		t.unforget(c)
		return
	}
	s.children.remove(c)
	t.remove(c)
}

// beginChange begins the part of a supervisor that runs.
func (t *Tree) beginChange(s *node) {
	if t.change == nil || t.change.at.supervisor != s.id() {
		return
	}
	op := operation{kind: opChange, cause: t.change.cause}
	gone := t.change.at.moving
	t.unlist(s, gone)
	if gone == nil {
		if s.pending == nil { // it was restarted meanwhile, with the new spec
			t.changed(s)
			return
		}
		gone = removed(s.spec, s.pending)
	}
	for _, id := range slices.Backward(gone) {
		c := t.index[id]
		switch {
		case c == nil || c.parent != s:
		case t.isForgotten(c):
			t.unforget(c)
		default:
			op.steps = append(op.steps, step{verb: stepDiscard, child: c})
		}
	}
	if t.change.at.moving == nil {
		op.steps = append(op.steps, step{verb: stepAdopt})
	}
	t.begin(s, op)
}

// removed are the names of old's children that new lacks.
func removed(old, new *ChildSpec) []string {
	has := make(map[string]bool, len(new.Children))
	for i := range new.Children {
		has[new.Children[i].ID] = true
	}
	var gone []string
	for i := range old.Children {
		if !has[old.Children[i].ID] {
			gone = append(gone, old.Children[i].ID)
		}
	}
	return gone
}

// adopt replaces flags, order and specs at once, with no process touched, and
// appends the starts of new children, then the restarts of running processes
// that have to be started anew.
func (t *Tree) adopt(s *node) {
	old, new := s.spec, s.pending
	s.pending = nil
	s.respec(new.Flags, new.Children)
	if s.parent == nil {
		t.reprice(new.Rate)
	}
	if what := supervisorDiff(old, new); len(what) > 0 || len(templateDiff(old, new)) > 0 {
		t.report(Report{Kind: ChildChanged, Node: s.id(), Because: s.op.cause})
	}
	if s.simple() {
		s.retemplate()
		return
	}
	before := make(map[string]*ChildSpec, len(old.Children))
	for i := range old.Children {
		before[old.Children[i].ID] = &old.Children[i]
	}
	a := adoption{tree: t, supervisor: s, dynamic: map[*node]bool{}}
	for c := range s.children.all() {
		a.dynamic[c] = before[c.id()] == nil
	}
	for i := range new.Children {
		a.child(before[new.Children[i].ID], &new.Children[i])
	}
	for c := range s.children.all() { // children of start_child stay, behind the others
		if a.dynamic[c] {
			a.list = append(a.list, c)
		}
	}
	s.children.set(a.list)
	s.op.steps = append(append(s.op.steps, a.starts...), a.restarts...)
}

// adoption collects what adopt makes of a list of children.
type adoption struct {
	tree             *Tree
	supervisor       *node
	dynamic          map[*node]bool
	list             []*node
	starts, restarts []step
}

// child takes over one child of the new list; old is its spec so far, nil for a
// new one.
func (a *adoption) child(old, new *ChildSpec) {
	t, s := a.tree, a.supervisor
	c := t.index[new.ID]
	if c != nil && c.parent != s {
		c = nil
	}
	switch {
	case old == nil && c != nil && a.dynamic[c]:
		a.dynamic[c] = false // start_child had it: now it is a static one
		a.keep(c, c.spec, new)
	case old == nil:
		if c != nil { // start_child had it, and it was temporary and has ended
			t.unforget(c)
		}
		a.fresh(new)
	case c == nil: // deleted by hand, and the file still has it
	case !t.isForgotten(c):
		a.keep(c, old, new)
	case !reflect.DeepEqual(old, new): // a temporary one that ended, and changed
		t.unforget(c)
		a.fresh(new)
	}
}

// fresh adds a child and its start.
func (a *adoption) fresh(spec *ChildSpec) {
	c := a.tree.newNode(spec, a.supervisor)
	if c.isSupervisor() {
		a.tree.populate(c)
	}
	a.tree.report(Report{Kind: ChildAdded, Node: c.id(), Because: a.supervisor.op.cause})
	a.list = append(a.list, c)
	a.starts = append(a.starts, step{verb: stepStart, child: c})
}

// keep gives a known child its new spec.
func (a *adoption) keep(c *node, old, new *ChildSpec) {
	a.list = append(a.list, c)
	if len(childDiff(old, new)) > 0 {
		a.tree.report(Report{Kind: ChildChanged, Node: c.id(), Because: a.supervisor.op.cause})
	}
	restart := !c.isSupervisor() && c.present() && startDiffers(old, new)
	c.takeSpec(new)
	if c.isSupervisor() {
		c.pending = new
	}
	if restart {
		a.restarts = append(a.restarts, step{verb: stepPause, child: c}, step{verb: stepStart, child: c})
	}
}

// changeFailed notes a start that failed: the child stays stopped, the rest
// goes on.
func (t *Tree) changeFailed(c *node, why string) {
	for i := range t.change.changes {
		if x := &t.change.changes[i]; x.ID == c.id() && x.Kind != Removed {
			x.Refusal, x.Cause = FailedToStart, why
		}
	}
}

// refuseChanges answers who waits for an Apply of a tree that has ended.
func (t *Tree) refuseChanges() {
	if t.change != nil {
		t.act(Reply{ID: t.change.call, Refusal: ShuttingDown})
	}
	for _, c := range t.changes {
		t.act(Reply{ID: c.ID, Refusal: ShuttingDown})
	}
	t.change, t.changes = nil, nil
}
