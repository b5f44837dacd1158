package integration

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"coppice/ipc"
)

// changesOf is what a reload says it did, as "kind name".
func changesOf(t *testing.T, answer string) []string {
	t.Helper()
	var r ipc.ReloadResult
	if err := json.Unmarshal([]byte(answer), &r); err != nil {
		t.Fatalf("%v in %s", err, answer)
	}
	told := []string{}
	for _, c := range r.Changes {
		told = append(told, c.Kind+" "+c.Name)
	}
	return told
}

// untouched wants all pids to be as before, save those of some names.
func untouched(t *testing.T, before, after map[string]int, save ...string) {
	t.Helper()
	for name, pid := range before {
		if !slices.Contains(save, name) && after[name] != pid {
			t.Errorf("%s had pid %d and has %d: it was to be left alone", name, pid, after[name])
		}
	}
	for _, name := range save {
		if before[name] == after[name] {
			t.Errorf("%s still has pid %d", name, after[name])
		}
	}
}

const reloadTree = `
name = "shop"
[supervisor.root]
strategy = "rest_for_one"
children = ["db", "pool", "api", "job", "once"]
[process.db]
command = ["sleep", "1000"]
[supervisor.pool]
strategy = "one_for_all"
children = ["w1", "w2", "w3"]
[process.w1]
command = ["sleep", "1000"]
[process.w2]
command = ["sleep", "1000"]
[process.w3]
command = ["sleep", "1000"]
[process.api]
command = ["sleep", "1000"]
[process.job]
command = "exit 0"
restart = "transient"
[process.once]
command = "exit 0"
restart = "temporary"
`

func reloadBed(t *testing.T) *bed {
	t.Helper()
	b := plot(t, reloadTree)
	b.up()
	b.awaitState("job", "finished")
	b.awaitState("once", "finished")
	return b
}

// edit writes the tree file anew with texts replaced, old then new.
func (b *bed) edit(pairs ...string) {
	b.t.Helper()
	text := b.read("coppice.toml")
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			b.t.Fatalf("the tree file has no %q", pairs[i])
		}
		text = strings.Replace(text, pairs[i], pairs[i+1], 1)
	}
	b.write("coppice.toml", text)
}

// One changed command restarts one process, although it stands in the middle of
// a one_for_all below a rest_for_one, and nothing is counted.
func TestReloadOneCommand(t *testing.T) {
	t.Parallel()
	b := reloadBed(t)
	before := b.tree()
	since := b.newest()
	b.edit("[process.w2]\ncommand = [\"sleep\", \"1000\"]", "[process.w2]\ncommand = [\"sleep\", \"1001\"]")

	for _, args := range [][]string{{"plan"}, {"reload", "--dry-run"}} {
		has(t, "plan", b.must(args...), "! process w2: command")
	}
	untouched(t, pids(before.Root), pids(b.tree().Root))
	if b.newest() != since {
		t.Error("a plan has left events")
	}

	has(t, "reload", b.must("reload"), "! process w2: command")
	after := b.tree()
	untouched(t, pids(before.Root), pids(after.Root), "w2")
	same(t, "what happened", story(b.events(), since, "stopped", "started", "exited"), "w2 stopped", "w2 started")
	if n := b.node("w2"); n.Restarts != 0 {
		t.Errorf("a reload is counted as %d restarts", n.Restarts)
	}
	if cmd := cmdline(b.node("w2").PID); cmd != "sleep 1001" {
		t.Errorf("it runs %q", cmd)
	}
	has(t, "why", b.must("why", "w2"), "reload")
	has(t, "a second reload", b.must("reload"), "nothing differs")
	same(t, "the changes of a second reload", changesOf(t, b.must("reload", "--json")))
}

// A change of settings restarts nothing, and is in force.
func TestReloadSettings(t *testing.T) {
	t.Parallel()
	b := reloadBed(t)
	before := pids(b.tree().Root)
	since := b.newest()
	b.edit(
		`strategy = "rest_for_one"`, "strategy = \"one_for_one\"\nintensity = 77\nperiod = \"9s\"",
		`strategy = "one_for_all"`, "strategy = \"rest_for_one\"\nauto_shutdown = \"any_significant\"\nrestart = \"transient\"",
		"[process.db]\n", "[process.db]\nshutdown = \"7s\"\nsuccess = [0, 3]\nbackoff = { initial = \"10ms\" }\nstop_signal = \"SIGINT\"\nstop_to = \"main\"\n",
		"[process.w1]\n", "[process.w1]\nrestart = \"transient\"\nsignificant = true\n",
		"[process.api]\n", "[process.api]\nwatch = [\"*.nothing\"]\nstart_timeout = \"9s\"\n",
	)
	answer := b.must("reload", "--json")
	has(t, "the answer", answer, "strategy", "intensity", "shutdown", "success", "backoff", "stop_signal", "stop_to", "significant", "watch")
	untouched(t, before, pids(b.tree().Root))
	same(t, "what happened", story(b.events(), since, "stopping", "stopped", "starting", "started", "restarting", "exited"))
	root := b.tree().Root
	if root.Strategy != "one_for_one" || fmt.Sprint(root.Intensity) != "77" || root.Period != "9s" {
		t.Errorf("root is %s %v in %s", root.Strategy, root.Intensity, root.Period)
	}
	b.must("kill", "db", "-s", "KILL")
	b.awaitKind(since, "db", "backoff")
	b.awaitKind(since, "db", "started")
	untouched(t, before, pids(b.tree().Root), "db")
}

// What is removed is stopped in reverse, what is new is started in order.
func TestReloadAddsAndRemoves(t *testing.T) {
	t.Parallel()
	b := reloadBed(t)
	before := pids(b.tree().Root)
	since := b.newest()
	b.write("coppice.toml", `
name = "shop"
[supervisor.root]
strategy = "rest_for_one"
children = ["first", "pool", "db", "job", "once", "side", "last"]
[process.db]
command = ["sleep", "1000"]
[supervisor.pool]
strategy = "one_for_all"
children = ["w0", "w2"]
[process.w0]
command = ["sleep", "1000"]
[process.w2]
command = ["sleep", "1000"]
[process.job]
command = "exit 0"
restart = "transient"
[process.once]
command = "exit 0"
restart = "temporary"
[process.first]
command = ["sleep", "1000"]
[supervisor.side]
children = ["s1", "s2"]
[process.s1]
command = ["sleep", "1000"]
[process.s2]
command = ["sleep", "1000"]
[process.last]
command = ["sleep", "1000"]
`)
	out := b.must("reload")
	has(t, "reload", out, "- process w1 under pool", "- process w3 under pool", "- process api under root",
		"+ process w0 under pool", "+ process first under root", "+ supervisor side", "+ process last under root")
	after := pids(b.tree().Root)
	for _, name := range []string{"w1", "w3", "api"} {
		if _, ok := after[name]; ok {
			t.Errorf("%s is still in the tree", name)
		}
		gone(t, name, before[name])
		delete(before, name)
	}
	untouched(t, before, after)
	got := story(b.events(), since, "stopped", "started")
	same(t, "what happened", got, "api stopped", "first started", "s1 started", "s2 started", "side started", "last started",
		"w3 stopped", "w1 stopped", "w0 started")
	var order []string
	for _, c := range b.tree().Root.Children {
		order = append(order, c.Name)
	}
	same(t, "the order", order, "first", "pool", "db", "job", "once", "side", "last")
	b.exits(4, "status", "api")
	b.exits(0, "status", "s2")
}

// A child that does not run is not started by a change; a temporary one that has
// ended comes back when its own table changed.
func TestReloadWhatDoesNotRun(t *testing.T) {
	t.Parallel()
	b := reloadBed(t)
	b.must("stop", "w2", "api")
	before := pids(b.tree().Root)
	since := b.newest()
	b.edit(
		"[process.w2]\ncommand = [\"sleep\", \"1000\"]", "[process.w2]\ncommand = [\"sleep\", \"1001\"]",
		"[process.api]\n", "[process.api]\nenv = { A = \"1\" }\n",
		"[process.job]\ncommand = \"exit 0\"", "[process.job]\ncommand = \"exit 00\"",
	)
	b.must("reload")
	untouched(t, before, pids(b.tree().Root))
	same(t, "what happened", story(b.events(), since, "starting", "started", "stopping", "exited"))
	b.must("start", "w2")
	if cmd := cmdline(b.node("w2").PID); cmd != "sleep 1001" {
		t.Errorf("w2 was started as %q", cmd)
	}
	since = b.newest()
	b.edit("[process.once]\ncommand = \"exit 0\"", "[process.once]\ncommand = \"echo again >> again; exit 0\"")
	b.must("reload")
	b.awaitFile("again")
	b.awaitKind(since, "once", "exited")
}

// A name under another supervisor, or of another kind, is a removal and an
// addition.
func TestReloadMoves(t *testing.T) {
	t.Parallel()
	b := reloadBed(t)
	before := pids(b.tree().Root)
	b.edit(
		`children = ["db", "pool", "api", "job", "once"]`, `children = ["db", "w3", "pool", "job", "once"]`,
		`children = ["w1", "w2", "w3"]`, `children = ["w1", "w2", "api"]`,
		"[process.api]\ncommand = [\"sleep\", \"1000\"]\n", "[supervisor.api]\nchildren = []\n",
	)
	got := changesOf(t, b.must("reload", "--json"))
	slices.Sort(got)
	same(t, "the changes", slices.DeleteFunc(got, func(c string) bool { return strings.HasPrefix(c, "changed") }),
		"added api", "added w3", "removed api", "removed w3")
	after := pids(b.tree().Root)
	gone(t, "the old w3", before["w3"])
	gone(t, "the old api", before["api"])
	delete(before, "api")
	untouched(t, before, after, "w3")
	if n := b.node("api"); n.Kind != "supervisor" || n.State != "running" {
		t.Errorf("api is a %s %s", n.State, n.Kind)
	}
}

// A start that fails leaves that child stopped; the rest goes on.
func TestReloadStartFails(t *testing.T) {
	t.Parallel()
	b := reloadBed(t)
	before := pids(b.tree().Root)
	b.edit(
		`children = ["db", "pool", "api", "job", "once"]`, `children = ["db", "pool", "api", "job", "once", "bad", "good"]`,
		"[process.w1]\ncommand = [\"sleep\", \"1000\"]", "[process.w1]\ncommand = [\"./missing\"]",
		"[process.w2]\ncommand = [\"sleep\", \"1000\"]", "[process.w2]\ncommand = [\"sleep\", \"1001\"]",
	)
	b.write("coppice.toml", b.read("coppice.toml")+"[process.bad]\ncommand = [\"./absent\"]\n[process.good]\ncommand = [\"sleep\", \"1000\"]\n")
	r := b.exits(1, "reload")
	has(t, "stderr", r.errors, "w1", "bad", "missing", "absent")
	for name, want := range map[string]string{"w1": "stopped", "bad": "stopped", "good": "running", "w2": "running", "w3": "running"} {
		if got := b.node(name).State; got != want {
			t.Errorf("%s is %s, not %s", name, got, want)
		}
	}
	delete(before, "w1")
	untouched(t, before, pids(b.tree().Root), "w2")
	has(t, "why w1", b.must("why", "w1"), "missing", "reload")
}

// A wrong file is refused whole: each fault with its place, nothing changed.
func TestReloadWrongFile(t *testing.T) {
	t.Parallel()
	b := reloadBed(t)
	before := pids(b.tree().Root)
	since := b.newest()
	b.edit("[process.db]\ncommand", "[process.db]\ncomand", "[process.w2]\n", "[process.w2]\nrestart = \"sometimes\"\n", `"api", "job"`, `"api", "jobb"`)
	for _, args := range [][]string{{"reload"}, {"plan"}, {"check"}, {"up"}} {
		r := b.exits(2, args...)
		has(t, args[0]+"'s stderr", r.errors, "coppice.toml:", "comand", "did you mean", "sometimes", "jobb")
		if !places.MatchString(r.errors) {
			t.Errorf("no place in %s", r.errors)
		}
	}
	untouched(t, before, pids(b.tree().Root))
	if b.newest() != since {
		t.Error("a wrong file has left events")
	}
	// The file only locates the state folder for all else.
	b.must("status")
	if err := os.Remove(b.path("coppice.toml")); err != nil {
		t.Fatal(err)
	}
	b.must("status")
	b.must("restart", "api")
	r := b.run("reload")
	if r.code != 2 && r.code != 1 {
		t.Errorf("reload of a missing file: exit code %d", r.code)
	}
	has(t, "stderr", r.errors, "coppice.toml")
	untouched(t, before, pids(b.tree().Root), "api")
	b.must("down")
}

// Another file may be named, and is what runs from then on.
func TestReloadAnotherFile(t *testing.T) {
	t.Parallel()
	b := reloadBed(t)
	b.write("other.toml", strings.Replace(reloadTree, "[process.api]\n", "[process.api]\nenv = { A = \"1\" }\n", 1))
	before := pids(b.tree().Root)
	has(t, "reload -f", b.must("reload", "--state", b.path(".coppice"), "-f", "other.toml"), "! process api: env")
	untouched(t, before, pids(b.tree().Root), "api")
}

// The restart window is kept over a reload, as OTP keeps it over a code change.
func TestReloadKeepsTheWindow(t *testing.T) {
	t.Parallel()
	b := plot(t, `
[supervisor.root]
intensity = 2
period = "10m"
children = ["a"]
[process.a]
command = ["sleep", "1000"]
`)
	up := b.begin("up")
	b.awaitDaemon()
	b.awaitState("root", "running")
	for i := range 3 {
		since := b.newest()
		b.must("kill", "a", "-s", "KILL")
		if i == 2 {
			break
		}
		b.awaitKind(since, "a", "started")
		b.edit("[process.a]\n", fmt.Sprintf("[process.a]\nenv.A%d = \"1\"\n", i))
		b.must("reload")
	}
	up.ended(1)
	has(t, "up's stderr", up.stderr(), "a", "2 restarts in 10m")
}

// A job that is ready at its exit, and waits of backoffs, are no reason to wait
// long; the changed child that is in its backoff is started as the file says.
func TestReloadDuringBackoff(t *testing.T) {
	t.Parallel()
	b := plot(t, `
[supervisor.root]
intensity = "infinity"
children = ["a", "b"]
[process.a]
command = "exit 1"
backoff = { initial = "10m", max = "10m" }
[process.b]
command = ["sleep", "1000"]
`)
	b.up()
	b.awaitState("a", "backoff")
	has(t, "why", b.must("why", "a"), "exit code 1", "waiting")
	before := pids(b.tree().Root)
	b.edit(`command = "exit 1"`, `command = ["sleep", "1000"]`)
	began := time.Now()
	b.must("reload")
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the reload took %v", took)
	}
	untouched(t, before, maps.Clone(pids(b.tree().Root)))
	if s := b.node("a").State; s != "backoff" && s != "running" {
		t.Errorf("a is %s", s)
	}
	b.must("restart", "a")
	if s := b.node("a").State; s != "running" {
		t.Errorf("a is %s after a restart by hand", s)
	}
}
