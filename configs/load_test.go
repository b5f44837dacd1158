package configs_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"coppice/configs"
	"coppice/tree"
)

// load reads a tree file that is right.
func load(t *testing.T, text string) *configs.Config {
	t.Helper()
	c, err := configs.Parse("/srv/shop/coppice.toml", []byte(text), environ)
	if err != nil {
		t.Fatal(err)
	}
	if faults := tree.Check(c.Spec); faults != nil {
		t.Fatalf("the core finds %v", faults)
	}
	return c
}

// loadProcess reads a tree file of one process.
func loadProcess(t *testing.T, text string) (tree.ChildSpec, *configs.Process, configs.Settings) {
	t.Helper()
	c := load(t, text)
	for spec := range processes(c.Spec) {
		return spec, spec.Start.(*configs.Process), c.SettingsOf(spec.ID)
	}
	t.Fatal("no process")
	return tree.ChildSpec{}, nil, configs.Settings{}
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

const shop = `name = "shop"

[supervisor.root]
strategy  = "rest_for_one"
intensity = 3
period    = "5s"
children  = ["db", "migrate", "backend"]

[process.db]
command  = ["postgres", "-D", "data"]
restart  = "permanent"
shutdown = "30s"
ready    = { tcp = "127.0.0.1:5432" }

[process.migrate]
command = "./bin/migrate up"
restart = "transient"
ready   = "exit"

[supervisor.backend]
strategy = "one_for_all"
children = ["api", "worker"]

[process.api]
command = ["./bin/api"]
env     = { PORT = "8080" }

[process.worker]
command = ["./bin/worker"]
`

func TestWholeTree(t *testing.T) {
	inherited := []string{"EMPTY=", "HOME=/home/u", "PATH=/usr/bin:/bin"}
	success := tree.Success{Codes: [][2]int{{0, 0}}, Signals: []string{"SIGTERM", "SIGINT", "SIGHUP"}}
	process := func(id string, p configs.Process) tree.ChildSpec {
		p.Dir = "/srv/shop"
		if p.Env == nil {
			p.Env = inherited
		}
		p.Log = configs.DefaultLog()
		if p.Ready.Kind == "" {
			p.Ready.Kind = configs.ReadyExec
		}
		return tree.ChildSpec{
			ID: id, Type: tree.Process, Shutdown: tree.Shutdown{Timeout: 5 * tree.Second},
			Start: &p, StartTimeout: 60 * tree.Second, Success: success,
		}
	}
	db := process("db", configs.Process{
		Program: "postgres", Argv: []string{"postgres", "-D", "data"},
		Ready: configs.Ready{Kind: "tcp", Probe: &configs.Probe{Kind: configs.ProbeTCP, Target: "127.0.0.1:5432", Timeout: tree.Second}},
	})
	db.Shutdown.Timeout, db.Ready = 30*tree.Second, tree.AtNotice
	migrate := process("migrate", configs.Process{
		Program: "/bin/sh", Argv: []string{"/bin/sh", "-c", "./bin/migrate up"}, Shell: true, Ready: configs.Ready{Kind: configs.ReadyExit},
	})
	migrate.Restart, migrate.Ready, migrate.StartTimeout = tree.Transient, tree.AtExit, tree.Infinity
	want := tree.ChildSpec{
		ID: "root", Type: tree.Supervisor, Shutdown: tree.Shutdown{Timeout: tree.Infinity},
		Flags: tree.Flags{Strategy: tree.RestForOne, Intensity: 3, Period: 5 * tree.Second},
		Children: []tree.ChildSpec{db, migrate, {
			ID: "backend", Type: tree.Supervisor, Shutdown: tree.Shutdown{Timeout: tree.Infinity},
			Flags: tree.Flags{Strategy: tree.OneForAll, Intensity: 3, Period: 5 * tree.Second},
			Children: []tree.ChildSpec{
				process("api", configs.Process{
					Program: "/srv/shop/bin/api", Argv: []string{"./bin/api"},
					Env: []string{"EMPTY=", "HOME=/home/u", "PATH=/usr/bin:/bin", "PORT=8080"},
				}),
				process("worker", configs.Process{Program: "/srv/shop/bin/worker", Argv: []string{"./bin/worker"}}),
			},
		}},
	}
	c := load(t, shop)
	equal(t, "spec", c.Spec, want)
	equal(t, "name", c.Name, "shop")
	equal(t, "path", c.Path, "/srv/shop/coppice.toml")
	equal(t, "dir", c.Dir, "/srv/shop")
	equal(t, "source", string(c.Source), shop)
	term := &configs.Settings{StopSignal: "SIGTERM"}
	equal(t, "settings", c.Settings, map[string]*configs.Settings{"db": term, "migrate": term, "api": term, "worker": term})
}

func TestNameIsTheFoldersByDefault(t *testing.T) {
	for path, want := range map[string]string{
		"/srv/shop/coppice.toml":                        "shop",
		"/srv/my shop é/x.toml":                         "my-shop--",
		"/srv/.hidden/x.toml":                           "hidden",
		"/srv/日本/x.toml":                                "tree",
		"/x.toml":                                       "tree",
		strings.Repeat("/a", 9) + "/x.y/z":              "x.y",
		"/" + strings.Repeat("n", 99) + "/coppice.toml": strings.Repeat("n", 64),
	} {
		c, err := configs.Parse(path, []byte("[process.a]\ncommand = 'x'"), nil)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, path, c.Name, want)
	}
}

func TestEveryKeyOfAProcess(t *testing.T) {
	spec, process, settings := loadProcess(t, `
[process."a.b-c_9"]
command = ["bin/server", "--port", "${PORT:-80}", ""]
dir = "work/${HOME:-x}"
env = { A = "1" }
restart = "temporary"
shutdown = "brutal_kill"
stop_signal = "SIGINT"
stop_to = "main"
significant = false
success = [0, "3-5", "SIGUSR1", 7]
ready = "notify"
start_timeout = "1m30s"
backoff = { initial = "250ms", max = "5s", factor = 1.5, jitter = 0.5, decay = "2s" }
watch = ["**/*.go", "../common/[a-z]*.{c,h}", "/etc/app.conf", "./x/../y"]
log = { mode = "pipe", split = true, max_size = "1MiB", max_files = 3, max_age = "1h", compress = true, full = "drop" }
`)
	equal(t, "process", process, &configs.Process{
		Program: "/srv/shop/bin/server", Argv: []string{"bin/server", "--port", "80", ""},
		Dir:   "/srv/shop/work/home/u",
		Env:   []string{"A=1", "EMPTY=", "HOME=/home/u", "PATH=/usr/bin:/bin"},
		Ready: configs.Ready{Kind: configs.ReadyNotify},
		Log: configs.Log{
			Split: true, MaxSize: 1 << 20, MaxFiles: 3, MaxAge: 3600 * tree.Second, Compress: true, Drop: true,
		},
	})
	equal(t, "settings", settings, configs.Settings{
		StopSignal: "SIGINT", StopMain: true,
		Watch: []configs.Glob{
			{Base: "/srv/shop", Pattern: "**/*.go"},
			{Base: "/srv/common", Pattern: "[a-z]*.{c,h}"},
			{Base: "/etc", Pattern: "app.conf"},
			{Base: "/srv/shop", Pattern: "y"},
		},
	})
	spec.Start = nil
	equal(t, "spec", spec, tree.ChildSpec{
		ID: "a.b-c_9", Restart: tree.Temporary, Shutdown: tree.Shutdown{Brutal: true}, Ready: tree.AtNotice,
		StartTimeout: 90 * tree.Second,
		Success:      tree.Success{Codes: [][2]int{{0, 0}, {3, 5}, {7, 7}}, Signals: []string{"SIGUSR1"}},
		Backoff:      tree.Backoff{Initial: tree.Second / 4, Max: 5 * tree.Second, Factor: 1.5, Jitter: 0.5, Decay: 2 * tree.Second},
	})
}

func TestRestartRate(t *testing.T) {
	for text, want := range map[string]tree.Rate{
		"":                                    {},
		"restart_rate = { per_second = 10 }":  {PerSecond: 10, Burst: 10},
		"restart_rate = { per_second = 2.5 }": {PerSecond: 2.5, Burst: 3},
		"restart_rate = { per_second = 0.1 }": {PerSecond: 0.1, Burst: 1},
		"[restart_rate]\nper_second = 10\nburst = 20": {PerSecond: 10, Burst: 20},
	} {
		equal(t, text, load(t, text+"\n[process.a]\ncommand = 'x'").Spec.Rate, want)
	}
}

// A limit counts as one that can be reached where chance may let it be.
func TestLimitThatJitterReaches(t *testing.T) {
	load(t, `
[supervisor.root]
period = "15s"
children = ["api"]
[process.api]
command = "x"
backoff = { initial = "1s", max = "10s", jitter = 0.5 }
`)
}

func TestHooks(t *testing.T) {
	spec, _, settings := loadProcess(t, `
[process.a]
command = "x"
before_start = "test -w data"
after_exit = ["bin/clean", "${HOME}"]
hook_timeout = "1m"
reload_command = ["kill", "-HUP", "$MAINPID"]
`)
	const limit = 60 * tree.Second
	equal(t, "settings", settings, configs.Settings{
		StopSignal: "SIGTERM",
		Hooks: configs.Hooks{
			BeforeStart: &configs.Command{Program: "/bin/sh", Argv: []string{"/bin/sh", "-c", "test -w data"}, Limit: limit},
			AfterExit:   &configs.Command{Program: "/srv/shop/bin/clean", Argv: []string{"bin/clean", "/home/u"}, Limit: limit},
		},
		Reload: configs.Reload{Command: &configs.Command{Program: "kill", Argv: []string{"kill", "-HUP", "$MAINPID"}, Limit: limit}},
	})
	equal(t, "hooks of the spec", [2]bool{spec.BeforeStart, spec.AfterExit}, [2]bool{true, true})
	spec, _, settings = loadProcess(t, `
[process.a]
command = "x"
after_exit = "x"
reload_signal = "SIGUSR1"
`)
	equal(t, "reload", settings.Reload, configs.Reload{Signal: "SIGUSR1"})
	equal(t, "limit", settings.Hooks.AfterExit.Limit, 10*tree.Second)
	equal(t, "hooks of the spec", [2]bool{spec.BeforeStart, spec.AfterExit}, [2]bool{false, true})
}

func TestOnExit(t *testing.T) {
	spec, _, _ := loadProcess(t, `
[process.a]
command = "x"
on_exit = { 42 = "one_for_all", "100-110" = "rest_for_one", 0 = "rest_for_one", SIGSEGV = "one_for_one", SIGKILL = "one_for_all" }
`)
	equal(t, "on_exit", spec.OnExit, []tree.Verdict{
		{Codes: [2]int{42, 42}, Strategy: tree.OneForAll},
		{Codes: [2]int{100, 110}, Strategy: tree.RestForOne},
		{Codes: [2]int{0, 0}, Strategy: tree.RestForOne},
		{Signal: "SIGSEGV", Strategy: tree.OneForOne},
		{Signal: "SIGKILL", Strategy: tree.OneForAll},
	})
}

func TestEveryKeyOfASupervisor(t *testing.T) {
	c := load(t, `
[supervisor.root]
strategy = "one_for_all"
intensity = "infinity"
period = "1m"
auto_shutdown = "all_significant"
children = ["s", "empty"]
[supervisor.s]
strategy = "one_for_one"
intensity = 0
period = "250ms"
auto_shutdown = "any_significant"
children = ["a"]
restart = "transient"
shutdown = "5m"
significant = true
[supervisor.empty]
children = []
[process.a]
command = "x"
restart = "temporary"
significant = true
`)
	equal(t, "root", c.Spec.Flags, tree.Flags{Strategy: tree.OneForAll, Intensity: -1, Period: 60 * tree.Second, AutoShutdown: tree.AllSignificant})
	s := c.Spec.Children[0]
	equal(t, "s", s.Flags, tree.Flags{Strategy: tree.OneForOne, Period: tree.Second / 4, AutoShutdown: tree.AnySignificant})
	if s.Restart != tree.Transient || s.Shutdown.Timeout != 300*tree.Second || !s.Significant || !s.Children[0].Significant {
		t.Errorf("got %+v", s)
	}
	if empty := c.Spec.Children[1]; empty.ID != "empty" || len(empty.Children) != 0 {
		t.Errorf("got %+v", empty)
	}
}

func TestWordsOfAProcess(t *testing.T) {
	for _, test := range []struct {
		line string
		want func(tree.ChildSpec) bool
	}{
		{`shutdown = "infinity"`, func(s tree.ChildSpec) bool { return s.Shutdown == tree.Shutdown{Timeout: tree.Infinity} }},
		{`shutdown = "0s"`, func(s tree.ChildSpec) bool { return s.Shutdown == tree.Shutdown{} }},
		{`shutdown = "1.5h"`, func(s tree.ChildSpec) bool { return s.Shutdown.Timeout == 5400*tree.Second }},
		{`shutdown = "1h2m3s4ms5us6ns"`, func(s tree.ChildSpec) bool { return s.Shutdown.Timeout == 3723_004005006 }},
		{`shutdown = "87600h"`, func(s tree.ChildSpec) bool { return s.Shutdown.Timeout == 87600*3600*tree.Second }},
		{`start_timeout = "infinity"`, func(s tree.ChildSpec) bool { return s.StartTimeout == tree.Infinity }},
		{`restart = "transient"`, func(s tree.ChildSpec) bool { return s.Restart == tree.Transient }},
		{"restart = \"transient\"\nready = \"exit\"\nstart_timeout = \"9s\"", func(s tree.ChildSpec) bool { return s.StartTimeout == 9*tree.Second }},
		{`success = []`, func(s tree.ChildSpec) bool { return s.Success.Codes == nil && s.Success.Signals == nil }},
		{`success = ["7-7"]`, func(s tree.ChildSpec) bool { return len(s.Success.Codes) == 1 && s.Success.Codes[0] == [2]int{7, 7} }},
		{"restart = \"temporary\"\nbackoff = { initial = \"1s\" }", func(s tree.ChildSpec) bool {
			return s.Backoff == tree.Backoff{Initial: tree.Second, Max: 60 * tree.Second, Factor: 2}
		}},
		{"restart = \"temporary\"\nbackoff = { initial = \"1s\", max = \"1s\", factor = 1 }", func(s tree.ChildSpec) bool {
			return s.Backoff == tree.Backoff{Initial: tree.Second, Max: tree.Second, Factor: 1}
		}},
		{`stop_to = "group"`, func(tree.ChildSpec) bool { return true }},
	} {
		spec, _, _ := loadProcess(t, "[process.a]\ncommand = 'x'\n"+test.line)
		if !test.want(spec) {
			t.Errorf("%s gives %+v", test.line, spec)
		}
	}
}

// Without [supervisor.root] the root's children are all that no supervisor
// lists, by position of the table headers, supervisors and processes together.
func TestImplicitRoot(t *testing.T) {
	c := load(t, `
[process.a.env]
X = "1"
[process.c]
command = "x"
[supervisor.s]
children = ["b"]
[process.b]
command = "x"
[process.a]
command = "x"
[supervisor.z]
[process]
d = { command = "x" }
e.command = "x"
`)
	var names []string
	for _, child := range c.Spec.Children {
		names = append(names, child.ID)
	}
	equal(t, "children", names, []string{"c", "s", "a", "z", "d", "e"})
	equal(t, "flags", c.Spec.Flags, tree.Flags{Intensity: 3, Period: 5 * tree.Second})
}

// A list is executed as it is, a program with a slash is relative to the tree
// file's folder, one without is looked up; a string is left to the shell.
func TestCommands(t *testing.T) {
	for _, test := range []struct {
		command string
		program string
		argv    []string
	}{
		{`["postgres"]`, "postgres", []string{"postgres"}},
		{`["./a b", "$HOME", "~"]`, "/srv/shop/a b", []string{"./a b", "$HOME", "~"}},
		{`["../bin/x"]`, "/srv/bin/x", []string{"../bin/x"}},
		{`["/bin//x/../y"]`, "/bin/y", []string{"/bin//x/../y"}},
		{`["${HOME}/x", "$${HOME}", "$$x$", "${EMPTY:-e}"]`, "/home/u/x", []string{"/home/u/x", "${HOME}", "$$x$", "e"}},
		{`"echo ${HOME} ${NOPE} $${x"`, "/bin/sh", []string{"/bin/sh", "-c", "echo ${HOME} ${NOPE} $${x"}},
		{"\"\"\"\nfor i in 1 2\ndo\n\techo\ndone\"\"\"", "/bin/sh", []string{"/bin/sh", "-c", "for i in 1 2\ndo\n\techo\ndone"}},
	} {
		_, process, _ := loadProcess(t, "[process.a]\ncommand = "+test.command)
		equal(t, test.command+" program", process.Program, test.program)
		equal(t, test.command+" argv", process.Argv, test.argv)
	}
}

func TestBOMAndWindowsLineEnds(t *testing.T) {
	_, process, _ := loadProcess(t, "\ufeff[process.a]\r\ncommand = ['x'] # é\r\n")
	equal(t, "argv", process.Argv, []string{"x"})
}

// Children inherit the environment of the caller less what it has from its own
// supervisor; env_file is over it, and env over that.
func TestEnvironment(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "some.env"), "A=file\nB=file\nZ=${A} ${HOME}\n")
	write(t, filepath.Join(dir, "coppice.toml"), `
[process.a]
command = ["x", "${A}", "${B}", "${HOME}", "${NOTIFY_SOCKET}"]
env_file = "some.env"
env = { B = "env", C = "${B}${C:-c}", "é.x" = "y", NOTIFY_SOCKET = "mine" }
[process.b]
command = "x"
env_file = "`+dir+`/./some.env"
[process.c]
command = "x"
`)
	caller := []string{
		"HOME=/first", "HOME=/home/u", "A=caller", "NOTIFY_SOCKET=/n", "LISTEN_FDS=1", "LISTEN_PID=1", "LISTEN_FDNAMES=x",
		"WATCHDOG_USEC=1", "WATCHDOG_PID=1", "MAINPID=1", "FDSTORE=1", "EXIT_STATUS=0", "SERVICE_RESULT=x", "MONITOR_UNIT=x", "COPPICE_SOCKET=/s", "COPPICE_STATE=/s", "SUPERVISED_BY=t:n:1", "LISTENER=1", "broken", "=C:=x", "",
	}
	c, err := configs.Load(filepath.Join(dir, "coppice.toml"), caller)
	if err != nil {
		t.Fatal(err)
	}
	env := map[string][]string{}
	for spec := range processes(c.Spec) {
		env[spec.ID] = spec.Start.(*configs.Process).Env
	}
	equal(t, "env", env, map[string][]string{
		"a": {"A=file", "B=env", "C=filec", "HOME=/home/u", "LISTENER=1", "NOTIFY_SOCKET=mine", "Z=file /home/u", "é.x=y"},
		"b": {"A=file", "B=file", "HOME=/home/u", "LISTENER=1", "Z=file /home/u"},
		"c": {"A=caller", "HOME=/home/u", "LISTENER=1"},
	})
	equal(t, "argv", c.Spec.Children[0].Start.(*configs.Process).Argv, []string{"x", "file", "file", "/home/u", "/n"})
}

// A change of a key that no start depends on leaves what tree compares alone.
func TestStartHoldsOnlyWhatAStartDependsOn(t *testing.T) {
	first, process, _ := loadProcess(t, "[process.a]\ncommand = 'x'\nrestart = 'temporary'")
	second, same, settings := loadProcess(t, `
[process.a]
command = 'x'
restart = "transient"
shutdown = "1s"
stop_signal = "SIGINT"
stop_to = "main"
success = [1]
start_timeout = "1s"
watch = ["x"]
`)
	equal(t, "process", same, process)
	if first.Ready != second.Ready || settings.StopSignal != "SIGINT" {
		t.Errorf("got %+v and %+v", first, second)
	}
	for _, line := range []string{"dir = 'y'", "env = { A = 'b' }", "ready = 'notify'", "command = 'y'"} {
		text := "[process.a]\nrestart = 'temporary'\n" + line
		if !strings.Contains(line, "command") {
			text += "\ncommand = 'x'"
		}
		_, other, _ := loadProcess(t, text)
		if cmp.Equal(process, other) {
			t.Errorf("%s changes nothing", line)
		}
	}
}

func TestProcfile(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, ".env"), "PORT=5000\n")
	write(t, filepath.Join(dir, "Procfile"), "# a comment\n\nweb: ./server --port $PORT: \"x\"\r\n  worker-1 :  rake jobs  \n#web: no\n")
	c, err := configs.Load(filepath.Join(dir, "Procfile"), environ)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "flags", c.Spec.Flags, tree.Flags{Intensity: 3, Period: 5 * tree.Second})
	equal(t, "name", c.Name, filepath.Base(dir))
	commands := map[string]string{}
	for spec := range processes(c.Spec) {
		p := spec.Start.(*configs.Process)
		commands[spec.ID] = p.Argv[2]
		if spec.Restart != tree.Transient || p.Dir != dir || p.Program != "/bin/sh" || !slices.Contains(p.Env, "PORT=5000") {
			t.Errorf("got %+v and %+v", spec, p)
		}
	}
	equal(t, "commands", commands, map[string]string{"web": `./server --port $PORT: "x"`, "worker-1": "rake jobs"})
	equal(t, "settings", slices.Sorted(maps.Keys(c.Settings)), []string{"web", "worker-1"})
	if err := os.Remove(filepath.Join(dir, ".env")); err != nil {
		t.Fatal(err)
	}
	if c, err = configs.Load(filepath.Join(dir, "Procfile"), environ); err != nil {
		t.Fatal(err)
	}
	equal(t, "env", c.Spec.Children[0].Start.(*configs.Process).Env, []string{"EMPTY=", "HOME=/home/u", "PATH=/usr/bin:/bin"})
}

// A Procfile and the same processes as a tree file start alike.
func TestProcfileDefaultsAreThoseOfATreeFile(t *testing.T) {
	a, err := configs.Parse("/srv/Procfile", []byte("web: x y\n"), environ)
	if err != nil {
		t.Fatal(err)
	}
	b, err := configs.Parse("/srv/coppice.toml", []byte("[process.web]\ncommand = 'x y'\nrestart = 'transient'\n"), environ)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "spec", a.Spec, b.Spec)
	equal(t, "settings", a.Settings, b.Settings)
}

func TestPlainReadErrors(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{
		dir + "/none.toml": "cannot read the tree file " + dir + "/none.toml: no such file or directory",
		dir:                "cannot read the tree file " + dir + ": it is no regular file",
	} {
		if _, err := configs.Load(path, nil); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
