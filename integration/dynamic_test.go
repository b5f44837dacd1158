package integration

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coppice/ipc"
)

// Children of a template write their pid into a file of their name before anything
// else: so a child that was started twice is found out.
const dynamicTree = `
[supervisor.root]
children = ["db", "pool", "jobs"]
[process.db]
command = ["sleep", "1000"]
[template.pool]
command   = 'echo $$ >> "$1.pids"; exec sleep 1000'
env       = { WHO = "template" }
intensity = 2
period    = "1h"
[template.jobs]
restart      = "temporary"
max_children = 2
`

// wants fails unless a command ends with a code and tells a text.
func (b *bed) wants(code int, text string, args ...string) {
	b.t.Helper()
	r := b.run(args...)
	if r.code != code || !strings.Contains(r.out+r.errors, text) {
		b.t.Errorf("coppice %s: exit code %d, not %d with %q:\n%s%s", strings.Join(args, " "), r.code, code, text, r.out, r.errors)
	}
}

// children are those of a supervisor by name.
func (b *bed) children(supervisor string) map[string]ipc.Node {
	b.t.Helper()
	m := map[string]ipc.Node{}
	for _, c := range b.node(supervisor).Children {
		m[c.Name] = c
	}
	return m
}

// once fails unless each child of the pool has had so many incarnations.
func (b *bed) once(incarnations map[string]int) {
	b.t.Helper()
	for name, want := range incarnations {
		until(b.t, name+" has told its pid", func() bool { return len(b.told(name)) >= want })
		if got := b.told(name); len(got) != want {
			b.t.Errorf("%s ran as %v, and should have run %d times", name, got, want)
		}
	}
}

// told are the pids that the incarnations of a child have written down.
func (b *bed) told(name string) []string {
	content, _ := os.ReadFile(b.path(name + ".pids"))
	return strings.Fields(string(content))
}

// killOnce kills a child that has told its pid.
func (b *bed) killOnce(name string, pid int) {
	b.t.Helper()
	until(b.t, name+" has told its pid", func() bool { return slices.Contains(b.told(name), strconv.Itoa(pid)) })
	b.killNow(pid, syscall.SIGKILL)
}

// Hundreds of children are started at once, and the daemon is killed in the middle:
// each of them runs once.
func TestDynamicChildrenAndKills(t *testing.T) {
	b := newBed(t, dynamicTree)
	b.up()
	g := &grove{bed: b, t: t}
	const n, askers = 300, 6
	incarnations := map[string]int{}
	for i := range n {
		incarnations[fmt.Sprintf("c%03d", i)] = 1
	}
	started := make(chan string, n)
	var wg sync.WaitGroup
	names := slices.Sorted(maps.Keys(incarnations))
	for i := range askers {
		wg.Go(func() {
			for _, name := range names[i*n/askers : (i+1)*n/askers] {
				if err := startUntil(b.client(), name); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				started <- name
			}
		})
	}
	for range n / 3 {
		<-started
	}
	g.kill(true, false)
	for range n / 3 {
		<-started
	}
	g.kill(false, true)
	wg.Wait()
	if c := b.children("pool"); len(c) != n {
		t.Fatalf("%d children, not %d", len(c), n)
	}
	b.once(incarnations)

	before := pids(b.tree().Root)
	g.kill(true, true)
	untouched(t, before, pids(b.tree().Root))
	b.killOnce("c007", before["c007"])
	b.awaitRestart("c007", before["c007"])
	after := pids(b.tree().Root)
	untouched(t, before, after, "c007")
	if c := b.node("c007"); !c.Dynamic || c.Restarts != 1 || !slices.Equal(c.Args, []string{"c007"}) {
		t.Errorf("%+v", c)
	}
	incarnations["c007"] = 2
	b.once(incarnations)

	g.kill(true, false)
	if c := b.node("c007"); c.Restarts != 1 || c.PID != after["c007"] {
		t.Errorf("the next daemon has %+v", c)
	}
	b.must("down")
	for _, pid := range after {
		awaitGone(t, pid)
	}
}

// startUntil starts a child, and asks again where the daemon was killed before it
// answered: then the child may be there already.
func startUntil(c *ipc.Client, name string) error {
	deadline := time.Now().Add(patience)
	for {
		_, err := c.StartChild(context.Background(), ipc.ChildRequest{Supervisor: "pool", Name: name, Args: []string{name}})
		var refusal *ipc.Error
		switch {
		case errors.Is(err, ipc.ErrDaemonGone) || errors.Is(err, ipc.ErrNoDaemon):
			if time.Now().After(deadline) {
				return err
			}
		case errors.As(err, &refusal) && strings.Contains(refusal.Error(), "already"):
			return nil
		default:
			return err
		}
	}
}

// awaitRestart waits until a node runs as another process.
func (b *bed) awaitRestart(name string, was int) {
	b.t.Helper()
	b.await(0, name+" runs again", func(e ipc.Event) bool {
		return e.Node == name && e.Kind == "started" && e.PID != was
	})
}

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

// What is asked for by name is refused in words where it cannot be.
func TestDynamicChildRefusals(t *testing.T) {
	b := newBed(t, dynamicTree)
	b.wants(3, "no daemon", "start-child", "pool", "a")
	b.up()
	b.must("start-child", "pool", "a", "--", "a")
	b.must("start-child", "jobs", "one", "--", "sleep", "1000")
	b.must("start-child", "jobs", "two", "--", "sleep", "1000")
	for _, c := range []struct {
		code int
		text string
		args []string
	}{
		{1, "max_children", []string{"jobs", "three", "--", "sleep", "1"}},
		{1, "is running already", []string{"pool", "a"}},
		{1, "is running already", []string{"pool", "db"}},
		{1, "is running already", []string{"pool", "root"}},
		{1, "no [template.db]", []string{"db", "x"}},
		{1, "no [template.root]", []string{"root", "x"}},
		{4, `did you mean pool?`, []string{"poool", "x"}},
		{2, "not allowed", []string{"pool", ".hidden"}},
		{2, "not allowed", []string{"pool", strings.Repeat("x", 65)}},
		{2, "behind --", []string{"pool", "x", "y"}},
		{2, "NAME=VALUE", []string{"pool", "x", "--env", "novalue"}},
		{2, "usage", []string{"pool"}},
	} {
		b.wants(c.code, c.text, append([]string{"start-child"}, c.args...)...)
	}
	b.must("delete-child", "one", "two")
	b.wants(1, "its template has none", "start-child", "jobs", "x")
	b.wants(1, "no such file", "start-child", "jobs", "x", "--", "./missing")
	b.wants(1, "stands in the tree file", "delete-child", "db")
	b.wants(1, "root cannot be deleted", "delete-child", "root")
	b.wants(4, "no one", "delete-child", "one")
	b.must("stop", "pool")
	b.wants(1, "pool does not run", "start-child", "pool", "b")
	b.must("start", "pool")
	if left := b.node("pool").Children; len(left) != 0 {
		t.Errorf("the pool was stopped and started, and has %v", left)
	}
	b.must("start-child", "pool", "a", "--", "a")
	if jobs := b.node("jobs"); len(jobs.Children) != 0 || jobs.MaxChildren != 2 {
		t.Errorf("%+v", jobs)
	}

	// More than there can be descriptors for are refused, and nothing has failed.
	daemon := b.tree().Daemon.PID
	var limit unix.Rlimit
	if err := unix.Prlimit(daemon, unix.RLIMIT_NOFILE, nil, &limit); err != nil {
		t.Fatal(err)
	}
	limit.Cur = 66
	if err := unix.Prlimit(daemon, unix.RLIMIT_NOFILE, &limit, nil); err != nil {
		t.Fatal(err)
	}
	_, err := b.client().StartChild(context.Background(), ipc.ChildRequest{Supervisor: "pool", Name: "b", Args: []string{"b"}})
	if refusal, ok := errors.AsType[*ipc.Error](err); !ok || refusal.Code != ipc.CodeRefused || !strings.HasPrefix(refusal.Title, "cannot hold ") {
		t.Errorf("%v", err)
	}
}

// A supervisor that gives up takes its children of a template with it; the next
// incarnation has none of them.
func TestDynamicChildrenVanish(t *testing.T) {
	b := newBed(t, dynamicTree)
	b.up()
	for _, name := range []string{"a", "b", "c"} {
		b.must("start-child", "pool", name, "--", name)
	}
	b.once(map[string]int{"a": 1, "b": 1, "c": 1})
	before := pids(b.tree().Root)
	last := before["b"]
	for range 2 {
		b.killOnce("b", last)
		last = b.awaitPID("b", last)
	}
	b.killOnce("b", last)
	gaveUp := b.awaitKind(0, "pool", "gave_up")
	b.awaitKind(gaveUp.Seq, "pool", "started")
	if left := b.children("pool"); len(left) != 0 {
		t.Errorf("the pool was restarted and has %v", left)
	}
	for _, name := range []string{"a", "c"} {
		awaitGone(t, before[name])
		b.awaitKind(gaveUp.Seq, name, "removed")
		b.wants(4, "", "status", name)
	}
	if b.node("db").PID != before["db"] {
		t.Error("db was touched")
	}
	b.must("start-child", "pool", "a", "--", "a")
	b.once(map[string]int{"a": 2, "b": 3, "c": 1})
}

// awaitPID is the process that a node runs as after another one.
func (b *bed) awaitPID(name string, was int) int {
	b.t.Helper()
	return b.await(0, name+" runs again", func(e ipc.Event) bool {
		return e.Node == name && e.Kind == "started" && e.PID != was && alive(e.PID)
	}).PID
}

// The verbs of any process do for the child of a template; what ends or is stopped
// is forgotten, and still explained.
func TestDynamicChildVerbs(t *testing.T) {
	b := newBed(t, dynamicTree)
	b.up()
	b.must("start-child", "jobs", "say", "--", "sh", "-c", "echo hello; exit 3")
	b.awaitKind(0, "say", "removed")
	b.wants(0, "hello", "logs", "say")
	b.wants(0, "exit code 3", "why", "say")
	b.wants(4, "no say", "start", "say")

	b.must("start-child", "pool", "a", "--env", "WHO=operator", "--", "a")
	pid := b.node("a").PID
	if env := environOf(t, pid); !slices.Contains(env, "WHO=operator") {
		t.Errorf("%v", env)
	}
	b.once(map[string]int{"a": 1})
	b.must("restart", "a")
	if b.node("a").PID == pid {
		t.Error("a was not restarted")
	}
	b.must("wait", "a", "--for", "ready")
	b.once(map[string]int{"a": 2})
	b.wants(0, "forgotten", "stop", "a")
	b.wants(4, "no a", "stop", "a")
	if kinds := b.kindsOf("a"); !strings.HasPrefix(kinds, "requested added starting started") || !strings.HasSuffix(kinds, "stopped removed") {
		t.Error(kinds)
	}
}

// Who waits for the end of a child that is forgotten with it is told.
func TestWaitForADynamicChild(t *testing.T) {
	for _, goal := range []string{"exited", "stopped"} {
		b := newBed(t, dynamicTree)
		b.up()
		b.must("start-child", "jobs", "job", "--", "sh", "-c", "while [ ! -e go ]; do sleep 0.02; done")
		done := make(chan result, 1)
		go func() { done <- b.run("wait", "job", "--for", goal) }()
		b.write("go", "")
		// 4 is right where the child was gone before the wait began.
		if r := <-done; r.code != 0 && r.code != 4 {
			t.Errorf("exit code %d: %s", r.code, r.errors)
		}
	}
}

// Of children that have come and gone nothing is kept but their logs.
func TestDynamicChildrenLeaveNothing(t *testing.T) {
	b := newBed(t, dynamicTree)
	b.up()
	root := b.tree().Daemon.Cgroup
	if root == "" {
		t.Skip("there are no cgroups: " + b.tree().Daemon.NoCgroup)
	}
	for i := range 5 {
		name := fmt.Sprintf("job-%d", i)
		b.must("start-child", "jobs", name, "--", "true")
		b.awaitKind(0, name, "removed")
	}
	until(t, "their cgroups are gone", func() bool {
		left, err := filepath.Glob(filepath.Join(root, "job-*"))
		return err == nil && len(left) == 0
	})
}

// kindsOf are the kinds of a node's events.
func (b *bed) kindsOf(name string) string {
	var kinds []string
	for _, e := range b.events() {
		if e.Node == name {
			kinds = append(kinds, e.Kind)
		}
	}
	return strings.Join(kinds, " ")
}

func environOf(t *testing.T, pid int) []string {
	t.Helper()
	b := &bed{t: t, dir: "/proc"}
	return strings.Split(b.read(fmt.Sprintf("%d/environ", pid)), "\x00")
}

// A reload leaves the children of a template alone; what it changes in the template
// holds for the next start. A name that one of them has is refused.
func TestDynamicChildrenAndReload(t *testing.T) {
	b := newBed(t, dynamicTree)
	b.up()
	b.must("start-child", "pool", "a", "--", "a")
	before := pids(b.tree().Root)
	changed := strings.Replace(dynamicTree, "WHO = \"template\"", "WHO = \"changed\"", 1)
	b.write("coppice.toml", changed)
	b.wants(0, "~ template pool: env", "plan")
	b.wants(0, "~ template pool: env", "reload")
	untouched(t, before, pids(b.tree().Root))
	if env := environOf(t, before["a"]); !slices.Contains(env, "WHO=template") {
		t.Errorf("%v", env)
	}
	b.killNow(before["a"], syscall.SIGKILL)
	b.awaitRestart("a", before["a"])
	if env := environOf(t, b.node("a").PID); !slices.Contains(env, "WHO=changed") {
		t.Errorf("%v", env)
	}

	b.write("coppice.toml", strings.Replace(changed, `"db", `, `"db", "a", `, 1)+"[process.a]\ncommand = \"sleep 1\"\n")
	b.wants(1, "delete-child a", "plan")
	b.wants(1, "delete-child a", "reload")
	if n := b.node("a"); !n.Dynamic || n.State != "running" {
		t.Errorf("%+v", n)
	}

	b.write("coppice.toml", "[process.db]\ncommand = [\"sleep\", \"1000\"]\n")
	b.wants(0, "- process a under pool", "plan")
	b.must("reload")
	if left := pids(b.tree().Root); len(left) != 1 || left["db"] != before["db"] {
		t.Errorf("%v", left)
	}
}

// Wherever the daemon is killed while a child is started or deleted: a child that the
// tree has runs once, and of one that it has not nothing runs.
func TestDynamicChildrenThroughCrashes(t *testing.T) {
	program, err := crashing()
	if err != nil {
		t.Fatalf("%v\n%s", err, program)
	}
	for _, point := range crashPoints(t) {
		kind, _, _ := strings.Cut(point, ".")
		if !slices.Contains([]string{"step", "spawn", "signal", "reap"}, kind) {
			continue // no step on the way of a child
		}
		t.Run(point, func(t *testing.T) {
			b := newBed(t, dynamicTree)
			b.program = program
			b.env = []string{"COPPICE_CRASH=" + point + ":" + b.path("token")}
			b.up()
			b.throughCrashes(4)
		})
	}
}

// throughCrashes starts and deletes children, so many times with a crash on the way.
func (b *bed) throughCrashes(times int) {
	for i := range times {
		stays, goes := fmt.Sprintf("stays-%d", i), fmt.Sprintf("goes-%d", i)
		b.write("token", "")
		b.run("start-child", "pool", stays, "--", stays)
		b.run("start-child", "pool", goes, "--", goes)
		b.lasting()
		b.run("delete-child", goes)
		b.lasting()
		b.run("delete-child", goes)
	}
	_ = os.Remove(b.path("token")) // it may have been taken
	b.lasting()
	living := b.children("pool")
	for i := range times {
		stays, goes := fmt.Sprintf("stays-%d", i), fmt.Sprintf("goes-%d", i)
		if _, known := living[goes]; known {
			b.t.Errorf("%s was deleted and is there", goes)
		}
		for _, pid := range b.told(goes) {
			n, _ := strconv.Atoi(pid)
			awaitGone(b.t, n)
		}
		if _, known := living[stays]; !known {
			if pids := b.told(stays); pids != nil {
				b.t.Errorf("%s is not in the tree and has run as %v", stays, pids)
			}
			continue
		}
		b.once(map[string]int{stays: 1})
		if told := b.told(stays); !slices.Contains(told, strconv.Itoa(living[stays].PID)) {
			b.t.Errorf("%s ran as %v and is %+v", stays, told, living[stays])
		}
	}
}

// A child whose start is not complete is shown, and adopted, and its stop cuts the
// start short; who comes behind it has its turn then.
func TestDynamicChildThatIsNotReady(t *testing.T) {
	b := newBed(t, `
[template.slow]
command       = 'echo $$ >> "$1.pids"; exec sleep 1000'
ready         = "notify"
start_timeout = "infinity"
restart       = "temporary"
`)
	b.up()
	g := &grove{bed: b, t: t}
	b.must("start-child", "slow", "a", "--no-wait", "--", "a")
	b.once(map[string]int{"a": 1})
	b.must("start-child", "slow", "b", "--no-wait", "--", "b")
	before := b.node("a")
	if before.State != "starting" || before.PID == 0 {
		t.Errorf("%+v", before)
	}
	g.kill(true, false)
	if after := b.node("a"); after.PID != before.PID || after.State != "starting" {
		t.Errorf("before: %+v\nnow: %+v", before, after)
	}
	b.must("delete-child", "a")
	awaitGone(t, before.PID)
	b.once(map[string]int{"a": 1, "b": 1})
	g.kill(true, true)
	if c := b.children("slow"); len(c) != 1 || c["b"].State != "starting" {
		t.Errorf("%+v", c)
	}
	b.must("stop", "slow")
	b.must("down")
	for _, pid := range b.told("b") {
		n, _ := strconv.Atoi(pid)
		awaitGone(t, n)
	}
}
