package integration

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"coppice/ipc"
)

// follow hears the events of a daemon from now on by a connection that is open
// already when the daemon can open no other.
func (b *bed) follow() <-chan ipc.Event {
	b.t.Helper()
	since := b.events()
	ctx, cancel := context.WithCancel(context.Background())
	b.t.Cleanup(cancel)
	events := make(chan ipc.Event, 1000)
	go func() {
		_ = b.client().Events(ctx, 0, true, func(e ipc.Event) error { // it ends with the daemon
			events <- e
			return nil
		})
	}()
	for range since {
		<-events
	}
	return events
}

// next is the next of some events that match accepts.
func next(t *testing.T, events <-chan ipc.Event, what string, match func(ipc.Event) bool) ipc.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		select {
		case e := <-events:
			if match(e) {
				return e
			}
		case <-ctx.Done():
			t.Fatalf("no event tells that %s", what)
		}
	}
}

// lacks limits the daemon of a bed, and gives what lifts the limit. Only a process
// of the daemon's own user may do that.
func (b *bed) lacks(resource string, most int) (lift func()) {
	b.t.Helper()
	program, err := exec.LookPath("prlimit")
	if err != nil {
		b.t.Skip("there is no prlimit(1)")
	}
	daemon := b.tree().Daemon.PID
	limit := func(what string) string {
		b.t.Helper()
		cmd := exec.Command(program, "--pid", strconv.Itoa(daemon), "--output=SOFT", "--noheadings", "--"+resource+what)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: b.user}
		out, err := cmd.CombinedOutput()
		if err != nil {
			b.t.Fatalf("cannot limit the daemon: %v: %s", err, out)
		}
		return strings.TrimSpace(string(out))
	}
	was := limit("")
	limit(fmt.Sprintf("=%d:", most))
	return func() { b.t.Helper(); limit("=" + was + ":") }
}

const exhausted = `
[supervisor.root]
intensity = 1
period = "1h"
children = ["a", "b"]
[process.a]
command = ["sleep", "1000"]
[process.b]
command = ["sleep", "1000"]
`

// starve kills a process whose restart lacks something for three tries, and wants
// that it is not held against it.
func (b *bed) starve(resource string, most int, reason string) {
	b.t.Helper()
	t := b.t.(*testing.T)
	before, events := b.tree().Daemon, b.follow()
	pid := b.node("a").PID
	lift := b.lacks(resource, most)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for _, delay := range []string{"100ms", "200ms", "400ms"} {
		e := next(t, events, "a is put off", func(e ipc.Event) bool { return e.Kind == "backoff" && e.Node == "a" })
		if e.Delay != delay || !strings.Contains(e.Cause, reason) {
			t.Errorf("it is put off for %s, not %s: %s", e.Delay, delay, e.Cause)
		}
	}
	lift()
	next(t, events, "a is started", func(e ipc.Event) bool { return e.Kind == "started" && e.Node == "a" })
	b.exits(0, "status", "a", "b")
	if n := b.node("a"); n.Restarts != 1 || n.Waits != "" {
		t.Errorf("it was restarted %d times and waits for %q", n.Restarts, n.Waits)
	}
	if d := b.tree().Daemon; d.PID != before.PID {
		t.Errorf("daemon %d has become %d", before.PID, d.PID)
	}
	for _, e := range b.events() {
		if e.Kind == "start_failed" || e.Kind == "gave_up" {
			t.Errorf("%s is held against it: %s", e.Kind, e.Cause)
		}
	}
}

// TestRestartWithoutDescriptors takes the daemon's descriptors away.
func TestRestartWithoutDescriptors(t *testing.T) {
	t.Parallel()
	b := plot(t, exhausted)
	b.up()
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", b.tree().Daemon.PID))
	if err != nil {
		t.Fatal(err)
	}
	b.starve("nofile", len(open)-2, "") // which part of a start is the first to miss one is not certain
}

// TestRestartWithoutProcesses lets the user of a daemon have no more processes.
// Root is above that limit.
func TestRestartWithoutProcesses(t *testing.T) {
	t.Parallel()
	b := plot(t, exhausted)
	b.asStranger(3_999_000_001)
	b.up()
	b.starve("nproc", 1, "no more processes are allowed")
}

// asStranger runs the bed's commands as a user of its own, who has nothing else.
func (b *bed) asStranger(uid int) {
	b.t.Helper()
	if os.Getuid() != 0 {
		b.t.Skip("another user is root's to become")
	}
	if err := os.Chmod(filepath.Dir(b.dir), 0o755); err != nil {
		b.t.Fatal(err)
	}
	for _, path := range []string{b.dir, b.path("coppice.toml")} {
		if err := os.Chown(path, uid, uid); err != nil {
			b.t.Fatal(err)
		}
	}
	b.user = &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}
}

// The first start of a tree waits as well for what the system lacks, and says so; a
// start by hand does not, and says why.
func TestBootWithoutProcesses(t *testing.T) {
	t.Parallel()
	b := plot(t, `
[supervisor.root]
intensity = 0
children = ["first", "second", "third"]
[process.first]
command = "read go < fifo || true"
ready = "exit"
restart = "transient"
[process.second]
command = ["sleep", "1000"]
[process.third]
command = ["sleep", "1000"]
`)
	b.asStranger(3_999_000_003)
	if err := syscall.Mkfifo(b.path("fifo"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(b.path("fifo"), 0o666); err != nil { // whatever the umask
		t.Fatal(err)
	}
	up := b.command("up", "-d")
	if err := up.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := askUntil(b.client()); err != nil {
		t.Fatal(err)
	}
	events := b.follow()
	fifo, err := os.OpenFile(b.path("fifo"), os.O_WRONLY, 0) // which waits for first
	if err != nil {
		t.Fatal(err)
	}
	lift := b.lacks("nproc", 1)
	if err := fifo.Close(); err != nil {
		t.Fatal(err)
	}
	is := func(kind string) func(ipc.Event) bool {
		return func(e ipc.Event) bool { return e.Kind == kind && e.Node == "second" }
	}
	e := next(t, events, "second is put off", is("backoff"))
	has(t, "the reason", e.Cause, "no more processes are allowed")
	n := b.node("second")
	if root := b.node("root"); root.State != "starting" || n.State != "backoff" && n.State != "starting" {
		t.Errorf("root is %s, second is %s", root.State, n.State)
	}
	next(t, events, "it is put off again", is("backoff"))
	lift()
	next(t, events, "it is started", is("started"))
	if err := up.Wait(); err != nil {
		t.Errorf("up: %v", err)
	}
	b.must("stop", "third")
	lift = b.lacks("nproc", 1)
	r := b.run("start", "third")
	lift()
	if r.code != 1 || !strings.Contains(r.errors, "no more processes are allowed") {
		t.Errorf("a start by hand: exit code %d, %s", r.code, r.errors)
	}
	b.must("start", "third")
}

// A daemon that is asked for much while there may be no more processes needs threads,
// and has them already.
func TestDaemonLivesWithoutNewThreads(t *testing.T) {
	t.Parallel()
	b := plot(t, exhausted)
	b.asStranger(3_999_000_004)
	b.up()
	before := b.tree().Daemon
	pid := b.node("a").PID
	lift := b.lacks("nproc", 1)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 200 {
				if _, err := b.client().Tree(context.Background(), true); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	lift()
	if now := b.tree().Daemon; now.PID != before.PID {
		t.Errorf("daemon %d has ended, %d goes on", before.PID, now.PID)
	}
	b.must("wait", "a", "--for", "ready")
}
