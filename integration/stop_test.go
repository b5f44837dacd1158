package integration

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"coppice/ipc"
)

// A child that is killed comes back, and every event says what caused it.
func TestKilledChildComesBack(t *testing.T) {
	t.Parallel()
	b := plot(t, `
[process.a]
command = ["sleep", "1000"]
[process.b]
command = ["sleep", "1000"]
`)
	b.up()
	before := b.node("a")
	other := b.node("b").PID
	since := b.newest()
	if err := syscall.Kill(before.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	b.awaitKind(since, "a", "started")
	after := b.node("a")
	if after.PID == before.PID || after.PID == 0 || after.Restarts != before.Restarts+1 {
		t.Errorf("pid %d then %d, restarts %d then %d", before.PID, after.PID, before.Restarts, after.Restarts)
	}
	if e := after.LastExit; e == nil || e.Code != nil || e.Signal == nil || *e.Signal != "SIGKILL" || e.Reason != "signal" {
		t.Errorf("last exit is %+v", after.LastExit)
	}
	if got := b.node("b").PID; got != other {
		t.Errorf("its sibling has pid %d, not %d", got, other)
	}
	var chain []ipc.Event
	for _, e := range b.events() {
		if e.Seq > since {
			chain = append(chain, e)
		}
	}
	same(t, "what happened", story(chain, 0, "exited", "restarting", "starting", "started", "stopping", "stopped"),
		"a exited", "a restarting", "a starting", "a started")
	if chain[0].Because != 0 || chain[0].PID != before.PID {
		t.Errorf("the end is %+v: nothing known caused it", chain[0])
	}
	for i, e := range chain[1:] {
		if e.Because != chain[i].Seq {
			t.Errorf("%s %s is because of %d, not of %d", e.Node, e.Kind, e.Because, chain[i].Seq)
		}
	}
	if chain[3].PID != after.PID {
		t.Errorf("started tells pid %d, status tells %d", chain[3].PID, after.PID)
	}
}

// A child that dies too often takes the tree with it, and coppice says all of it.
func TestGivesUp(t *testing.T) {
	t.Parallel()
	b := plot(t, `
[supervisor.root]
intensity = 3
period = "5s"
children = ["steady", "shaky"]
[process.steady]
command = ["sleep", "1000"]
[process.shaky]
command = "echo $$ >> pids; exit 7"
`)
	r := b.exits(1, "up")
	has(t, "stderr", r.errors, "shaky", "3 restarts in 5s", "exit")
	if !strings.Contains(r.errors, "7") {
		t.Errorf("stderr does not tell the last exit: %s", r.errors)
	}
	if n := strings.Count(strings.TrimSpace(lastWithPrefix(r.errors, "coppice: ")), "\n"); n != 0 {
		t.Errorf("the reason is not one line:\n%s", r.errors)
	}
	if n := len(numbers(b.read("pids"))); n != 4 {
		t.Errorf("shaky ran %d times, not 4: once and 3 restarts", n)
	}
	has(t, "status", b.exits(3, "status").errors, "it gave up at ", "`coppice why root`")
	has(t, "why", b.must("why", "shaky"), "exit code 7", "gave up: shaky needed more than 3 restarts in 5s")
	has(t, "why root", b.must("why", "root"), "gave up")
	has(t, "events", b.must("events"), "gave_up")
}

// lastWithPrefix is the last line with a prefix, and what follows it.
func lastWithPrefix(text, prefix string) string {
	if i := strings.LastIndex(text, prefix); i >= 0 {
		return text[i:]
	}
	return text
}

// The exit code of up tells what ended the tree.
func TestExitCodeOfUp(t *testing.T) {
	t.Parallel()
	nested := `
[supervisor.root]
auto_shutdown = "any_significant"
children = ["idle", "middle"]
[supervisor.middle]
auto_shutdown = "all_significant"
restart = "transient"
significant = true
children = ["inner"]
[supervisor.inner]
auto_shutdown = "any_significant"
restart = "transient"
significant = true
children = ["job", "helper"]
[process.job]
command = %q
restart = %q
success = [0, 5, "SIGUSR1"]
significant = true
[process.helper]
command = "sleep 1000"
[process.idle]
command = "sleep 1000"
`
	for _, c := range []struct {
		name, command, restart string
		code                   int
	}{
		{"done", "exit 0", "transient", 0},
		{"code", "exit 5", "transient", 5},
		{"temporary", "exit 9", "temporary", 9},
		{"255", "exit 255", "temporary", 255},
		{"signal", "kill -KILL $$", "temporary", 128 + 9},
		{"normal signal", "kill -USR1 $$", "transient", 128 + 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := plot(t, fmt.Sprintf(nested, c.command, c.restart))
			b.exits(c.code, "up")
			b.exits(3, "status")
			has(t, "why", b.must("why", "helper"), "job")
		})
	}
}

// A tree that was told to stop has done what it should: 0, whatever its
// children's codes.
func TestToldToStop(t *testing.T) {
	t.Parallel()
	tree := `
[supervisor.root]
auto_shutdown = "any_significant"
children = ["a", "b"]
[process.a]
command = "trap 'exit 41' TERM; echo up; while :; do sleep 0.05; done"
restart = "transient"
significant = true
[process.b]
command = ["sleep", "1000"]
`
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			b := plot(t, tree)
			up := b.begin("up")
			up.line("up")
			b.awaitState("b", "running")
			up.signal(s)
			up.ended(0)
			same(t, "order", story(b.record(), 0, "stopping"), "root stopping", "b stopping", "a stopping")
		})
	}
	t.Run("down", func(t *testing.T) {
		t.Parallel()
		b := plot(t, tree)
		up := b.begin("daemon")
		b.awaitDaemon()
		b.awaitState("root", "running")
		b.must("down")
		up.ended(0)
	})
}

// A finished tree runs on, as in OTP.
func TestFinishedTreeRunsOn(t *testing.T) {
	t.Parallel()
	b := plot(t, `
[process.a]
command = "exit 0"
restart = "transient"
[process.b]
command = "exit 3"
restart = "temporary"
`)
	b.up()
	b.awaitState("a", "finished")
	b.awaitState("b", "finished")
	b.must("status")
	b.exits(3, "status", "a")
	has(t, "why a", b.must("why", "a"), "finished", "exit code 0", "transient", "coppice start a")
	has(t, "why b", b.must("why", "b"), "finished", "exit code 3", "temporary")
	for _, verb := range []string{"start", "restart"} {
		r := b.exits(1, verb, "b")
		has(t, verb, r.errors, "b", "temporary")
	}
	since := b.newest()
	b.must("start", "a")
	b.awaitKind(since, "a", "exited")
	if n := b.node("a").Restarts; n != 0 {
		t.Errorf("%d restarts, but nobody but the operator started it", n)
	}
}

// A second signal kills what does not end by itself.
func TestSecondSignalKills(t *testing.T) {
	t.Parallel()
	b := plot(t, `
[process.deaf]
command = "trap '' TERM; echo deaf; while :; do sleep 0.05; done"
shutdown = "infinity"
`)
	up := b.begin("up")
	up.line("deaf")
	pid := b.awaitState("deaf", "running").PID
	up.signal(syscall.SIGINT)
	b.awaitKind(0, "deaf", "stopping")
	up.signal(syscall.SIGINT)
	up.ended(0)
	gone(t, "deaf", pid)
}

// stop returns when nothing is left, by whatever it takes.
func TestStopProtocol(t *testing.T) {
	t.Parallel()
	b := plot(t, `
[process.deaf]
command = "trap '' TERM; echo $$ > deaf.pid; while :; do sleep 0.05; done"
shutdown = "500ms"
[process.brutal]
command = "trap 'echo asked > brutal.asked' TERM; echo $$ > brutal.pid; while :; do sleep 0.05; done"
shutdown = "brutal_kill"
[process.family]
command = "trap '' TERM; (trap '' TERM; echo $(exec sh -c 'echo $PPID') > grandchild.pid; while :; do sleep 0.05; done) & trap - TERM; echo $$ > family.pid; wait"
shutdown = "500ms"
[process.wrapper]
command = "sh -c 'sh -c \"echo \\$\\$ > wrapped.pid; sleep 1000\"; true'; true"
[process.frozen]
command = "trap 'echo thawed > frozen.word; exit 0' TERM; echo $$ > frozen.pid; while :; do sleep 0.05; done"
[process.polite]
command = "trap 'echo int > polite.word; exit 0' INT; trap '' TERM; echo $$ > polite.pid; while :; do sleep 0.05; done"
stop_signal = "SIGINT"
[process.manager]
command = "trap 'kill $w; wait $w; echo $? > manager.word; exit 0' TERM; (trap 'echo told > worker.word; exit 7' TERM USR1; echo $(exec sh -c 'echo $PPID') > worker.pid; while :; do sleep 0.05; done) & w=$!; echo $$ > manager.pid; while :; do sleep 0.05; done"
stop_to = "main"
[process.left]
command = "(trap '' TERM; echo $(exec sh -c 'echo $PPID') > left.pid; while :; do sleep 0.05; done) & trap 'exit 0' TERM; while :; do sleep 0.05; done"
stop_to = "main"
shutdown = "300ms"
`)
	b.up()
	stop := func(name string, files ...string) time.Duration {
		t.Helper()
		var pids []int
		for _, f := range files {
			pids = append(pids, b.filePID(f))
		}
		pids = append(pids, b.node(name).PID)
		began := time.Now()
		b.must("stop", name)
		took := time.Since(began)
		for i, pid := range pids {
			gone(t, fmt.Sprintf("%s %s", name, append(files, "main")[i]), pid)
		}
		if s := b.node(name).State; s != "stopped" {
			t.Errorf("%s is %s", name, s)
		}
		return took
	}
	if took := stop("deaf", "deaf.pid"); took < 400*time.Millisecond {
		t.Errorf("deaf was given %v only", took)
	}
	if e := b.node("deaf").LastExit; e == nil || e.Signal == nil || *e.Signal != "SIGKILL" || e.Reason != "stopped" {
		t.Errorf("deaf ended as %+v", e)
	}
	stop("brutal", "brutal.pid")
	if hasFile(b, "brutal.asked") {
		t.Error("brutal_kill has asked first")
	}
	stop("family", "family.pid", "grandchild.pid")
	stop("wrapper", "wrapped.pid")
	if err := syscall.Kill(b.filePID("frozen.pid"), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	stop("frozen")
	if !hasFile(b, "frozen.word") {
		t.Error("a stopped process was not let to end by itself")
	}
	stop("polite")
	if !hasFile(b, "polite.word") {
		t.Error("stop_signal was not obeyed")
	}
	stop("manager", "worker.pid")
	if got := b.read("manager.word"); got != "7\n" {
		t.Errorf("the worker ended with %q before its manager could tell it", got)
	}
	stop("left", "left.pid")
}

func hasFile(b *bed, name string) bool {
	_, err := syscallStat(b.path(name))
	return err == nil
}

func syscallStat(path string) (syscall.Stat_t, error) {
	var st syscall.Stat_t
	err := syscall.Stat(path, &st)
	return st, err
}

// The children of a child do not survive it, although nobody asked for its end.
func TestGrandchildrenEndWithTheirParent(t *testing.T) {
	t.Parallel()
	b := plot(t, `
[process.parent]
shutdown = "200ms"
command = """
(trap '' TERM; echo $(exec sh -c 'echo $PPID') > $$.child; while :; do sleep 0.05; done) &
while [ ! -s $$.child ]; do sleep 0.01; done
echo $$ > parent.pid
sleep 1000
"""
`)
	b.up()
	pid := b.filePID("parent.pid")
	child := b.filePID(fmt.Sprintf("%d.child", pid))
	since := b.newest()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	b.awaitKind(since, "parent", "exited")
	gone(t, "the grandchild", child) // the end is told when the group is gone
	b.awaitKind(since, "parent", "started")
}

// A supervisor's subtree stops in reverse order, and starts again in order.
func TestStopSupervisor(t *testing.T) {
	t.Parallel()
	b := plot(t, `
[supervisor.root]
children = ["first", "box", "last"]
[process.first]
command = ["sleep", "1000"]
[supervisor.box]
children = ["a", "b", "c"]
[process.a]
command = ["sleep", "1000"]
[process.b]
command = ["sleep", "1000"]
[process.c]
command = ["sleep", "1000"]
[process.last]
command = ["sleep", "1000"]
`)
	b.up()
	before := pids(b.tree().Root)
	since := b.newest()
	b.must("stop", "box")
	same(t, "stopped", story(b.events(), since, "stopped"), "c stopped", "b stopped", "a stopped", "box stopped")
	for _, name := range []string{"a", "b", "c"} {
		gone(t, name, before[name])
	}
	b.exits(3, "status", "box")
	r := b.must("stop", "a")
	has(t, "stop of a child of a stopped supervisor", r, "a", "already")
	b.exits(1, "start", "a")
	has(t, "why a", b.must("why", "a"), "operator", "stop box")
	since = b.newest()
	b.must("start", "box")
	same(t, "started", story(b.events(), since, "started"), "a started", "b started", "c started", "box started")
	after := pids(b.tree().Root)
	if after["first"] != before["first"] || after["last"] != before["last"] {
		t.Error("the siblings were touched")
	}
	b.exits(1, "stop", "root")
	since = b.newest()
	b.must("restart", "b")
	same(t, "restarted", story(b.events(), since, "stopped", "started"), "b stopped", "b started")
}

// What an operator has stopped is started by the next sweep over it.
func TestSweepStartsWhatWasStopped(t *testing.T) {
	t.Parallel()
	b := plot(t, `
[supervisor.root]
strategy = "one_for_all"
children = ["a", "b"]
[process.a]
command = ["sleep", "1000"]
[process.b]
command = ["sleep", "1000"]
`)
	b.up()
	b.must("stop", "b")
	if n := b.node("b"); !n.Held {
		t.Error("status does not say that an operator stopped it")
	}
	since := b.newest()
	b.must("kill", "a", "-s", "KILL")
	b.awaitKind(since, "b", "started")
	b.awaitState("b", "running")
	has(t, "why b", b.must("why", "b"), "a", "SIGKILL", "one_for_all")
}

// rest_for_one stops what comes after, in reverse, and starts it in order.
func TestRestForOne(t *testing.T) {
	t.Parallel()
	b := plot(t, `
[supervisor.root]
strategy = "rest_for_one"
children = ["a", "b", "c", "d"]
[process.a]
command = ["sleep", "1000"]
[process.b]
command = ["sleep", "1000"]
[process.c]
command = ["sleep", "1000"]
[process.d]
command = ["sleep", "1000"]
`)
	b.up()
	a := b.node("a").PID
	since := b.newest()
	b.must("kill", "b", "-s", "9")
	b.awaitKind(since, "d", "started")
	got := story(b.events(), since, "exited", "stopped", "started")
	same(t, "what happened", got, "b exited", "d stopped", "c stopped", "b started", "c started", "d started")
	if b.node("a").PID != a {
		t.Error("a was touched")
	}
	for _, name := range []string{"b", "c", "d"} {
		if n := b.node(name).Restarts; n != 1 {
			t.Errorf("%s has %d restarts", name, n)
		}
	}
}

// down leaves nothing, and returns only then.
func TestDownLeavesNothing(t *testing.T) {
	t.Parallel()
	b := plot(t, `
[process.a]
command = "trap '' TERM; (trap '' TERM; while :; do sleep 0.05; done) & echo on; while :; do sleep 0.05; done"
shutdown = "300ms"
[process.b]
command = "sleep 1000 & sleep 1000"
`)
	b.up()
	b.awaitLog("a", "on")
	daemon := b.tree().Daemon.PID
	out := b.must("down")
	has(t, "down", out, "down")
	gone(t, "the daemon", daemon)
	if left := living(b.dir); len(left) > 0 {
		t.Errorf("%d processes are left after down", len(left))
	}
	r := b.exits(3, "down")
	has(t, "a second down", r.errors, "no daemon runs")
}

// A child may end by itself at the very moment of its stop: it is stopped, not
// restarted, and never runs on.
func TestStopAgainstEnd(t *testing.T) {
	t.Parallel()
	b := plot(t, `
[supervisor.root]
intensity = "infinity"
children = ["brief"]
[process.brief]
command = ["sleep", "0.02"]
`)
	b.up()
	for range 25 {
		b.must("stop", "brief")
		if n := b.node("brief"); n.State != "stopped" || n.PID != 0 {
			t.Fatalf("after a stop it is %s, pid %d", n.State, n.PID)
		}
		b.must("start", "brief")
	}
	b.must("stop", "brief")
	running := 0
	for _, pid := range living(b.dir) {
		if strings.HasPrefix(cmdline(pid), "sleep") {
			running++
		}
	}
	if running != 0 {
		t.Errorf("%d of them run", running)
	}
}

// Many hands at once: every request gets an answer, and one process is left.
func TestManyVerbsAtOnce(t *testing.T) {
	t.Parallel()
	b := plot(t, `
[supervisor.root]
intensity = "infinity"
children = ["a"]
[process.a]
command = ["sleep", "1000"]
`)
	b.up()
	var hands []*running
	for i := range 24 {
		hands = append(hands, b.begin([]string{"restart", "stop", "start", "kill"}[i%4], "a"))
	}
	for _, h := range hands {
		if code := h.wait(); !slices.Contains([]int{0, 1}, code) {
			t.Errorf("%v: exit code %d: %s", h.cmd.Args[1:], code, h.stderr())
		}
	}
	b.must("restart", "a")
	running := 0
	for _, pid := range living(b.dir) {
		if strings.HasPrefix(cmdline(pid), "sleep") {
			running++
		}
	}
	if running != 1 {
		t.Errorf("%d processes run as one child", running)
	}
}
