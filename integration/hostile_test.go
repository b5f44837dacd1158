package integration

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// malformed are tree files that nobody should run, by name: those of
// testdata/hostile, and the examples with one thing broken.
func malformed(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{
		"NUL":             "[process.a]\ncommand = \"a\x00b\"\n",
		"invalid UTF-8":   "[process.a]\ncommand = \"\xff\"\n",
		"escape":          "[process.a]\ncommand = \"\x1b[2J\"\n",
		"carriage return": "[process.a]\rcommand = \"x\"\r",
		"bomb of lists":   "[process.a]\ncommand = " + strings.Repeat("[", 100_000),
		"bomb of tables":  "[process.a]\nenv = " + strings.Repeat("{a=", 20_000),
		"bomb of dots":    strings.Repeat("a.", 50_000) + "b = 1\n",
		"bomb of headers": "[" + strings.Repeat("a.", 50_000) + "b]\n",
		"bomb of faults":  strings.Repeat("[process.a]\nnonsense = 1\n", 5_000),
		"a long line":     "[process.a]\ncommand = 3 # " + strings.Repeat("x", 200_000) + "\n",
		"a deep tree":     deepTree(2_000),
	}
	files, err := filepath.Glob("testdata/hostile/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no hostile files", err)
	}
	for _, file := range files {
		for i, part := range strings.Split("\n"+read(t, file), "\n-- ") {
			if name, text, ok := strings.Cut(part, " --\n"); ok && i > 0 {
				all[filepath.Base(file)+": "+name] = text + "\n"
			}
		}
	}
	for name, text := range broken(t) {
		all[name] = text
	}
	return all
}

// deepTree has a chain of supervisors that closes on itself.
func deepTree(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "[supervisor.s%d]\nchildren = [\"s%d\"]\n", i, (i+1)%n)
	}
	return b.String() + "[process.a]\ncommand = \"x\"\n"
}

var keyLine = regexp.MustCompile(`^([a-z_]+)(\s*= )(.*)$`)

// broken are the examples, each with one line broken in each of several ways
// that no TOML and no tree file forgives.
func broken(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("../configs/examples/*.toml")
	if err != nil || len(files) == 0 {
		t.Fatal("no examples", err)
	}
	all := map[string]string{}
	for _, file := range files {
		lines := strings.Split(read(t, file), "\n")
		inString := false
		for i, line := range lines {
			wasIn := inString
			if strings.Count(line, `"""`)%2 == 1 {
				inString = !inString
			}
			m := keyLine.FindStringSubmatch(line)
			if wasIn || inString || m == nil {
				continue
			}
			for how, other := range map[string]string{
				"misspelt":  m[1] + "x" + m[2] + m[3],
				"twice":     line + "\n" + line,
				"no value":  m[1] + m[2],
				"unclosed":  m[1] + m[2] + `"` + strings.ReplaceAll(m[3], `"`, ""),
				"a date":    m[1] + m[2] + "2026-01-01",
				"no equals": m[1] + " " + m[3],
			} {
				text := strings.Join(append(append(append([]string{}, lines[:i]...), other), lines[i+1:]...), "\n")
				all[fmt.Sprintf("%s:%d %s", filepath.Base(file), i+1, how)] = text
			}
		}
	}
	return all
}

// A wrong file is refused at once, with the place of what is wrong, and nothing
// is started.
func TestMalformedFiles(t *testing.T) {
	t.Parallel()
	b := plot(t, "")
	cases := malformed(t)
	if len(cases) < 120 {
		t.Fatalf("%d files only", len(cases))
	}
	i := 0
	for name, text := range cases {
		b.write("coppice.toml", text)
		verbs := [][]string{{"check"}}
		if i++; i%4 == 0 || strings.Contains(name, ".txt") {
			verbs = append(verbs, []string{"up"}, []string{"up", "-d"})[:2+i%2]
		}
		for _, verb := range verbs {
			began := time.Now()
			r := b.run(verb...)
			took := time.Since(began)
			if took > time.Second { // the machine may have been busy, once
				began = time.Now()
				b.run(verb...)
				took = time.Since(began)
			}
			switch {
			case r.code != 2:
				t.Errorf("%s: %v has exit code %d\n%s\n%.400s", name, verb, r.code, r.errors, text)
			case !places.MatchString(r.errors):
				t.Errorf("%s: %v tells no place:\n%.400s", name, verb, r.errors)
			case strings.Contains(r.errors, "panic") || strings.Contains(r.errors, "goroutine"):
				t.Errorf("%s: %v:\n%s", name, verb, r.errors)
			case took > time.Second:
				t.Errorf("%s: %v took %v", name, verb, took)
			case strings.ContainsAny(r.errors, "\x1b\x00\r"):
				t.Errorf("%s: %v gives the terminal what is not text: %.400q", name, verb, r.errors)
			case len(r.errors) > 64<<10:
				t.Errorf("%s: %v says %d bytes", name, verb, len(r.errors))
			}
		}
	}
	t.Logf("%d files", len(cases))
	if hasFile(b, ".coppice") {
		t.Error("a wrong file has made a state folder")
	}
}

// What is no file of text at all is refused too.
func TestNoFileAtAll(t *testing.T) {
	t.Parallel()
	b := plot(t, "")
	b.folder("folder")
	if err := unix.Mkfifo(b.path("fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.write("huge.toml", "")
	if err := os.Truncate(b.path("huge.toml"), 1<<30); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"coppice.toml", "folder", "fifo", "huge.toml", "missing.toml", "/dev/zero", "/dev/null"} {
		r := b.exits(2, "check", "-f", name)
		has(t, name, r.errors, filepath.Base(name))
	}
}

// dial opens a raw connection to the socket.
func (b *bed) dial() *net.UnixConn {
	b.t.Helper()
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: b.path(".coppice/sock"), Net: "unix"})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { conn.Close() })
	return conn
}

// Whatever bytes come over the socket, the daemon answers the next one.
func TestRawBytesOnTheSocket(t *testing.T) {
	t.Parallel()
	b := plot(t, "[process.a]\ncommand = [\"sleep\", \"1000\"]\n")
	b.up()
	pid := b.node("a").PID
	head := "GET /v1/tree HTTP/1.1\r\nHost: coppice\r\n"
	post := "POST /v1/nodes/a/kill HTTP/1.1\r\nHost: coppice\r\n"
	for name, raw := range map[string]string{
		"nothing":         "",
		"a newline":       "\n",
		"binary":          string(bytes.Repeat([]byte{0xff, 0, 1, 2}, 1000)),
		"HTTP/0.9":        "GET /v1/tree\r\n\r\n",
		"HTTP/2":          "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"no host":         "GET /v1/tree HTTP/1.1\r\n\r\n",
		"two hosts":       head + "Host: evil\r\n\r\n",
		"another host":    "GET /v1/tree HTTP/1.1\r\nHost: evil.example\r\n\r\n",
		"an origin":       head + "Origin: http://evil.example\r\n\r\n",
		"half a request":  "POST /v1/down HTTP/1.1\r\nHost: cop",
		"half a body":     "POST /v1/reload HTTP/1.1\r\nHost: coppice\r\nContent-Length: 100\r\n\r\n{\"dry",
		"both lengths":    "POST /v1/down HTTP/1.1\r\nHost: coppice\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
		"a negative size": "POST /v1/down HTTP/1.1\r\nHost: coppice\r\nContent-Length: -1\r\n\r\n",
		"a huge header":   head + "X: " + strings.Repeat("x", 1<<20) + "\r\n\r\n",
		"many headers":    head + strings.Repeat("X: y\r\n", 20_000) + "\r\n",
		"a long path":     "GET /v1/" + strings.Repeat("x", 60_000) + " HTTP/1.1\r\nHost: coppice\r\n\r\n",
		"path games":      "POST /v1/../v1/nodes/%2e%2e/stop HTTP/1.1\r\nHost: coppice\r\nContent-Length: 0\r\n\r\n",
		"a method":        "BREW /v1/tree HTTP/1.1\r\nHost: coppice\r\n\r\n",
		"get a verb":      "GET /v1/down HTTP/1.1\r\nHost: coppice\r\n\r\n",
		"bad json":        post + "Content-Length: 9\r\n\r\n{\"signal\"",
		"deep json":       post + "Content-Length: 200000\r\n\r\n" + strings.Repeat("[", 200_000),
		"unknown field":   post + "Content-Length: 17\r\n\r\n{\"sgnl\":\"SIGHUP\"}",
		"no signal":       post + "Content-Length: 19\r\n\r\n{\"signal\":\"SIGFOO\"}",
	} {
		conn := b.dial()
		_ = conn.SetDeadline(time.Now().Add(patience))
		_, _ = conn.Write([]byte(raw)) // it may be cut off before the end
		_ = conn.CloseWrite()
		answer, _ := io.ReadAll(io.LimitReader(conn, 1<<20))
		conn.Close()
		if bytes.HasPrefix(answer, []byte("HTTP/1.1 5")) || name != "HTTP/0.9" && bytes.HasPrefix(answer, []byte("HTTP/1.1 200")) {
			t.Errorf("%s: answered %.80q", name, answer)
		}
	}
	b.exits(0, "status", "a")
	if got := b.node("a").PID; got != pid {
		t.Error("the child was touched")
	}
}

// Connections that never speak are in nobody's way.
func TestSilentConnections(t *testing.T) {
	t.Parallel()
	b := plot(t, "[process.a]\ncommand = [\"sleep\", \"1000\"]\n")
	b.up()
	for i := range 300 {
		conn := b.dial()
		if i%3 == 0 {
			_, _ = conn.Write([]byte("GET /v1/tr")) // some say half a word
		}
		if i%30 == 29 {
			began := time.Now()
			b.exits(0, "status", "a")
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("with %d of them status took %v", i+1, took)
			}
		}
	}
	b.must("restart", "a")
	b.must("down")
}

// A client that goes away in the middle loses its answer, and nothing else.
func TestClientGoesAway(t *testing.T) {
	t.Parallel()
	b := plot(t, `
[process.a]
command = "trap 'while [ ! -e go ]; do sleep 0.02; done; exit 0' TERM; echo on; while :; do sleep 0.02; done"
stop_to = "main"
shutdown = "1h"
`)
	b.up()
	b.awaitLog("a", "on")
	since := b.newest()
	client := b.begin("restart", "a")
	b.awaitState("a", "stopping")
	client.signal(syscall.SIGKILL)
	client.wait()
	b.write("go", "")
	b.awaitKind(since, "a", "started")
	b.awaitState("a", "running")
}

// Subscribers that never read cost the others nothing, nor memory without end.
func TestSubscribersThatNeverRead(t *testing.T) {
	t.Parallel()
	b := plot(t, `
[supervisor.root]
intensity = "infinity"
children = ["loud", "brief"]
[process.loud]
command = "yes a line of some length that is repeated | head -c 30000000; sleep 1000"
[process.brief]
command = ["sleep", "1000"]
`)
	b.up()
	for i := range 20 {
		path := []string{"/v1/events?follow=1", "/v1/logs/loud?follow=1"}[i%2]
		conn := b.dial()
		_ = conn.SetReadBuffer(4096)
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: coppice\r\n\r\n", path)
	}
	since := b.newest()
	for range 30 {
		last := b.newest()
		b.must("kill", "brief", "-s", "KILL")
		b.awaitKind(last, "brief", "started")
	}
	if n := len(story(b.events(), since, "exited")); n != 30 {
		t.Errorf("%d ends are told", n)
	}
	if kb := memory(b.tree().Daemon.PID); kb > 200<<10 {
		t.Errorf("the daemon has %d kB", kb)
	}
	b.must("down")
}

// memory is a process's resident memory in kB.
func memory(pid int) int {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	kb := 0
	for line := range strings.Lines(string(status)) {
		if _, err := fmt.Sscanf(line, "VmRSS: %d kB", &kb); err == nil {
			return kb
		}
	}
	return 0
}

// Two hundred ends at once, seen by a daemon that has slept through them, are
// two hundred ends.
func TestBurstOfKills(t *testing.T) {
	t.Parallel()
	const n = 200
	var tree strings.Builder
	tree.WriteString("[supervisor.root]\nintensity = \"infinity\"\nchildren = [")
	for i := range n {
		fmt.Fprintf(&tree, "\"p%d\", ", i)
	}
	tree.WriteString("]\n")
	for i := range n {
		fmt.Fprintf(&tree, "[process.p%d]\ncommand = [\"sleep\", \"1000\"]\n", i)
	}
	b := plot(t, tree.String())
	b.up()
	before := b.tree()
	since := b.newest()
	daemon := before.Daemon.PID
	if err := syscall.Kill(daemon, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for _, pid := range pids(before.Root) {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Error(err)
		}
	}
	if err := syscall.Kill(daemon, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		b.awaitKind(since, fmt.Sprintf("p%d", i), "started")
	}
	if got := len(story(b.events(), since, "exited")); got != n {
		t.Errorf("%d ends are told", got)
	}
	after := pids(b.tree().Root)
	if len(after) != n {
		t.Errorf("%d run again", len(after))
	}
	for _, pid := range pids(before.Root) {
		gone(t, "a killed one", pid)
	}
	for _, pid := range allPIDs() {
		if procState(pid) == "Z" && parentOf(pid) == daemon {
			t.Errorf("%d is a zombie", pid)
		}
	}
}

// A daemon that can open no more files says so, lives, and goes on when it can.
func TestNoMoreDescriptors(t *testing.T) {
	t.Parallel()
	b := plot(t, `
[process.a]
command = ["sleep", "1000"]
[process.b]
command = ["sleep", "1000"]
`)
	b.up()
	b.must("stop", "b")
	daemon := b.tree().Daemon.PID
	var was unix.Rlimit
	if err := unix.Prlimit(daemon, unix.RLIMIT_NOFILE, nil, &was); err != nil {
		t.Skipf("cannot limit the daemon here: %v", err)
	}
	// A connection needs one; what a child's log and its start need is not there.
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", daemon))
	if err != nil {
		t.Fatal(err)
	}
	tight := was
	tight.Cur = uint64(len(open)) + 1
	if err := unix.Prlimit(daemon, unix.RLIMIT_NOFILE, &tight, nil); err != nil {
		t.Fatal(err)
	}
	r := b.run("start", "b")
	if err := unix.Prlimit(daemon, unix.RLIMIT_NOFILE, &was, nil); err != nil {
		t.Fatal(err)
	}
	if r.code != 1 {
		t.Errorf("start: exit code %d: %s%s", r.code, r.out, r.errors)
	}
	// Which part of the start is the first to miss one is not certain.
	if !regexp.MustCompile("too many open files|no descriptor left").MatchString(r.errors) {
		t.Errorf("it does not tell the reason: %s", r.errors)
	}
	b.exits(0, "status", "a")
	b.must("start", "b")
	b.exits(0, "status", "a", "b")
}

// A command that the kernel refuses as too long fails like any other.
func TestTooLongCommand(t *testing.T) {
	t.Parallel()
	b := plot(t, "[process.a]\ncommand = [\"sleep\", \"1000\"]\n[process.long]\ncommand = [\"echo\", \""+strings.Repeat("x", 150<<10)+"\"]\n")
	r := b.run("up", "-d")
	if r.code != 1 && r.code != 2 {
		t.Errorf("exit code %d", r.code)
	}
	if len(r.errors) > 8<<10 {
		t.Errorf("it says %d bytes", len(r.errors))
	}
	has(t, "stderr", r.errors, "long")
}
