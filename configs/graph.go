package configs

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"coppice/tree"
)

// levelsMax is how many supervisors may stand above a process.
const levelsMax = 32

// member is one supervisor or process of the file, on its way into the tree.
type member struct {
	name     string
	title    string // [process.db]
	at       *node
	table    table
	spec     tree.ChildSpec
	settings *Settings
	// lists are the children that a supervisor names. It may have named others
	// that could not be read, and then nothing is said of what nobody lists.
	lists        []listing
	listsUnknown bool
	// parent is the supervisor that lists it, listed the place where it does.
	parent *member
	listed span
	// walk is where the search for circles came from when it met this one.
	walk *member
}

// listing is a name in a list of children.
type listing struct {
	name string
	at   span
}

// place is where faults about the whole member point: at its header.
func (m *member) place() span {
	if m.at.kind == headedTable {
		return m.at.value
	}
	return m.at.name
}

// graph makes the tree of its members.
type graph struct {
	*loading
	members []*member // in the order of the file, without the root
	byName  map[string]*member
	root    *member
	// listsUnknown says whether some list of children could not be read whole.
	listsUnknown bool
}

// grow makes one tree of all members and tells why it cannot.
func (l *loading) grow(members []*member) {
	slices.SortStableFunc(members, func(a, b *member) int { return cmp.Compare(a.at.name.start, b.at.name.start) })
	g := &graph{loading: l, byName: map[string]*member{}}
	for _, m := range members {
		g.admit(m)
		if m.spec.Type == tree.Process {
			l.config.Settings[m.name] = m.settings
		}
	}
	g.link()
	g.gather()
	l.config.Spec = g.assemble(g.root, 0)
}

func (g *graph) fault(at span, h hint, format string, args ...any) {
	g.collector.add(g.main, at, h, format, args...)
}

// admit checks a member's name and files it under it.
func (g *graph) admit(m *member) {
	old := g.byName[m.name]
	switch {
	case m.name == rootName && m.spec.Flags.Strategy == tree.SimpleOneForOne:
		g.fault(m.at.name, nil, "a template is named root: expected another name, the root lists what stands in the file")
		return
	case m.name == rootName && m.spec.Type == tree.Process:
		g.fault(m.at.name, nil, "a process is named root: expected another name, the root is a supervisor")
		return
	case !goodName(m.name):
		g.fault(m.at.name, nil, "the name %s is not allowed: expected %s", show(m.name), nameRule)
	case old != nil:
		g.fault(m.at.name, nil, "the name %q is taken by %s in line %d: expected each name once", m.name, old.title, g.main.number(old.at.name.start))
		return
	}
	g.byName[m.name] = m
	g.listsUnknown = g.listsUnknown || m.listsUnknown
	if m.name == rootName {
		g.root = m
		return
	}
	g.members = append(g.members, m)
}

// link connects every supervisor with the children that it lists.
func (g *graph) link() {
	known := make([]string, len(g.members))
	for i, m := range g.members {
		known[i] = m.name
	}
	supervisors := g.members
	if g.root != nil {
		supervisors = append([]*member{g.root}, g.members...)
	}
	for _, s := range supervisors {
		for _, entry := range s.lists {
			child := g.byName[entry.name]
			switch {
			case entry.name == rootName:
				g.fault(entry.at, nil, "%s lists root: expected a name below it, the root is at the top", s.title)
			case child == nil:
				g.fault(entry.at, nearest(entry.name, known, ""), "%s lists %s: expected the name of a process or a supervisor of this file", s.title, show(entry.name))
			case child.parent == s:
				g.fault(entry.at, nil, "%s lists %q twice: expected each child once", s.title, entry.name)
			case child.parent != nil:
				g.fault(entry.at, nil, "%s lists %q, as %s in line %d does: expected one supervisor for each", s.title, entry.name, child.parent.title, g.main.number(child.listed.start))
			default:
				child.parent, child.listed = s, entry.at
			}
		}
	}
}

// gather finds the members that hang in the air: on a circle, or listed by
// nobody. Without a root of the file's own, the latter are the root's children.
func (g *graph) gather() {
	explicit := g.root != nil
	if !explicit {
		g.root = implicitRoot()
	}
	for _, m := range g.members {
		switch {
		case m.parent != nil:
			g.circle(m)
		case !explicit:
			m.parent, m.listed = g.root, m.place()
			g.root.lists = append(g.root.lists, listing{m.name, m.listed})
		case !g.listsUnknown:
			g.fault(m.place(), say(fmt.Sprintf("add %q to the children of one supervisor", m.name)), "%s is listed by no supervisor: expected one, as there is a [supervisor.root]", m.title)
		}
	}
}

// implicitRoot is the root of a file that has none.
func implicitRoot() *member {
	m := &member{name: rootName, title: "the root", at: &node{}}
	m.spec = tree.ChildSpec{ID: rootName, Type: tree.Supervisor, Shutdown: defaultSupervisorShutdown, Flags: defaultFlags}
	return m
}

// circle tells when supervisors above m list each other; each circle once.
func (g *graph) circle(m *member) {
	x := m
	for x != nil && x.walk == nil {
		x.walk = m
		x = x.parent
	}
	if x == nil || x.walk != m {
		return
	}
	names := []string{x.name}
	for y := x.parent; y != x; y = y.parent {
		names = append(names, y.name)
	}
	slices.Reverse(names[1:])
	if len(names) == 1 {
		g.fault(x.listed, nil, "%s lists itself: expected a tree", x.title)
		return
	}
	shown := strings.Join(names[:min(len(names), 8)], ", ")
	if len(names) > 8 {
		shown += fmt.Sprintf(" and %d more", len(names)-8)
	}
	g.fault(x.listed, nil, "supervisors list each other in a circle: %s; expected a tree", shown)
}

// assemble is the spec of a supervisor with all that is below it.
func (g *graph) assemble(m *member, level int) tree.ChildSpec {
	if level == levelsMax {
		g.fault(m.place(), nil, "%s is more than %d supervisors below the root: expected a flatter tree", m.title, levelsMax-1)
		return m.spec
	}
	for _, entry := range m.lists {
		child := g.byName[entry.name]
		if child == nil || child.parent != m || child.listed != entry.at {
			continue // told already
		}
		if child.spec.Significant && m.spec.Flags.AutoShutdown == tree.Never && child.spec.Restart != tree.Permanent {
			child.table.fault("significant", say(`say auto_shutdown = "any_significant" or "all_significant" there`),
				"significant = true means nothing under %s, whose auto_shutdown is never", m.title)
		}
		spec := child.spec
		if spec.Type == tree.Supervisor {
			spec = g.assemble(child, level+1)
		}
		m.spec.Children = append(m.spec.Children, spec)
	}
	g.limit(m)
	return m.spec
}
