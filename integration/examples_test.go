package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"coppice/ipc"
)

// Every example runs and becomes what its comment says.
func TestExamplesRun(t *testing.T) {
	t.Parallel()
	checks := map[string]func(t *testing.T, b *bed){
		"hello": func(t *testing.T, b *bed) {
			// Kill the store and see that the two behind it come back with it.
			b.awaitState("page", "running")
			ticker := b.node("ticker").PID
			since := b.newest()
			b.must("kill", "store", "-s", "SIGKILL")
			b.awaitKind(since, "page", "started")
			same(t, "what came back", story(b.events(), since, "started"), "store started", "cache started", "page started")
			has(t, "why store", b.must("why", "store"), "SIGKILL")
			if b.node("ticker").PID != ticker {
				t.Error("the ticker noticed")
			}
		},
		"web": func(t *testing.T, b *bed) {
			same(t, "the order", story(b.events(), 0, "started"), "database started", "migrate started", "api started", "mailer started", "backend started", "root started")
			if s := b.node("migrate").State; s != "finished" {
				t.Errorf("migrate is %s", s)
			}
			b.awaitLog("api", "listening on port 8080")
			since := b.newest()
			b.must("kill", "database", "-s", "KILL")
			b.awaitKind(since, "backend", "started")
			same(t, "what started again", story(b.events(), since, "started"), "database started", "migrate started", "api started", "mailer started", "backend started")
		},
		"workers": func(t *testing.T, b *bed) {
			for _, name := range []string{"queue", "pool", "worker-1", "worker-2", "worker-3"} {
				b.awaitState(name, "running")
			}
			b.awaitKind(0, "worker-4", "backoff")
			b.awaitLog("worker-4", "cannot reach the printer")
			b.awaitLog("worker-2", "Barbara works")
		},
		"laptop": func(t *testing.T, b *bed) {
			b.awaitLog("server", "serving on port 8080")
			b.awaitState("tests", "finished")
			since := b.newest()
			b.write("main.go", "package main\n")
			b.awaitKind(since, "server", "started")
			b.await(since, "the tests ran again", func(e ipc.Event) bool { return e.Node == "tests" && e.Kind == "exited" })
			since = b.newest()
			b.write("laptop.env", "PORT=8081\n")
			b.awaitKind(since, "server", "started")
		},
		"container": func(t *testing.T, b *bed) {
			b.awaitLog("app", "serving with 2 workers")
			shipper := b.node("shipper").PID
			since := b.newest()
			b.must("kill", "app", "-s", "KILL")
			b.awaitKind(since, "app", "started")
			if b.node("shipper").PID == shipper {
				t.Error("all or none: the shipper was not restarted")
			}
		},
		"jobs": func(t *testing.T, b *bed) {
			b.must("start-child", "jobs", "report-7", "--", "report", "7")
			b.awaitLog("report-7", "report number 7 begins")
			since := b.newest()
			b.must("kill", "report-7", "-s", "KILL")
			b.awaitKind(since, "report-7", "started")
			b.must("delete-child", "report-7")
			b.wants(4, "no report-7", "status", "report-7")
		},
		"batch": nil, // it ends by itself
	}
	files, err := filepath.Glob("../configs/examples/*.toml")
	if err != nil || len(files) < len(checks) {
		t.Fatal(files, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".toml")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check, known := checks[name]
			if !known {
				t.Fatal("a new example: say in this table what becomes of it")
			}
			b := plot(t, read(t, file))
			b.clean("PORT", "WEB_CONCURRENCY")
			if env, err := os.ReadFile(strings.TrimSuffix(file, ".toml") + ".env"); err == nil {
				b.write(name+".env", string(env))
			}
			b.must("check")
			if check == nil {
				up := b.begin("up")
				up.ended(3)
				has(t, "its output", up.stdout(), "part 3 of 3", "two rows were skipped")
				return
			}
			b.up()
			b.must("status")
			check(t, b)
			b.must("down")
			gave := story(b.record(), 0, "gave_up", "start_failed")
			if len(gave) > 0 {
				t.Errorf("it has not gone well: %v", gave)
			}
		})
	}
}

// clean wants variables that the example has defaults for to be unset.
func (b *bed) clean(names ...string) {
	for _, name := range names {
		if _, ok := os.LookupEnv(name); ok {
			b.t.Skipf("the environment of the tests has %s, for which the example has a default", name)
		}
	}
}
