package journal

import (
	"cmp"
	"maps"
	"slices"

	"coppice/tree"
)

// living are the processes that were forked and whose end no Step has told. What
// is known of them is in no State, for the tree has no identities, and the reaper
// writes it while the loop takes the State: so Begin carries it over.
type living map[tree.Ref]*trail

// trail is what there is about one process.
type trail struct {
	spawned       *Spawned
	reaped        *Reaped
	asked, killed bool // of Sent
}

func (l living) at(ref tree.Ref) *trail {
	t := l[ref]
	if t == nil {
		t = &trail{}
		l[ref] = t
	}
	return t
}

// spawned is what was written down of a process; zero: nothing, or it has ended.
func (l living) spawned(ref tree.Ref) Spawned {
	if t := l[ref]; t != nil && t.spawned != nil {
		return *t.spawned
	}
	return Spawned{}
}

// note hears a record.
func (l living) note(r Record) {
	switch r := r.(type) {
	case Spawned:
		l.at(r.Ref).spawned = &r
	case Reaped:
		l.at(r.Ref).reaped = &r
	case Sent:
		for _, ref := range r.Refs {
			if t := l[ref]; t != nil {
				t.asked, t.killed = t.asked || !r.Kill, t.killed || r.Kill
			}
		}
	case Step:
		for _, e := range r.Events {
			switch e := e.(type) {
			case tree.Exited:
				delete(l, e.Ref)
			case tree.StartFailed:
				delete(l, e.Ref)
			case tree.StartIgnored:
				delete(l, e.Ref)
			}
		}
	}
}

// records say again what there is to know.
func (l living) records() []Record {
	refs := slices.SortedFunc(maps.Keys(l), func(a, b tree.Ref) int {
		return cmp.Or(cmp.Compare(a.Generation, b.Generation), cmp.Compare(a.ID, b.ID))
	})
	var records []Record
	var asked, killed []tree.Ref
	for _, ref := range refs {
		t := l[ref]
		if t.spawned != nil {
			records = append(records, *t.spawned)
		}
		if t.reaped != nil {
			records = append(records, *t.reaped)
		}
		if t.asked {
			asked = append(asked, ref)
		}
		if t.killed {
			killed = append(killed, ref)
		}
	}
	if asked != nil {
		records = append(records, Sent{Refs: asked})
	}
	if killed != nil {
		records = append(records, Sent{Refs: killed, Kill: true})
	}
	return records
}
