package configs_test

import (
	"maps"
	"slices"
	"testing"

	"coppice/configs"
	"coppice/tree"
)

// A template alone makes its supervisor, with one beside it gives it its children.
func TestTemplates(t *testing.T) {
	c := load(t, `
[template.jobs]
command      = ["work", "-v"]
restart      = "transient"
stop_signal  = "SIGINT"
max_children = 7
intensity    = "infinity"
period       = "1m"

[supervisor.pool]
strategy  = "simple_one_for_one"
intensity = 9
restart   = "temporary"
shutdown  = "3s"

[template.pool]

[template.open]
max_children = "infinity"
`)
	flags := func(intensity int, period tree.Time, most int) tree.Flags {
		return tree.Flags{Strategy: tree.SimpleOneForOne, Intensity: intensity, Period: period, MaxChildren: most}
	}
	for i, want := range []tree.ChildSpec{
		{ID: "jobs", Shutdown: tree.Shutdown{Timeout: tree.Infinity}, Flags: flags(-1, 60*tree.Second, 7)},
		{ID: "pool", Restart: tree.Temporary, Shutdown: tree.Shutdown{Timeout: 3 * tree.Second}, Flags: flags(9, 5*tree.Second, 0)},
		{ID: "open", Shutdown: tree.Shutdown{Timeout: tree.Infinity}, Flags: flags(3, 5*tree.Second, 0)},
	} {
		got := c.Spec.Children[i]
		template := got.Children
		got.Children, want.Type = nil, tree.Supervisor
		equal(t, want.ID, got, want)
		if len(template) != 1 || template[0].ID != configs.TemplateID(want.ID) {
			t.Errorf("%s has %v", want.ID, template)
		}
	}
	jobs := c.Spec.Children[0].Children[0]
	equal(t, "restart", jobs.Restart, tree.Transient)
	equal(t, "argv", jobs.Start.(*configs.Process).Argv, []string{"work", "-v"})
	equal(t, "no argv", c.Spec.Children[1].Children[0].Start.(*configs.Process).Argv, []string(nil))
	equal(t, "settings", slices.Sorted(maps.Keys(c.Settings)), []string{"jobs:child", "open:child", "pool:child"})
	equal(t, "stop_signal", c.Settings["jobs:child"].StopSignal, "SIGINT")
	if supervisor, ok := configs.TemplateOf("jobs:child"); !ok || supervisor != "jobs" {
		t.Error(supervisor, ok)
	}
	if _, ok := configs.TemplateOf("jobs"); ok {
		t.Error("jobs is a template")
	}
}

// A limit that many children can reach at once is right, however long each waits.
func TestLimitOfATemplate(t *testing.T) {
	for _, most := range []string{"4", `"infinity"`} {
		load(t, "[template.jobs]\nbackoff = { initial = \"10s\", max = \"10s\" }\nmax_children = "+most)
	}
}

// TestWith is what a child of a template runs.
func TestWith(t *testing.T) {
	env := []string{"A=1", "B=2"}
	list := configs.Process{Program: "work", Argv: []string{"work", "-v"}, Env: env}
	shell := func(command string) configs.Process {
		return configs.Process{Program: "/bin/sh", Argv: []string{"/bin/sh", "-c", command}, Shell: true, Env: env}
	}
	none := configs.Process{Env: env}
	for _, test := range []struct {
		template configs.Process
		args     []string
		program  string
		argv     []string
	}{
		{list, nil, "work", []string{"work", "-v"}},
		{list, []string{"a", ""}, "work", []string{"work", "-v", "a", ""}},
		{shell("work -v"), nil, "/bin/sh", []string{"/bin/sh", "-c", "work -v"}},
		{shell("work -v\n"), []string{"a b"}, "/bin/sh", []string{"/bin/sh", "-c", `work -v "$@"`, "/bin/sh", "a b"}},
		{shell("work $1; rest"), []string{"a"}, "/bin/sh", []string{"/bin/sh", "-c", "work $1; rest", "/bin/sh", "a"}},
		{shell("work ${1:-x}"), []string{"a"}, "/bin/sh", []string{"/bin/sh", "-c", "work ${1:-x}", "/bin/sh", "a"}},
		{shell(`for i in "$@"; do :; done`), []string{"a"}, "/bin/sh", []string{"/bin/sh", "-c", `for i in "$@"; do :; done`, "/bin/sh", "a"}},
		{none, []string{"sleep", "9"}, "sleep", []string{"sleep", "9"}},
		{none, []string{"./x"}, "/srv/x", []string{"./x"}},
		{none, []string{"/bin/x"}, "/bin/x", []string{"/bin/x"}},
		{none, nil, "", nil},
		{none, []string{""}, "", nil},
	} {
		before := test.template
		before.Argv = slices.Clone(before.Argv)
		got, err := test.template.With(tree.Extra{Args: test.args}, "/srv")
		equal(t, "the template", test.template, before)
		if (err != nil) != (test.argv == nil) {
			t.Errorf("%v %q: %v", test.template.Argv, test.args, err)
		}
		if err != nil {
			continue
		}
		equal(t, "program", got.Program, test.program)
		equal(t, "argv", got.Argv, test.argv)
		equal(t, "env", got.Env, env)
	}
	got, err := list.With(tree.Extra{Env: []string{"B=over=it", "C="}}, "/srv")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "env", got.Env, []string{"A=1", "B=over=it", "C="})
	equal(t, "the template's env", list.Env, env)
}
