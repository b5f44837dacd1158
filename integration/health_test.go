package integration

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"coppice/ipc"
)

// This test binary is also a server that can be ill: `BINARY serve NETWORK ADDRESS
// NAME`, see serve.
func init() {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		os.Exit(serve(os.Args[2], os.Args[3], os.Args[4]))
	}
}

// serve listens once the file NAME.go is there. An HTTP server answers 503 while
// there is NAME.ill, and hangs while there is NAME.hangs.
func serve(network, address, name string) int {
	for !fileExists(name + ".go") {
		time.Sleep(2 * time.Millisecond)
	}
	l, err := net.Listen(strings.Replace(network, "http", "tcp", 1), address)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	err = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for fileExists(name + ".hangs") {
			time.Sleep(2 * time.Millisecond)
		}
		if fileExists(name + ".ill") {
			http.Error(w, "ill", http.StatusServiceUnavailable)
		}
	}))
	fmt.Println(err)
	return 1
}

func fileExists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// server is the command of such a server.
func server(t *testing.T, network, address, name string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("[%q, \"serve\", %q, %q, %q]", self, network, address, name)
}

// freePort is an address where nobody listens, for the moment.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Each kind of probe holds back the next sibling until it is answered.
func TestReadyByProbe(t *testing.T) {
	t.Parallel()
	tcp, web, ill := freePort(t), freePort(t), freePort(t)
	b := plot(t, fmt.Sprintf(`
[supervisor.root]
children = ["tcp", "web", "ill", "unix", "after"]
[process.tcp]
command = %s
ready = { tcp = %q }
[process.web]
command = %s
ready = { http = "http://%s/healthz" }
[process.ill]
command = %s
ready = { http = "http://%s/", status = [404, "500-503"], timeout = "10s" }
[process.unix]
command = %s
ready = { unix = "api.sock" }
[process.after]
command = ["sleep", "1000"]
`, server(t, "tcp", tcp, "tcp"), tcp, server(t, "http", web, "web"), web, server(t, "http", ill, "ill"), ill, server(t, "unix", "api.sock", "unix")))
	b.write("ill.ill", "")
	up := b.begin("up", "-d")
	b.awaitDaemon()
	for _, name := range []string{"tcp", "web", "ill", "unix"} {
		b.awaitState(name, "starting")
		if s := b.node("after").State; s != "stopped" {
			t.Errorf("while %s is not ready, after is %s", name, s)
		}
		b.write(name+".go", "")
	}
	up.ended(0)
	same(t, "started in order", story(b.events(), 0, "ready", "started"),
		"tcp ready", "tcp started", "web ready", "web started", "ill ready", "ill started", "unix ready", "unix started", "after started", "root started")
}

// Why a process is not ready is told: while it starts, and when that has failed.
func TestNotReadyIsExplained(t *testing.T) {
	t.Parallel()
	address := freePort(t)
	b := plot(t, fmt.Sprintf(`
[process.api]
command = ["sleep", "1000"]
ready = { tcp = %q }
start_timeout = "2s"
`, address))
	up := b.begin("up", "-d")
	b.awaitDaemon()
	reason := address + ": connection refused"
	if e := b.awaitKind(0, "api", "not_ready"); e.Cause != reason {
		t.Errorf("told %q", e.Cause)
	}
	if up.wait() != 1 {
		t.Error("up says that it is started")
	}
	has(t, "up", up.stderr(), "not ready within its start timeout of 2s: "+reason)
	has(t, "why", b.must("why", "api"), reason)
}

// sick is a tree with a server whose health is checked, and one that comes after
// it.
func sick(t *testing.T, check string) (b *bed, api ipc.Node) {
	address := freePort(t)
	b = plot(t, fmt.Sprintf(`
[supervisor.root]
strategy = "rest_for_one"
children = ["api", "after"]
[process.api]
command = %s
restart = "transient"
success = [0, "SIGTERM"]
ready = { tcp = %q }
health = { http = "http://%s/healthz", interval = "50ms"%s }
[process.after]
command = ["sleep", "1000"]
`, server(t, "http", address, "api"), address, address, check))
	b.write("api.go", "")
	b.up()
	b.must("wait", "api", "--for", "healthy")
	return b, b.node("api")
}

// A process whose checks fail is stopped and has ended abnormally, also where its
// exit is one that success lists; its strategy applies.
func TestUnhealthyIsRestarted(t *testing.T) {
	t.Parallel()
	b, api := sick(t, `, timeout = "5s", failures = 2`)
	if api.Health != "healthy" || api.Check != "http" {
		t.Errorf("its health is %q by %q", api.Health, api.Check)
	}
	has(t, "status", b.must("status"), "healthy")
	since := b.newest()
	b.write("api.ill", "")
	e := b.awaitKind(since, "api", "unhealthy")
	has(t, "the cause", e.Cause, "2 checks in a row have failed", "it answers 503 Service Unavailable")
	if err := os.Remove(b.path("api.ill")); err != nil {
		t.Fatal(err)
	}
	b.awaitKind(e.Seq, "api", "healthy")
	b.awaitKind(e.Seq, "after", "started") // it does not wait for health
	same(t, "what happened", story(b.events(), since, "unhealthy", "stopping", "exited", "restarting", "stopped", "started"),
		"api unhealthy", "api stopping", "api exited", "api restarting", "after stopping", "after stopped", "api started", "after started")
	of := slices.DeleteFunc(b.events(), func(e ipc.Event) bool { return e.Node != "api" })
	same(t, "what happened to api", story(of, since, "unhealthy", "stopping", "exited", "restarting", "stopped", "started", "healthy"),
		"api unhealthy", "api stopping", "api exited", "api restarting", "api started", "api healthy")
	now := b.node("api")
	if now.PID == api.PID || now.Restarts != 1 || now.LastExit == nil || now.LastExit.Reason != "unhealthy" || now.LastExit.Signal == nil || *now.LastExit.Signal != "SIGTERM" {
		t.Errorf("api is %+v, its last exit %+v", now, now.LastExit)
	}
	has(t, "why", b.must("why", "api"), "became unhealthy", "503", "restarted")
}

// A probe that hangs has failed. One who hangs for ever is killed when the time of
// its stop is over, and restarts until the limit ends the tree.
func TestHungProbeHasFailed(t *testing.T) {
	t.Parallel()
	b, _ := sick(t, `, timeout = "100ms", failures = 1`)
	since := b.newest()
	b.write("api.hangs", "")
	e := b.awaitKind(since, "api", "unhealthy")
	has(t, "the cause", e.Cause, "no answer within 100ms")
	daemon := b.tree().Daemon
	b.awaitKind(e.Seq, "root", "gave_up")
	awaitGone(t, daemon.PID)
	awaitGone(t, daemon.Keeper)
}

// A daemon that is halted misses its checks: that makes nobody unhealthy.
func TestHaltedDaemonMakesNobodyUnhealthy(t *testing.T) {
	t.Parallel()
	b, api := sick(t, `, timeout = "150ms", failures = 1`)
	since := b.newest()
	daemon := b.tree().Daemon.PID
	for range 5 {
		_ = syscall.Kill(daemon, syscall.SIGSTOP)
		time.Sleep(700 * time.Millisecond) // any time will do that is longer than interval and timeout
		_ = syscall.Kill(daemon, syscall.SIGCONT)
		time.Sleep(20 * time.Millisecond)
	}
	b.must("restart", "after")
	same(t, "what happened", story(b.events(), since, "unhealthy", "exited"))
	if n := b.node("api"); n.PID != api.PID || n.Health != "healthy" {
		t.Errorf("api is %+v", n)
	}
}

// Health and readiness go on under another daemon, with what was counted.
func TestHealthIsAdopted(t *testing.T) {
	t.Parallel()
	b, api := sick(t, `, timeout = "5s", failures = 3`)
	since := b.newest()
	b.killDaemon(t)
	b.awaitKind(since, "api", "adopted")
	if n := b.node("api"); n.PID != api.PID || n.Health != "healthy" {
		t.Errorf("after the daemon was killed api is %+v", n)
	}
	b.write("api.ill", "")
	b.awaitKind(since, "api", "unhealthy")
	if err := os.Remove(b.path("api.go")); err != nil { // it is restarted, and not ready
		t.Fatal(err)
	}
	_ = os.Remove(b.path("api.ill"))
	again := b.awaitKind(since, "api", "starting")
	b.killDaemon(t)
	b.await(again.Seq, "the daemon has gone on", func(e ipc.Event) bool { return e.Kind == "daemon_started" })
	b.write("api.go", "")
	b.awaitKind(again.Seq, "api", "healthy")
	same(t, "judged once", story(b.events(), since, "unhealthy", "started"), "api unhealthy", "api started", "after started")
}

// killDaemon kills the daemon; its keeper starts another.
func (b *bed) killDaemon(t *testing.T) {
	t.Helper()
	tree, err := b.client().Tree(context.Background(), false)
	if err != nil {
		t.Fatal(err)
	}
	_ = syscall.Kill(tree.Daemon.PID, syscall.SIGKILL)
	until(t, "another daemon answers", func() bool {
		now, err := b.client().Tree(context.Background(), false)
		return err == nil && now.Daemon.PID != tree.Daemon.PID
	})
}

// A change of health touches no process, a change of ready starts it anew.
func TestHealthIsReloaded(t *testing.T) {
	t.Parallel()
	b, api := sick(t, "")
	file := b.read("coppice.toml")
	b.write("coppice.toml", strings.Replace(file, `interval = "50ms"`, `interval = "40ms", failures = 9`, 1))
	if out := b.must("reload"); strings.Count(out, "health") != 1 {
		t.Errorf("reload says %q", out)
	}
	since := b.newest()
	b.must("wait", "api", "--for", "healthy") // by the new rules
	if n := b.node("api"); n.PID != api.PID {
		t.Error("a change of health has restarted it")
	}
	b.write("coppice.toml", file[:strings.Index(file, "health =")]+file[strings.Index(file, "[process.after]"):])
	b.must("reload")
	if n := b.node("api"); n.PID != api.PID || n.Health != "" || n.Check != "" {
		t.Errorf("without a check api is %+v", n)
	}
	r := b.run("wait", "api", "--for", "healthy")
	if r.code != 1 || !strings.Contains(r.errors, "is not checked") {
		t.Errorf("wait: %d %s", r.code, r.errors)
	}
	b.write("coppice.toml", strings.Replace(b.read("coppice.toml"), "ready = { tcp =", `ready = { timeout = "9s", tcp =`, 1))
	has(t, "reload", b.must("reload"), "ready")
	if n := b.node("api"); n.PID == api.PID || n.Restarts != 0 {
		t.Errorf("after a change of ready api is %+v", n)
	}
	same(t, "nobody was unhealthy", story(b.events(), since, "unhealthy"))
}
