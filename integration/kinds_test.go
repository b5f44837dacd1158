package integration

import (
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"coppice/ipc"
)

// portOf is the port of an address.
func portOf(t *testing.T, address string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// The kinds of readiness by which a process says it itself, or is looked at, hold
// back the next sibling.
func TestReadyByEachKind(t *testing.T) {
	t.Parallel()
	address := freePort(t)
	wait := func(name string) string {
		return "while [ ! -e " + name + ".go ]; do sleep 0.02; done; "
	}
	b := plot(t, fmt.Sprintf(`
[supervisor.root]
intensity = "infinity"
children = ["fd", "setup", "log", "split", "direct", "listening", "command", "after"]
[process.setup]
command = "%secho ready >&3; exec 3>&-; sleep 1000"
ready = { fd = 3 }
umask = "027"
[process.fd]
command = "%secho ready >&7; exec 7>&-; sleep 1000"
ready = { fd = 7 }
[process.log]
command = "echo listening on nothing; %secho listening on 8080; sleep 1000"
ready = { log = "^listening on [0-9]+$" }
[process.split]
command = "%secho listening on 8080 >&2; sleep 1000"
ready = { log = "listening" }
log = { split = true }
[process.direct]
command = "%secho listening on 8080; sleep 1000"
ready = { log = "listening" }
log = { mode = "direct" }
[process.listening]
command = %s
ready = { listening = %s }
[process.command]
command = "echo $$ > command.pid; sleep 1000"
ready = { command = "test -e command.go && test $WHO = me && pwd > command.dir" }
env = { WHO = "me" }
[process.after]
command = "ls -l /proc/self/fd > after.fds; sleep 1000"
`, wait("setup"), wait("fd"), wait("log"), wait("split"), wait("direct"), server(t, "tcp", address, "listening"), portOf(t, address)))
	up := b.begin("up", "-d")
	b.awaitDaemon()
	kinds := []string{"fd", "setup", "log", "split", "direct", "listening", "command"}
	var want []string
	for _, name := range kinds {
		b.awaitState(name, "starting")
		if s := b.node("after").State; s != "stopped" {
			t.Errorf("while %s is not ready, after is %s", name, s)
		}
		b.write(name+".go", "")
		want = append(want, name+" ready", name+" started")
	}
	up.ended(0)
	same(t, "started in order", story(b.events(), 0, "ready", "started"), append(want, "after started", "root started")...)
	if dir := b.awaitFile("command.dir"); strings.TrimSpace(dir) != b.dir {
		t.Errorf("the command ran in %s", dir)
	}
	has(t, "status", b.must("status", "--json"), `"ready": "listening"`)

	// Restarted, each is asked anew: what an earlier incarnation wrote does not count.
	for _, name := range kinds {
		if err := os.Remove(b.path(name + ".go")); err != nil {
			t.Fatal(err)
		}
		since := b.newest()
		b.must("kill", name, "-s", "KILL")
		b.awaitKind(since, name, "starting")
		if name != "fd" && name != "setup" && b.awaitKind(since, name, "not_ready").Cause == "" {
			t.Errorf("%s: nobody says why it is not ready", name)
		}
		b.write(name+".go", "")
		b.awaitKind(since, name, "started")
	}
}

// A stranger on the port makes nobody ready, and is named.
func TestStrangerOnThePort(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	b := plot(t, fmt.Sprintf(`
[process.api]
command = %s
ready = { listening = %s }
[process.after]
command = ["sleep", "1000"]
`, server(t, "tcp", address, "api"), portOf(t, address)))
	up := b.begin("up", "-d")
	b.awaitDaemon()
	who := fmt.Sprintf("(pid %d), which is not its own process", os.Getpid())
	has(t, "the event", b.awaitKind(0, "api", "not_ready").Cause, "port "+portOf(t, address), who)
	has(t, "status", b.node("api").Trouble, who)
	has(t, "why", b.must("why", "api"), "api is starting", who)
	if s := b.node("after").State; s != "stopped" {
		t.Errorf("after is %s", s)
	}
	l.Close()
	b.write("api.go", "")
	up.ended(0)
	if n := b.node("api"); n.State != "running" || n.Trouble != "" {
		t.Errorf("api is %+v", n)
	}
}

// The socket may belong to any of its own processes, also to one that has left its
// session and its parent.
func TestOwnDaemonListens(t *testing.T) {
	t.Parallel()
	address := freePort(t)
	command := strings.NewReplacer("[", "", "]", "", ",", "", `"`, "").Replace(server(t, "tcp", address, "daemon"))
	b := plot(t, fmt.Sprintf(`
[process.api]
command = "setsid sh -c 'echo $$ > daemon.pid; exec %s' & wait; sleep 1000"
ready = { listening = %s }
`, command, portOf(t, address)))
	b.write("daemon.go", "")
	b.up()
	pid := b.filePID("daemon.pid")
	b.must("down")
	_ = syscall.Kill(pid, syscall.SIGKILL) // it has left the group
	awaitGone(t, pid)
}

// One that closes its descriptor without a newline is not ready, and that is said.
func TestDescriptorIsClosed(t *testing.T) {
	t.Parallel()
	b := plot(t, `
[process.api]
command = "echo -n ready >&3; exec 3>&-; sleep 1000"
ready = { fd = 3 }
start_timeout = "1s"
`)
	up := b.begin("up", "-d")
	if up.wait() != 1 {
		t.Error("up says that it is started")
	}
	has(t, "up", up.stderr(), "not ready within its start timeout of 1s: it has closed descriptor 3 without a newline")
}

// What was said just before the end counts: it has started and then ended.
func TestEachKindJustBeforeTheEnd(t *testing.T) {
	t.Parallel()
	b := plot(t, `
[process.fd]
command = "echo >&3; exit 5"
ready = { fd = 3 }
restart = "temporary"
[process.log]
command = "echo ready; kill -9 $$"
ready = { log = "ready" }
restart = "temporary"
[process.direct]
command = "printf ready; exit 0"
ready = { log = "ready" }
log = { mode = "direct" }
restart = "temporary"
[process.last]
command = ["sleep", "1000"]
`)
	b.up()
	for _, name := range []string{"fd", "log", "direct"} {
		b.awaitState(name, "finished")
		same(t, name, story(eventsOf(b, name), 0, "started", "exited", "start_failed"), name+" started", name+" exited")
	}
	b.exits(0, "status", "last")
}

// A process that is not ready yet goes on to be asked by the next daemon.
func TestReadinessIsAdopted(t *testing.T) {
	t.Parallel()
	for kind, c := range map[string]struct{ ready, say string }{
		"fd":      {"{ fd = 3 }", "echo >&3"},
		"log":     {`{ log = "ready$" }`, "echo ready"},
		"command": {`{ command = "test -e said" }`, "touch said"},
		"unix":    {`{ unix = "none" }`, "true"},
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			b := plot(t, fmt.Sprintf(`
[process.api]
command = "while [ ! -e go ]; do sleep 0.02; done; %s; sleep 1000"
ready = %s
start_timeout = "infinity"
`, c.say, c.ready))
			b.begin("up", "-d")
			b.awaitDaemon()
			pid := 0
			until(t, "it runs", func() bool { pid = b.node("api").PID; return pid != 0 })
			b.killDaemon(t)
			b.awaitKind(0, "api", "adopted")
			b.write("go", "")
			if c.say == "true" {
				b.awaitKind(0, "api", "not_ready")
				b.must("stop", "api")
				return
			}
			b.awaitKind(0, "api", "started")
			if n := b.node("api"); n.PID != pid || !n.Adopted {
				t.Errorf("api is %+v", n)
			}
		})
	}
}

// A command that hangs, floods and leaves children behind is killed with all of
// its group and has failed; what it said last is told.
func TestHealthByCommand(t *testing.T) {
	t.Parallel()
	b := plot(t, `
[process.api]
command = ["sleep", "1000"]
restart = "temporary"
health = { command = "echo $$ > probe.pid; sleep 500 & if [ -e hang ]; then echo \"i hang\"; cat /dev/zero; fi; if [ -e ill ]; then echo it is; echo very ill >&2; exit 3; fi", interval = "50ms", timeout = "500ms", failures = 2 }
[process.other]
command = ["sleep", "1000"]
restart = "temporary"
health = { command = ["./no/such/program"], interval = "50ms", failures = 1 }
[process.last]
command = ["sleep", "1000"]
`)
	b.up()
	has(t, "no program", b.awaitKind(0, "other", "unhealthy").Cause, "no/such/program")
	b.must("wait", "api", "--for", "healthy")
	b.write("ill", "")
	has(t, "the cause", b.awaitKind(0, "api", "unhealthy").Cause, "2 checks in a row", "exit code 3: very ill")
	b.awaitState("api", "finished")
	if err := os.Remove(b.path("ill")); err != nil {
		t.Fatal(err)
	}
	b.write("hang", "")
	since := b.newest()
	b.write("coppice.toml", strings.Replace(b.read("coppice.toml"), `restart = "temporary"`, `restart = "transient"`, 1))
	b.must("reload")
	has(t, "the cause", b.awaitKind(since, "api", "unhealthy").Cause, "it has not ended within 500ms")
	b.must("stop", "api")
	awaitGone(t, b.filePID("probe.pid"))
}

// Who says how often it will say that it is well, and then does not, is unhealthy.
func TestWatchdog(t *testing.T) {
	t.Parallel()
	b := plot(t, fmt.Sprintf(`
[process.api]
command = %s
restart = "transient"
ready = "notify"
watchdog = "5s"
[process.silent]
command = %s
restart = "temporary"
watchdog = "200ms"
[process.trigger]
command = %s
restart = "temporary"
ready = "notify"
watchdog = "1h"
[process.env]
command = "env > env.txt; echo >> env.txt; sleep 1000"
watchdog = "1h"
`, notifyCommand(t, "READY=1+STATUS=serving", "WATCHDOG=1", "WATCHDOG_USEC=2000000", "feed"),
		notifyCommand(t, "STATUS=silent"), notifyCommand(t, "READY=1", "WATCHDOG=trigger")))
	b.up()
	has(t, "silent", b.awaitKind(0, "silent", "unhealthy").Cause, "it has not said WATCHDOG=1 for 200ms")
	b.must("wait", "api", "--for", "healthy")
	n := b.node("api")
	if n.Status != "serving" || n.Check != "watchdog" {
		t.Errorf("api is %+v", n)
	}
	has(t, "status", b.must("status"), `"serving"`)
	has(t, "env", b.awaitFile("env.txt"), "WATCHDOG_USEC=3600000000", fmt.Sprintf("WATCHDOG_PID=%d", b.node("env").PID), "NOTIFY_SOCKET=")
	b.killDaemon(t)
	since := b.newest()
	b.write("hungry", "")
	has(t, "api", b.awaitKind(since, "api", "unhealthy").Cause, "it has not said WATCHDOG=1 for ")
	b.await(0, "trigger", func(e ipc.Event) bool {
		return e.Node == "trigger" && e.Kind == "unhealthy" && e.Cause == "it has said WATCHDOG=trigger"
	})
	b.awaitState("silent", "finished")
	if e := b.node("silent").LastExit; e == nil || e.Reason != "unhealthy" {
		t.Errorf("the last exit is %+v", e)
	}
}

// What a process says that it is at is shown; more time for a start is granted.
func TestNotifyWords(t *testing.T) {
	t.Parallel()
	b := plot(t, fmt.Sprintf(`
[process.api]
command = %s
ready = "notify"
start_timeout = "2s"
`, notifyCommand(t, "EXTEND_TIMEOUT_USEC=3600000000", "STATUS=migrating", "MAINPID=1", "RELOADING=1")))
	up := b.begin("up", "-d")
	b.awaitDaemon()
	until(t, "the process has spoken", func() bool { n := b.node("api"); return n.Phase == "reloading" && n.Status == "migrating" })
	n := b.node("api")
	if n.Until == nil || n.Until.Sub(n.Since).Minutes() < 60 || n.MainPID != 0 {
		t.Errorf("its start ends %v, its main process is %d", n.Until, n.MainPID)
	}
	has(t, "status", b.must("status"), "says that it is reloading", `"migrating"`)
	b.must("stop", "api")
	up.ended(0)
}
