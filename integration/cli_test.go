package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"coppice/ipc"
)

const shop = `
name = "shop"
[supervisor.root]
intensity = "infinity"
children = ["db", "backend", "job"]
[process.db]
command = "echo open; sleep 1000"
[supervisor.backend]
children = ["api", "worker"]
[process.api]
command = ["sleep", "1000"]
[process.worker]
command = ["sleep", "1000"]
[process.job]
command = "echo done; exit 0"
restart = "transient"
`

func shopBed(t *testing.T) *bed {
	t.Helper()
	b := plot(t, shop)
	has(t, "up -d", b.must("up", "-d"), "shop is up", fmt.Sprint("pid ", b.tree().Daemon.PID))
	b.awaitState("job", "finished")
	return b
}

func TestStatus(t *testing.T) {
	t.Parallel()
	b := plot(t, shop)
	r := b.exits(3, "status")
	has(t, "status without a daemon", r.errors, "no daemon runs", "coppice up")
	b.exits(3, "status", "db")
	b.up()
	b.awaitState("job", "finished")

	page := b.must("status")
	for name, words := range map[string][]string{
		"db": {"running", fmt.Sprint(b.node("db").PID)}, "backend": {"running", "one_for_one"}, "api": {"running"}, "job": {"finished"},
	} {
		line := lineOf(page, name)
		has(t, "the line of "+name, line, words...)
	}
	has(t, "status", page, "shop", "STATE", "PID", "UPTIME", "RESTARTS", "CPU", "MEM")
	if strings.Contains(page, "\x1b") {
		t.Error("colours without a terminal")
	}
	for code, names := range map[int][]string{
		0: {"db", "api", "backend", "root"}, 3: {"db", "job"}, 4: {"db", "nobody"},
	} {
		b.exits(code, append([]string{"status"}, names...)...)
		b.exits(code, append([]string{"status", "--json"}, names...)...)
	}
	has(t, "a near name", b.exits(4, "status", "wrker").errors, "did you mean worker")
	b.must("stop", "api")
	b.exits(3, "status", "api")
	b.exits(0, "status", "backend") // for a supervisor its own state counts
	has(t, "a stopped child", lineOf(b.must("status"), "api"), "stopped")

	// Readers may rely on these fields.
	var doc struct {
		Name   string
		Daemon struct {
			PID       int
			Version   string
			StartedAt time.Time `json:"started_at"`
		}
		Root struct {
			Name, Kind, State, Strategy, Period string
			Intensity                           any
			Children                            []json.RawMessage
		}
	}
	if err := json.Unmarshal([]byte(b.must("status", "--json")), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Name != "shop" || doc.Daemon.PID == 0 || doc.Daemon.Version == "" || doc.Root.Kind != "supervisor" ||
		doc.Root.Intensity != "infinity" || doc.Root.Period != "5s" || len(doc.Root.Children) != 3 {
		t.Errorf("status --json is %+v", doc)
	}
	code, body := b.get("/v1/tree")
	if code != 200 || !strings.Contains(body, `"name"`) {
		t.Errorf("GET /v1/tree: %d %s", code, body)
	}
}

// lineOf is the line of a page that is about a name.
func lineOf(page, name string) string {
	for line := range strings.Lines(page) {
		if slices.Contains(strings.Fields(line), name) {
			return line
		}
	}
	return ""
}

func TestVerbs(t *testing.T) {
	t.Parallel()
	b := shopBed(t)
	has(t, "start of what runs", b.must("start", "db"), "db", "already", fmt.Sprint(b.node("db").PID))
	has(t, "stop", b.must("stop", "db"), "db is stopped")
	has(t, "stop again", b.must("stop", "db"), "db", "already")
	has(t, "start", b.must("start", "db"), "db is started", "pid")
	pid := b.node("db").PID
	has(t, "restart", b.must("restart", "db"), "db is restarted")
	if b.node("db").PID == pid {
		t.Error("restart has not replaced the process")
	}
	has(t, "restart of what does not run", b.must("stop", "db")+b.must("restart", "db"), "restarted")

	// Several names are done in the order given, the rest also when one is refused.
	since := b.newest()
	r := b.exits(4, "stop", "worker", "nobody", "api", "root")
	has(t, "stdout", r.out, "worker is stopped", "api is stopped")
	has(t, "stderr", r.errors, "nobody", "coppice down")
	same(t, "the order", story(b.events(), since, "stopped"), "worker stopped", "api stopped")
	b.exits(1, "stop", "root", "nobody")
	r = b.exits(1, "start", "root")
	hasNot(t, "start of the running root", r.errors, "internal")
	has(t, "a near name", b.exits(4, "restart", "wroker").errors, "did you mean worker")
	b.must("start", "api", "worker")

	// A job that is finished is run again by hand.
	since = b.newest()
	b.must("start", "job")
	b.awaitKind(since, "job", "exited")
	since = b.newest()
	b.must("restart", "job")
	b.awaitKind(since, "job", "exited")

	// kill sends a signal, and what follows is an end nobody asked for.
	since = b.newest()
	has(t, "kill", b.must("kill", "api"), "SIGTERM", "api")
	e := b.awaitKind(since, "api", "exited")
	if e.Because == 0 {
		t.Error("the end does not tell that the operator's signal caused it")
	}
	b.awaitKind(since, "api", "started")
	if n := b.node("api").Restarts; n != 1 {
		t.Errorf("%d restarts after a kill", n)
	}
	for _, name := range []string{"USR1", "SIGUSR1", "usr1", "10"} {
		since := b.newest()
		b.must("kill", "worker", "-s", name)
		if e := b.awaitKind(since, "worker", "exited"); e.Signal == nil || *e.Signal != "SIGUSR1" {
			t.Errorf("kill -s %s: it ended as %v", name, e.Signal)
		}
		b.awaitKind(since, "worker", "started")
	}
	b.exits(2, "kill", "worker", "-s", "NOSUCH")
	b.exits(2, "kill")
	has(t, "kill of a supervisor", b.exits(1, "kill", "backend").errors, "backend")
	b.must("stop", "worker")
	has(t, "kill of what does not run", b.exits(1, "kill", "worker").errors, "worker")
	b.exits(4, "kill", "nobody")
	b.exits(2, "stop")
	b.exits(2, "nonsense")
	b.exits(2, "status", "--nonsense")
	b.exits(0, "--help")
	b.exits(0, "help", "stop")
	has(t, "version", b.exits(0, "version").out, "0.")
	has(t, "completion", b.exits(0, "completion", "bash").out, "coppice")
}

// kill --all reaches the whole group.
func TestKillAll(t *testing.T) {
	t.Parallel()
	b := plot(t, `
[process.a]
command = "trap 'echo main >> told' USR1; (trap 'echo child >> told' USR1; echo on > child; while :; do sleep 0.02; done) & echo on > main; while :; do sleep 0.02; done"
`)
	b.up()
	b.awaitFile("main")
	b.awaitFile("child")
	b.must("kill", "a", "-s", "USR1", "--all")
	until(t, "both have heard it", func() bool {
		told, _ := os.ReadFile(b.path("told"))
		return bytes.Contains(told, []byte("main")) && bytes.Contains(told, []byte("child"))
	})
}

// --no-wait returns at once; the verb is done all the same.
func TestNoWait(t *testing.T) {
	t.Parallel()
	b := plot(t, `
[process.slow]
command = "trap '' TERM; echo on; while :; do sleep 0.05; done"
shutdown = "1h"
`)
	b.up()
	b.awaitLog("slow", "on")
	began := time.Now()
	b.must("stop", "--no-wait", "slow")
	if took := time.Since(began); took > patience/2 {
		t.Errorf("it waited %v", took)
	}
	b.awaitState("slow", "stopping")
	has(t, "why", b.must("why", "slow"), "stopping", "operator")
	// A verb that has to wait its turn says what for.
	r := b.begin("restart", "slow")
	until(t, "it says what it waits for", func() bool { return strings.Contains(r.stderr(), "slow") })
	b.must("kill", "slow", "-s", "KILL")
	r.ended(0)
	b.awaitState("slow", "running")
	b.awaitLog("slow", "on")
	b.must("stop", "--no-wait", "slow")
	b.must("kill", "slow", "-s", "KILL")
	b.awaitState("slow", "stopped")
}

func TestWait(t *testing.T) {
	t.Parallel()
	b := plot(t, `
[supervisor.root]
intensity = "infinity"
children = ["a", "slow", "job"]
[process.a]
command = ["sleep", "1000"]
[process.slow]
command = "while [ ! -e go ]; do sleep 0.02; done; exit 0"
ready = "exit"
restart = "transient"
[process.job]
command = "exit 0"
restart = "transient"
`)
	up := b.begin("up", "-d")
	b.awaitDaemon()
	b.awaitState("slow", "starting")
	b.must("wait", "a")
	r := b.exits(1, "wait", "slow", "--for", "ready", "--timeout", "50ms")
	has(t, "stderr", r.errors, "slow is starting", "not ready")
	waiting := b.begin("wait", "slow", "a", "--for", "ready", "--timeout", "1m")
	b.write("go", "")
	waiting.ended(0)
	up.ended(0)
	b.must("wait", "job", "--for", "exited", "--timeout", "1m")
	b.awaitState("job", "finished")
	b.exits(1, "wait", "job", "--for", "ready", "--timeout", "50ms")

	waiting = b.begin("wait", "a", "--for", "exited")
	killUntil(b, waiting, "a")
	waiting.ended(0)
	b.exits(1, "wait", "a", "--for", "stopped", "--timeout", "50ms")
	waiting = b.begin("wait", "a", "--for", "stopped", "--timeout", "1m")
	b.must("stop", "a")
	waiting.ended(0)
	b.must("wait", "a", "--for", "stopped")
	b.exits(1, "wait", "a", "--for", "ready", "--timeout", "50ms")
	b.exits(4, "wait", "nobody")
	b.exits(2, "wait", "a", "--for", "nonsense")
	b.exits(2, "wait")
	b.exits(2, "wait", "a", "--timeout", "soon")
	waiting = b.begin("wait", "a", "--for", "ready")
	until(t, "it waits", func() bool { return isAlive(waiting.cmd.Process.Pid) })
	b.must("down")
	if code := waiting.wait(); code == 0 {
		t.Error("wait --for ready succeeded although the daemon ended")
	}
	b.exits(3, "wait", "a")
}

// killUntil kills a node again and again until a waiting command is done: from
// outside one cannot see when it began to wait.
func killUntil(b *bed, r *running, name string) {
	b.t.Helper()
	for range 200 {
		select {
		case <-r.done:
			return
		default:
		}
		since := b.newest()
		b.must("kill", name, "-s", "KILL")
		b.awaitKind(since, name, "started")
	}
}

func TestLogs(t *testing.T) {
	t.Parallel()
	b := plot(t, `
[process.a]
command = "for i in 1 2 3; do echo a$i; echo e$i >&2; done; while [ ! -e go ]; do sleep 0.02; done; while [ ! -e enough ]; do echo more; sleep 0.02; done; printf unfinished; sleep 1000"
[process.b]
command = "echo b1; sleep 1000"
[process.bytes]
command = 'printf "\000\377\033[31mred\r\n\n tail"; exit 0'
restart = "transient"
`)
	b.up()
	b.awaitState("bytes", "finished")
	b.awaitLog("a", "e3")
	b.awaitLog("b", "b1")
	var lines []string
	for line := range strings.Lines(b.must("logs", "a")) {
		_, text, _ := strings.Cut(line, "| ")
		lines = append(lines, strings.TrimSuffix(text, "\n"))
	}
	same(t, "logs a", lines, "a1", "e1", "a2", "e2", "a3", "e3")
	has(t, "logs", b.must("logs"), "a | a1", "b | b1")
	hasNot(t, "logs a", b.must("logs", "a"), "b1")
	if got := b.must("logs", "-n", "2", "a"); strings.Count(got, "\n") != 2 || !strings.Contains(got, "e3") || strings.Contains(got, "e2") {
		t.Errorf("logs -n 2: %q", got)
	}
	if got := b.must("logs", "-n", "0", "a"); got != "" {
		t.Errorf("logs -n 0: %q", got)
	}
	if got := b.must("logs", "--raw", "a"); got != "a1\ne1\na2\ne2\na3\ne3\n" {
		t.Errorf("logs --raw: %q", got)
	}
	if got, want := b.must("logs", "--raw", "bytes"), "\000\377\033[31mred\r\n\n tail"; got != want {
		t.Errorf("logs --raw: %q, not %q", got, want)
	}
	if got := b.must("logs", "bytes"); strings.ContainsAny(got, "\x1b\x00\r") {
		t.Errorf("logs gives a terminal what is not text: %q", got)
	}
	var l ipc.LogLine
	if err := json.Unmarshal([]byte(strings.SplitN(b.must("logs", "--json", "b"), "\n", 2)[0]), &l); err != nil || l.Node != "b" || l.Text != "b1" {
		t.Errorf("logs --json: %+v %v", l, err)
	}
	b.exits(4, "logs", "nobody")
	has(t, "a near name", b.exits(4, "logs", "byte").errors, "did you mean bytes")
	b.exits(2, "logs", "--raw")
	b.exits(2, "logs", "--raw", "a", "b")

	follow := b.begin("logs", "-f", "a")
	follow.line("e3")
	last := b.begin("logs", "-f", "-n", "0")
	b.write("go", "")
	follow.line("more")
	until(t, "it follows all", func() bool { return strings.Contains(last.stdout(), "more") })
	b.write("enough", "")
	until(t, "all is written", func() bool { return strings.HasSuffix(b.must("logs", "--raw", "a"), "unfinished") })
	hasNot(t, "logs -f -n 0", last.stdout(), "a1", "b1")
	b.must("down")
	follow.wait()
	last.wait()
	has(t, "logs -f after the end", follow.stdout(), "unfinished")

	// The logs outlive the daemon.
	has(t, "logs without a daemon", b.must("logs"), "a | a1", "b | b1", "more", "unfinished")
	if got := b.must("logs", "--raw", "a"); !strings.HasSuffix(got, "more\nunfinished") {
		t.Errorf("logs --raw without a daemon: %q", got)
	}
}

// When an end is told or stop returns, every byte written before is in the log.
func TestLastWordsAreKept(t *testing.T) {
	t.Parallel()
	b := plot(t, `
[process.talker]
command = "trap 'head -c 3000000 /dev/zero | tr \"\\\\0\" x; echo; echo last words; exit 0' TERM; echo on; while :; do sleep 0.02; done"
shutdown = "30s"
stop_to = "main"
[process.crash]
command = "head -c 300000 /dev/zero | tr '\\0' y; echo last words; kill -9 $$"
restart = "temporary"
`)
	b.up()
	b.awaitLog("talker", "on")
	b.must("stop", "talker")
	if got := b.must("logs", "--raw", "talker"); len(got) != 3+3000000+1+11 || !strings.HasSuffix(got, "last words\n") {
		t.Errorf("%d bytes of the stopped one, ending in %q", len(got), got[max(0, len(got)-20):])
	}
	b.awaitKind(0, "crash", "exited")
	if got := b.must("logs", "--raw", "crash"); len(got) != 300000+11 {
		t.Errorf("%d bytes of the crashed one", len(got))
	}
}

// events -f goes on to the very end, and ends with the daemon.
func TestEventsToTheEnd(t *testing.T) {
	t.Parallel()
	b := shopBed(t)
	follow := b.begin("events", "-f", "--json")
	follow.line(`"daemon_started"`)
	plain := b.begin("events", "-f")
	plain.line("daemon_started")
	b.must("down")
	follow.wait()
	plain.wait()
	has(t, "events -f", follow.stdout(), `"daemon_stopping"`)
	var last ipc.Event
	var seq uint64
	for line := range strings.Lines(follow.stdout()) {
		last = ipc.Event{}
		if err := json.Unmarshal([]byte(line), &last); err != nil {
			t.Fatal(err)
		}
		if last.Seq <= seq || last.Because >= last.Seq {
			t.Errorf("event %d after %d, because of %d", last.Seq, seq, last.Because)
		}
		seq = last.Seq
	}
	if last.Node != "root" || last.Kind != "stopped" {
		t.Errorf("the last event is %s %s", last.Node, last.Kind)
	}
	after := b.events()
	if after[len(after)-1].Seq != last.Seq {
		t.Error("the record has more than was followed")
	}
	has(t, "events", b.must("events"), "daemon_started", "db started", "daemon_stopping", "because of")
	has(t, "why without a daemon", b.must("why", "db"), "No daemon runs", "db", "down")
	b.exits(4, "why", "nobody")
}

// why tells each kind of story in words.
func TestWhy(t *testing.T) {
	t.Parallel()
	b := plot(t, `
[supervisor.root]
intensity = "infinity"
children = ["plain", "coded", "pool", "frail"]
[process.plain]
command = ["sleep", "1000"]
[process.coded]
command = "while [ ! -e go ]; do sleep 0.02; done; rm go; exit 23"
[supervisor.pool]
strategy = "one_for_all"
children = ["p1", "p2"]
[process.p1]
command = ["sleep", "1000"]
[process.p2]
command = ["sleep", "1000"]
[supervisor.frail]
intensity = 0
restart = "temporary"
children = ["f1", "f2"]
[process.f1]
command = ["sleep", "1000"]
[process.f2]
command = ["sleep", "1000"]
`)
	b.up()
	has(t, "started with the tree", b.must("why", "plain"), "plain is running", "started the tree")

	since := b.newest()
	b.write("go", "")
	b.awaitKind(since, "coded", "started")
	has(t, "ended with a code", b.must("why", "coded"), "coded is running", "exit code 23", "restarted")

	since = b.newest()
	b.must("kill", "p1", "-s", "SEGV")
	b.awaitKind(since, "p2", "started")
	has(t, "swept", b.must("why", "p2"), "p1", "SIGSEGV", "pool (one_for_all)")
	has(t, "killed by hand", b.must("why", "p1"), "operator", "SIGSEGV")

	b.must("restart", "plain")
	has(t, "restarted by hand", b.must("why", "plain"), "operator", "restart")
	b.must("stop", "plain")
	has(t, "stopped by hand", b.must("why", "plain"), "plain is stopped", "operator", "coppice start plain")

	since = b.newest()
	if err := signalPID(b.node("f2").PID, "KILL"); err != nil {
		t.Fatal(err)
	}
	b.awaitKind(since, "frail", "gave_up")
	b.must("wait", "frail", "--for", "stopped")
	has(t, "gave up", b.must("why", "frail"), "f2", "SIGKILL", "gave up")
	has(t, "its supervisor gave up", b.must("why", "f1"), "f2", "SIGKILL", "gave up")
	has(t, "whose end it was", b.must("why", "f2"), "SIGKILL", "gave up")
	b.exits(4, "why", "nobody")
	b.exits(2, "why")

	var doc map[string]any
	if err := json.Unmarshal([]byte(b.must("why", "--json", "coded")), &doc); err != nil || len(doc) == 0 {
		t.Errorf("why --json: %v %v", doc, err)
	}
}

// The socket can be named instead of the file, and the file be somewhere else.
func TestPlaces(t *testing.T) {
	t.Parallel()
	b := shopBed(t)
	elsewhere := t.TempDir()
	for _, args := range [][]string{
		{"status", "--socket", b.path(".coppice/sock")},
		{"status", "-f", b.path("coppice.toml")},
		{"status", "--state", b.path(".coppice")},
	} {
		if r := outcome(t, b.inFolder(elsewhere, args...)); r.code != 0 || !strings.Contains(r.out, "worker") {
			t.Errorf("%v: %d %s", args, r.code, r.errors)
		}
	}
	for _, variable := range []string{"COPPICE_SOCKET=" + b.path(".coppice/sock"), "COPPICE_STATE=" + b.path(".coppice")} {
		cmd := b.inFolder(elsewhere, "status", "db")
		cmd.Env = append(cmd.Env, variable)
		if r := outcome(t, cmd); r.code != 0 {
			t.Errorf("%s: %d %s", variable, r.code, r.errors)
		}
	}
	b.folder("deep/er")
	if r := outcome(t, b.inFolder(b.path("deep/er"), "status", "db")); r.code != 0 {
		t.Errorf("from a folder below: %d %s", r.code, r.errors)
	}
	if r := outcome(t, b.inFolder(b.path("deep/er"), "status", "-f", "../../coppice.toml")); r.code != 0 {
		t.Errorf("with a relative file: %d %s", r.code, r.errors)
	}
}

// Of a process that has failed, `why` has the last lines, with a daemon and without; of one that
// runs again, or that somebody stopped, it has none.
func TestWhyHasTheLastWords(t *testing.T) {
	t.Parallel()
	b := plot(t, `
[process.crashes]
command = "for i in 1 2 3; do echo line $i; done; echo the port is taken >&2; exit 3"
backoff = { initial = "1m" }
[process.calm]
command = "echo calm; exec sleep 1000"
`)
	b.up()
	b.awaitKind(0, "crashes", "backoff")
	b.must("stop", "calm")
	lastWords := regexp.MustCompile(`\nThe last that it wrote:\n[0-9:.]+ crashes \| line 2\n.* line 3\n.* the port is taken\n$`)
	for _, when := range []string{"with a daemon", "without"} {
		if told := b.must("why", "crashes"); !lastWords.MatchString(told) {
			t.Errorf("%s: %s", when, told)
		}
		if told := b.must("why", "calm"); strings.Contains(told, "wrote") {
			t.Errorf("%s: %s", when, told)
		}
		if when == "with a daemon" {
			b.must("down")
		}
	}
}
