package integration

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"coppice/ipc"
)

// This test binary is also the child that speaks the readiness protocol by
// itself: `BINARY notify WORDS...` sends each word to NOTIFY_SOCKET, then it
// does what the last word says.
func init() {
	if len(os.Args) > 1 && os.Args[1] == "notify" {
		os.Exit(notifier(os.Args[2:]))
	}
}

func notifier(words []string) int {
	socket := os.Getenv("NOTIFY_SOCKET")
	if socket == "" {
		fmt.Println("no NOTIFY_SOCKET")
		return 111
	}
	conn, err := net.Dial("unixgram", socket) // net knows the @ of abstract sockets
	if err != nil {
		fmt.Println(err)
		return 112
	}
	for _, w := range words {
		switch w {
		case "exit0":
			return 0
		case "feed": // until there is a file that says to stop
			for !fileExists("hungry") {
				if _, err = conn.Write([]byte("WATCHDOG=1")); err != nil {
					return 114
				}
				time.Sleep(20 * time.Millisecond)
			}
		case "exit5":
			return 5
		case "kill":
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		case "empty":
			_, err = conn.Write(nil)
		case "huge":
			_, err = conn.Write([]byte(strings.Repeat("X=1\n", 8<<10)))
			err = nil // it may be refused as too long
		case "files":
			var raw syscall.RawConn
			raw, err = conn.(*net.UnixConn).SyscallConn()
			if err == nil {
				_ = raw.Control(func(fd uintptr) {
					err = syscall.Sendmsg(int(fd), []byte("FDSTORE=1"), syscall.UnixRights(0, 1, 2), nil, 0)
				})
			}
		default:
			_, err = conn.Write([]byte(strings.ReplaceAll(w, "+", "\n")))
		}
		if err != nil {
			fmt.Println(err)
			return 113
		}
	}
	fmt.Println("sent")
	time.Sleep(time.Hour) // until it is stopped
	return 0
}

// notifyCommand is a process's command that sends words.
func notifyCommand(t *testing.T, words ...string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	all := []string{quoted(self), `"notify"`}
	for _, w := range words {
		all = append(all, quoted(w))
	}
	return "[" + strings.Join(all, ", ") + "]"
}

// A process is started when it says READY=1, and the next one only then.
func TestReadyByNotification(t *testing.T) {
	t.Parallel()
	b := plot(t, fmt.Sprintf(`
[supervisor.root]
children = ["shell", "self", "hostile", "plain"]
[process.shell]
command = "echo on > shell.on; while [ ! -e go ]; do sleep 0.02; done; exec %s"
ready = "notify"
[process.self]
command = %s
ready = "notify"
[process.hostile]
command = %s
ready = "notify"
[process.plain]
command = "env > plain.env; echo >> plain.env; sleep 1000"
`, shellNotify(t), notifyCommand(t, "STATUS=warming up", "STATUS=hot+READY=1"), notifyCommand(t, "empty", "huge", "files", "garbage", "READY=0", "READY=1")))
	up := b.begin("up", "-d")
	b.awaitFile("shell.on")
	b.awaitState("shell", "starting")
	var n ipc.Node
	until(t, "it is known who it is", func() bool { n = b.node("shell"); return n.PID != 0 })
	if n.PID == 0 || n.Until == nil {
		t.Errorf("a starting process has pid %d, its start ends at %v", n.PID, n.Until)
	}
	if hasFile(b, "plain.env") || b.node("self").State == "running" {
		t.Error("the next one did not wait")
	}
	has(t, "why", b.must("why", "shell"), "shell is starting")
	b.write("go", "")
	up.ended(0)
	b.exits(0, "status", "shell", "self", "hostile", "plain")
	same(t, "started in order", story(b.events(), 0, "started"), "shell started", "self started", "hostile started", "plain started", "root started")
	if env := b.awaitFile("plain.env"); strings.Contains(env, "NOTIFY_SOCKET") {
		t.Error("who is not asked to notify sees NOTIFY_SOCKET")
	}
	// A restart waits for the word again.
	since := b.newest()
	b.must("kill", "self", "-s", "KILL")
	b.awaitKind(since, "self", "started")
}

// shellNotify is a command by which a shell says that it is ready, and stays.
func shellNotify(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("systemd-notify"); err == nil {
		return "sh -c 'systemd-notify --ready; exec sleep 1000'"
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return self + " notify READY=1"
}

// READY=1 just before the end counts: it has started and then ended.
func TestReadyJustBeforeTheEnd(t *testing.T) {
	t.Parallel()
	b := plot(t, fmt.Sprintf(`
[process.done]
command = %s
ready = "notify"
restart = "temporary"
[process.failed]
command = %s
ready = "notify"
restart = "temporary"
[process.killed]
command = %s
ready = "notify"
restart = "temporary"
[process.last]
command = ["sleep", "1000"]
`, notifyCommand(t, "READY=1", "exit0"), notifyCommand(t, "READY=1", "exit5"), notifyCommand(t, "READY=1", "kill")))
	b.up()
	for _, name := range []string{"done", "failed", "killed"} {
		b.awaitState(name, "finished")
		same(t, name, story(eventsOf(b, name), 0, "started", "exited", "start_failed"), name+" started", name+" exited")
	}
	b.exits(0, "status", "last")
	has(t, "why", b.must("why", "failed"), "exit code 5")
}

func eventsOf(b *bed, name string) []ipc.Event {
	var all []ipc.Event
	for _, e := range b.events() {
		if e.Node == name {
			all = append(all, e)
		}
	}
	return all
}

// A job that is ready when it is done holds back what comes after it, and does
// not run again.
func TestReadyAtExit(t *testing.T) {
	t.Parallel()
	b := plot(t, `
[process.migrate]
command = "echo migrated > migrated; exit 3"
ready = "exit"
restart = "transient"
success = [3]
[process.app]
command = "cat migrated > seen; sleep 1000"
`)
	b.up()
	if got := b.awaitFile("seen"); got != "migrated\n" {
		t.Errorf("the app saw %q", got)
	}
	if s := b.node("migrate").State; s != "finished" {
		t.Errorf("migrate is %s", s)
	}
	b.must("wait", "migrate", "--for", "ready")
	same(t, "migrate", story(eventsOf(b, "migrate"), 0, "started", "exited", "start_failed"), "migrate started", "migrate exited")
	b.exits(3, "status", "migrate")
	has(t, "why", b.must("why", "migrate"), "finished", "exit code 3")
}

// A port that accepts connections is ready.
func TestReadyByPort(t *testing.T) {
	t.Parallel()
	address := freePort(t)
	b := plot(t, fmt.Sprintf(`
[process.server]
command = ["sleep", "1000"]
ready = { tcp = %q }
[process.after]
command = ["sleep", "1000"]
`, address))
	up := b.begin("up", "-d")
	b.awaitDaemon()
	b.awaitState("server", "starting")
	if s := b.node("after").State; s == "running" {
		t.Error("the next one did not wait for the port")
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	up.ended(0)
	b.exits(0, "status", "server", "after")
}

// down and stop do not wait for a process that is not ready.
func TestStartIsCutShort(t *testing.T) {
	t.Parallel()
	tree := `
[supervisor.root]
children = ["first", "box", "last"]
[process.first]
command = ["sleep", "1000"]
[supervisor.box]
children = ["never", "inner"]
[process.never]
command = ["sleep", "1000"]
ready = "notify"
start_timeout = "infinity"
[process.inner]
command = ["sleep", "1000"]
[process.last]
command = ["sleep", "1000"]
`
	begin := func(t *testing.T) (*bed, *running) {
		b := plot(t, tree)
		up := b.begin("up", "-d")
		b.awaitDaemon()
		b.awaitState("never", "starting")
		return b, up
	}
	t.Run("down", func(t *testing.T) {
		t.Parallel()
		b, up := begin(t)
		b.must("down")
		if up.wait() == 0 {
			t.Error("up -d says that the tree is started")
		}
	})
	t.Run("stop", func(t *testing.T) {
		t.Parallel()
		b, up := begin(t)
		b.must("stop", "never")
		up.ended(0) // it is no failed start: the others go on
		b.exits(0, "status", "inner", "last", "box")
		if s := b.node("never").State; s != "stopped" {
			t.Errorf("it is %s", s)
		}
	})
	t.Run("stop of its supervisor", func(t *testing.T) {
		t.Parallel()
		b, up := begin(t)
		b.must("stop", "box")
		up.ended(0)
		b.exits(0, "status", "first", "last")
		if s := b.node("inner").State; s != "stopped" {
			t.Errorf("inner is %s", s)
		}
	})
	t.Run("restart waits", func(t *testing.T) {
		t.Parallel()
		b, up := begin(t)
		r := b.begin("restart", "first")
		until(t, "it says what it waits for", func() bool { return strings.Contains(r.stderr(), "never is starting") })
		b.must("stop", "never")
		r.ended(0)
		up.ended(0)
	})
	t.Run("a signal", func(t *testing.T) {
		t.Parallel()
		b := plot(t, tree)
		up := b.begin("up")
		b.awaitDaemon()
		b.awaitState("never", "starting")
		up.signal(syscall.SIGTERM)
		up.ended(0)
	})
}

// A start that takes too long is stopped by its stop protocol and has failed; as
// a restart it is tried again until the limit ends it.
func TestStartTimeout(t *testing.T) {
	t.Parallel()
	b := plot(t, `
[supervisor.root]
intensity = "infinity"
children = ["a"]
[process.a]
command = "trap 'echo asked >> asked; exit 0' TERM; if [ ! -e once ]; then echo > once; exec `+shellNotify(t)+`; fi; while :; do sleep 0.02; done"
ready = "notify"
start_timeout = "2s"
backoff = { initial = "50ms" }
`)
	b.up()
	since := b.newest()
	b.must("kill", "a", "-s", "KILL")
	e := b.awaitKind(since, "a", "start_failed")
	has(t, "the cause", e.Cause, "start timeout")
	b.awaitFile("asked")
	b.awaitKind(e.Seq, "a", "starting") // and again
	has(t, "why", b.must("why", "a"), "SIGKILL", "failed to start")
	if n := b.node("a"); n.LastExit == nil || n.LastExit.Reason != "start_failed" {
		t.Errorf("last exit: %+v", n.LastExit)
	}
	b.must("stop", "a")
	if s := b.node("a").State; s != "stopped" {
		t.Errorf("a is %s", s)
	}
}
