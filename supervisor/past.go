package supervisor

import (
	"fmt"
	"reflect"
	"time"

	"coppice/supervisor/journal"
	"coppice/tree"
)

// past is what a journal tells of the tree of an earlier daemon: the tree as its
// last step left it, by taking the same steps again.
type past struct {
	wanted
	begin   journal.Begin
	tree    *tree.Tree // nil: the journal has none
	spawned map[tree.Ref]journal.Spawned
	reaped  map[tree.Ref]journal.Reaped
	sent    map[tree.Ref]bool // true: a kill
	zero    time.Time         // of the tree's time, on the wall clock
}

func newPast() *past {
	return &past{
		spawned: map[tree.Ref]journal.Spawned{},
		reaped:  map[tree.Ref]journal.Reaped{},
		sent:    map[tree.Ref]bool{},
	}
}

// visit takes one record of the journal. One that does not fit is as bad as one
// that cannot be read.
func (p *past) visit(rec journal.Record) error {
	switch rec := rec.(type) {
	case journal.Begin:
		p.begin, p.zero = rec, rec.Wall
	case journal.State:
		t, err := tree.Restore(rec.Tree)
		if err != nil {
			return err
		}
		p.tree, p.config = t, rec.Config
	case journal.Step:
		return p.replay(rec)
	case journal.Spawned:
		p.spawned[rec.Ref] = rec
	case journal.Reaped:
		p.reaped[rec.Ref] = rec
	case journal.Sent:
		for _, ref := range rec.Refs {
			p.sent[ref] = rec.Kill
		}
	}
	return nil
}

// replay takes one step again. It must say what it said before.
func (p *past) replay(s journal.Step) error {
	if p.tree == nil || len(s.Events) == 0 { // what salvage reports is in the State before it
		return nil
	}
	for _, e := range s.Events {
		switch e := e.(type) {
		case tree.Called:
			if _, ok := e.Request.(tree.Apply); ok {
				p.apply(e.ID, s.Config)
			}
		case tree.Exited:
			p.forget(e.Ref)
		case tree.StartFailed:
			p.forget(e.Ref)
		}
	}
	p.zero = s.Wall.Add(-time.Duration(s.At))
	out := p.tree.Step(s.At, s.Events...)
	for _, a := range out.Actions {
		if reply, ok := a.(tree.Reply); ok {
			p.applied(reply)
		}
	}
	if !reflect.DeepEqual(out.Reports, s.Reports) && len(out.Reports)+len(s.Reports) > 0 {
		return fmt.Errorf("this program would not have decided so, at %s", place(s))
	}
	return nil
}

// place names a step by its first event.
func place(s journal.Step) string {
	if len(s.Reports) == 0 {
		return "a step without an event"
	}
	return fmt.Sprintf("event %d", s.Reports[0].Seq)
}

func (p *past) forget(ref tree.Ref) {
	delete(p.spawned, ref)
	delete(p.reaped, ref)
	delete(p.sent, ref)
}

// ofHere says that the journal was written on this host since it was booted, and
// in this pid namespace: only then its processes can be alive.
func (p *past) ofHere() bool {
	boot, namespace := journal.Host()
	return p.tree != nil && p.begin.Boot == boot && p.begin.PIDNamespace == namespace
}
