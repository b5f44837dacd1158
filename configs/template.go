package configs

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"coppice/tree"
)

// templateSuffix makes the ID of a template of its supervisor's name. No name has
// a colon.
const templateSuffix = ":child"

// TemplateID is the ID of the template of a supervisor: that of its spec, and the
// name under which Config.Settings has what its children have in common.
func TemplateID(supervisor string) string { return supervisor + templateSuffix }

// TemplateOf is the supervisor of a TemplateID; false: it is none.
func TemplateOf(id string) (supervisor string, ok bool) { return strings.CutSuffix(id, templateSuffix) }

// noLimit is max_children = "infinity".
const noLimit = 0

// The keys of a template are those of its children, which have no siblings to be
// restarted with, and those of their supervisor.
var (
	templateOwn  = []string{"intensity", "period", "auto_shutdown", "max_children"}
	templateKeys = slices.Concat(slices.DeleteFunc(slices.Clone(processKeys), func(key string) bool {
		return notInTemplate[key] != ""
	}), templateOwn)
)

// notInTemplate are hints for keys that would be right elsewhere.
var notInTemplate = map[string]string{
	"children":    "the children of a template are started by `coppice start-child`",
	"on_exit":     "the children of a template are restarted one by one",
	"strategy":    "the strategy of a template's supervisor is simple_one_for_one",
	"significant": "the children of a template are not significant: their supervisor has no auto_shutdown",
}

// template reads the table of one template: the member that it gives is what every
// child is.
func (l *loading) template(t table, name string) *member {
	t.unknown(templateKeys, notInTemplate)
	t.template = true
	m := l.child(t, name)
	m.spec.ID = TemplateID(name)
	return m
}

// templates gives every template to the supervisor of its name; where the file has
// none, the template makes one.
func (l *loading) templates(top table, members []*member) []*member {
	for _, template := range top.members("template", l.template) {
		l.config.Settings[template.spec.ID] = template.settings
		i := slices.IndexFunc(members, func(m *member) bool {
			return m.spec.Type == tree.Supervisor && m.name == template.name
		})
		if i < 0 {
			members = append(members, l.dynamic(template))
		} else {
			members[i].take(template)
		}
	}
	for _, m := range members {
		if m.spec.Flags.Strategy == tree.SimpleOneForOne && m.spec.Children == nil {
			m.table.fault("strategy", say("add [template."+shownName(m.name)+"], which says what its children are"),
				"%s is simple_one_for_one and has no template", m.title)
		}
	}
	return members
}

// dynamic is the supervisor of a template that stands alone.
func (l *loading) dynamic(template *member) *member {
	t := template.table
	m := &member{name: template.name, at: t.at, title: t.title, table: t}
	m.spec = tree.ChildSpec{ID: m.name, Type: tree.Supervisor, Restart: defaultRestart, Shutdown: defaultSupervisorShutdown}
	m.spec.Flags = t.flags()
	m.spec.Flags.Strategy, m.spec.Flags.MaxChildren = tree.SimpleOneForOne, t.maxChildren()
	m.spec.Flags.AutoShutdown = t.neverShutsDown(m.spec.Flags.AutoShutdown)
	m.spec.Children = []tree.ChildSpec{template.spec}
	return m
}

// take makes the supervisor of a table of its own that of a template.
func (m *member) take(template *member) {
	t := template.table
	for _, key := range t.keys() {
		if key != "max_children" && slices.Contains(templateOwn, key) {
			t.fault(key, nil, "%s is said in %s: expected it in %s in line %d, the table of its supervisor",
				key, t.title, m.title, t.main.number(m.at.name.start))
		}
	}
	if _, found := m.table.values["children"]; found {
		m.table.fault("children", nil, "%s has children and the template %s: expected one of them", m.title, t.title)
	}
	if _, found := m.table.values["strategy"]; found && m.spec.Flags.Strategy != tree.SimpleOneForOne {
		m.table.fault("strategy", say("leave it out"), "%s has the template %s: expected strategy = \"simple_one_for_one\"", m.title, t.title)
	}
	m.spec.Flags.Strategy, m.spec.Flags.MaxChildren = tree.SimpleOneForOne, t.maxChildren()
	m.spec.Flags.AutoShutdown = m.table.neverShutsDown(m.spec.Flags.AutoShutdown)
	m.spec.Children, m.lists, m.listsUnknown = []tree.ChildSpec{template.spec}, nil, false
}

// neverShutsDown refuses what OTP refuses: who has no significant child cannot
// wait for one.
func (t table) neverShutsDown(auto tree.AutoShutdown) tree.AutoShutdown {
	if auto != tree.Never {
		t.fault("auto_shutdown", nil, "auto_shutdown is %q: expected \"never\", the children of a template are not significant", auto)
	}
	return tree.Never
}

// childrenMax is the highest max_children.
const childrenMax = 1_000_000

// maxChildren reads how many children of a template there may be at once.
func (t table) maxChildren() int {
	const expected = `a number from 1 to 1000000, or "infinity"`
	switch value := t.values["max_children"].(type) {
	case nil:
		return noLimit
	case string:
		if value == infinity {
			return noLimit
		}
		t.fault("max_children", nil, "max_children is %s: expected %s", show(value), expected)
	case int64:
		if value >= 1 && value <= childrenMax {
			return int(value)
		}
		t.fault("max_children", nil, "max_children is %d: expected %s", value, expected)
	default:
		t.fault("max_children", nil, "max_children is %s: expected %s", describe(value), expected)
	}
	return noLimit
}

// With is what it takes to start the child of a template, p being the template's
// Process and dir the tree file's folder. The arguments come behind the template's
// command; where it has none they are the command, looked up as that of a file is.
// A template's string command has them as "$@", at its end unless it says $@, $* or
// $1 itself. p is not changed.
func (p *Process) With(extra tree.Extra, dir string) (*Process, error) {
	child := *p
	switch {
	case p.Argv == nil && len(extra.Args) == 0:
		return nil, errors.New("it has no command: its template has none, and none was given to start-child")
	case p.Argv == nil && extra.Args[0] == "":
		return nil, errors.New("the program's name is empty")
	case p.Argv == nil:
		child.Program, child.Argv = extra.Args[0], extra.Args
		if strings.Contains(child.Program, "/") && !filepath.IsAbs(child.Program) {
			child.Program = filepath.Join(dir, child.Program)
		}
	case len(extra.Args) == 0:
	case p.Shell:
		child.Argv = slices.Concat(withArguments(p.Argv), p.Argv[:1], extra.Args)
	default:
		child.Argv = slices.Concat(p.Argv, extra.Args)
	}
	if len(extra.Env) > 0 {
		over := map[string]string{}
		for _, entry := range extra.Env {
			name, value, _ := strings.Cut(entry, "=")
			over[name] = value
		}
		child.Env = overlaid(p.Env, over)
	}
	return &child, nil
}

// withArguments is the call of a shell whose command uses its arguments.
func withArguments(argv []string) []string {
	command := argv[2]
	for _, use := range []string{"$@", "${@", "$*", "${*", "$1", "${1"} {
		if strings.Contains(command, use) {
			return argv
		}
	}
	return []string{argv[0], argv[1], strings.TrimRight(command, " \t\n") + ` "$@"`}
}
