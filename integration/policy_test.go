package integration

import (
	"syscall"
	"testing"
	"time"

	"coppice/ipc"
)

// An exit code chooses the strategy of the restart, and `why` and the record say so.
func TestOnExit(t *testing.T) {
	t.Parallel()
	b := plot(t, `
[supervisor.root]
intensity = 5
period = "1h"
children = ["db", "api", "worker"]
[process.db]
command = ["sleep", "1000"]
[process.api]
command = "read code < fifo; exit $code"
on_exit = { 42 = "one_for_all", "100-110" = "rest_for_one", SIGKILL = "rest_for_one" }
[process.worker]
command = ["sleep", "1000"]
`)
	if err := syscall.Mkfifo(b.path("fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.up()
	for _, test := range []struct {
		end      string
		strategy string
		changed  []string
	}{
		{"1", "", []string{"api"}},
		{"105", "rest_for_one", []string{"api", "worker"}},
		{"42", "one_for_all", []string{"db", "api", "worker"}},
		{"SIGKILL", "rest_for_one", []string{"api", "worker"}},
	} {
		before, events := pids(b.tree().Root), b.events()
		if test.end == "SIGKILL" {
			b.must("kill", "api", "-s", "KILL")
		} else {
			b.write("fifo", test.end+"\n")
		}
		since := events[len(events)-1].Seq
		e := b.awaitKind(since, "api", "restarting")
		if e.Strategy != test.strategy {
			t.Errorf("%s: the record has the strategy %q", test.end, e.Strategy)
		}
		b.awaitKind(since, test.changed[len(test.changed)-1], "started")
		after := pids(b.tree().Root)
		changed := map[string]bool{}
		for _, name := range test.changed {
			changed[name] = true
		}
		for name, pid := range after {
			if (pid != before[name]) != changed[name] {
				t.Errorf("%s: %s was %d and is %d", test.end, name, before[name], pid)
			}
		}
		if test.strategy != "" {
			has(t, "why", b.must("why", "worker"), test.strategy+" by its on_exit")
		}
	}
}

// A herd is held up by the tree's budget and waits in a queue that the next daemon
// goes on with; the first start and an operator are not held up.
func TestRestartRate(t *testing.T) {
	t.Parallel()
	const tables = `
[supervisor.root]
intensity = "infinity"
children = ["a", "b", "c", "d"]
[process.a]
command = ["sleep", "1000"]
[process.b]
command = ["sleep", "1000"]
[process.c]
command = ["sleep", "1000"]
[process.d]
command = ["sleep", "1000"]
`
	b := plot(t, "restart_rate = { per_second = 0.001, burst = 1 }\n"+tables)
	b.up()
	for _, name := range []string{"a", "b", "c", "d"} {
		events := b.events()
		b.must("kill", name, "-s", "KILL")
		b.await(events[len(events)-1].Seq, name+" is restarted, or waits", func(e ipc.Event) bool {
			return e.Node == name && (e.Kind == "backoff" || e.Kind == "started")
		})
	}
	places := func() (list [4]int) {
		for i, name := range []string{"a", "b", "c", "d"} {
			list[i] = b.node(name).Place
		}
		return list
	}
	if got := places(); got != [4]int{0, 1, 2, 3} {
		t.Errorf("the queue is %v", got)
	}
	if n := b.node("c"); n.State != "backoff" || n.Until == nil || n.Until.Before(time.Now().Add(1500*time.Second)) {
		t.Errorf("c is %s until %v", n.State, n.Until)
	}
	has(t, "status", b.must("status"), "number 2 in the queue", "the tree restarts at most 0.001 processes a second")
	has(t, "why", b.must("why", "c"), "waits for its turn: the tree restarts at most 0.001 processes a second, and 1 wait before it")
	if err := syscall.Kill(b.tree().Daemon.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if _, err := askUntil(b.client()); err != nil {
		t.Fatal(err)
	}
	if got := places(); got != [4]int{0, 1, 2, 3} {
		t.Errorf("the next daemon's queue is %v", got)
	}
	b.must("restart", "c") // an operator does not wait
	if got := places(); got != [4]int{0, 1, 0, 2} {
		t.Errorf("without c the queue is %v", got)
	}
	before := pids(b.tree().Root)
	b.write("coppice.toml", "restart_rate = { per_second = 1000, burst = 20 }\n"+tables)
	has(t, "plan", b.must("plan"), "restart_rate")
	b.must("reload")
	b.awaitKind(0, "root", "changed")
	for _, name := range []string{"b", "d"} {
		b.must("wait", name, "--for", "ready")
	}
	for name, pid := range before {
		if now := b.node(name).PID; pid != 0 && now != pid {
			t.Errorf("a change of the rate has restarted %s", name)
		}
	}
}

// Chance takes a part of a delay off; the record has what it took, and a daemon that
// comes to it by the record keeps it.
func TestJitter(t *testing.T) {
	t.Parallel()
	b := plot(t, `
[supervisor.root]
intensity = "infinity"
children = ["a", "b"]
[process.a]
command = ["sleep", "1000"]
backoff = { initial = "1h", max = "2h", jitter = 0.5 }
[process.b]
command = ["sleep", "1000"]
backoff = { initial = "1h", max = "2h", jitter = 0.5 }
`)
	b.up()
	delays := map[string]time.Duration{}
	for _, name := range []string{"a", "b"} {
		b.must("kill", name, "-s", "KILL")
		e := b.awaitKind(0, name, "backoff")
		d, err := time.ParseDuration(e.Delay)
		if err != nil || d <= 30*time.Minute || d > time.Hour {
			t.Errorf("the delay of %s is %s: %v", name, e.Delay, err)
		}
		delays[name] = d
	}
	if delays["a"] == delays["b"] {
		t.Errorf("both wait for %v", delays["a"])
	}
	until := *b.node("a").Until
	if err := syscall.Kill(b.tree().Daemon.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if _, err := askUntil(b.client()); err != nil {
		t.Fatal(err)
	}
	n := b.node("a")
	if n.Until == nil || n.Until.Sub(until).Abs() > time.Second {
		t.Errorf("it was to wait until %v, and waits until %v", until, n.Until)
	}
	b.must("restart", "a") // by hand
	b.exits(0, "status", "a")
}
