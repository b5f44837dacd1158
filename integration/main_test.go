package integration

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"coppice/ipc"
)

// binary is the program under test, built once from this source.
var binary string

func TestMain(m *testing.M) {
	if what := os.Getenv(witnessVariable); what != "" {
		beWitness(what)
	}
	if signal.Ignored(syscall.SIGHUP) { // nohup(1); else daemons would inherit that
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
	if binary = os.Getenv(programVariable); binary != "" {
		os.Exit(m.Run())
	}
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "coppice-test")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		// An ordinary user that a test becomes has to reach the binary.
		if err := os.Chmod(dir, 0o755); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		binary = filepath.Join(dir, "coppice")
		build := exec.Command("go", "build", "-o", binary, "../cmd/coppice")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if os.Getenv("RACE") != "" { // the program is what races, not its tests
			build = exec.Command("go", "build", "-race", "-o", binary, "../cmd/coppice")
			build.Env = append(os.Environ(), "CGO_ENABLED=1", "GORACE=halt_on_error=1")
		}
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "cannot build the program under test: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// patience is how long a test waits for an event before it is a failure. It is
// never waited for in full when things are well.
const patience = 30 * time.Second

// bed is one tree in a folder of its own. Whatever still runs at the end of the
// test is ended with it.
type bed struct {
	t       testing.TB
	dir     string
	program string              // another build of the program; "": the one under test
	env     []string            // what its commands have in their environment, beside the usual
	user    *syscall.Credential // whose its commands are; nil: this test's
	ambient []uintptr           // the capabilities that they have as another user
}

// newBed makes a folder with a tree file.
func newBed(t testing.TB, tree string) *bed {
	t.Helper()
	b := &bed{t: t, dir: t.TempDir()}
	b.write("coppice.toml", tree)
	t.Cleanup(b.end)
	return b
}

func (b *bed) path(name string) string { return filepath.Join(b.dir, name) }

func (b *bed) write(name, content string) {
	b.t.Helper()
	if err := os.WriteFile(b.path(name), []byte(content), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) read(name string) string {
	b.t.Helper()
	content, err := os.ReadFile(b.path(name))
	if err != nil {
		b.t.Fatal(err)
	}
	return string(content)
}

// end stops the tree, however the test went.
func (b *bed) end() {
	t, err := b.client().Tree(context.Background(), false)
	if err != nil {
		return // no daemon
	}
	down := b.command("down")
	if out, err := down.CombinedOutput(); err != nil {
		b.t.Errorf("cannot end the tree of daemon %d: %v\n%s", t.Daemon.PID, err, out)
	}
}

// client speaks to the daemon of the bed.
func (b *bed) client() *ipc.Client { return &ipc.Client{Dir: b.path(".coppice")} }

// command is the program, to be run in the bed's folder. It is killed when the
// test has lost its patience.
func (b *bed) command(args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	b.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, cmp.Or(b.program, binary), args...)
	cmd.Dir = b.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: b.user, AmbientCaps: b.ambient}
	cmd.Env = append(append(os.Environ(), "NO_COLOR=1", "COPPICE_SOCKET=", "COPPICE_STATE="), b.env...)
	return cmd
}

// result is what a command answered.
type result struct {
	code        int
	out, errors string
}

// run runs the program to its end.
func (b *bed) run(args ...string) result {
	b.t.Helper()
	var out, errs bytes.Buffer
	cmd := b.command(args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		b.t.Fatalf("coppice %s: %v", strings.Join(args, " "), err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// must runs the program and wants exit code 0.
func (b *bed) must(args ...string) string {
	b.t.Helper()
	r := b.run(args...)
	if r.code != 0 {
		b.t.Fatalf("coppice %s: exit code %d\n%s%s", strings.Join(args, " "), r.code, r.out, r.errors)
	}
	return r.out
}

// up starts the tree in the background.
func (b *bed) up() {
	b.t.Helper()
	b.must("up", "-d")
}

// tree is `status --json`.
func (b *bed) tree() *ipc.Tree {
	b.t.Helper()
	var t ipc.Tree
	if err := json.Unmarshal([]byte(b.must("status", "--json")), &t); err != nil {
		b.t.Fatal(err)
	}
	return &t
}

// node is one node of the tree by name.
func (b *bed) node(name string) ipc.Node {
	b.t.Helper()
	n, ok := findNode(b.tree().Root, name)
	if !ok {
		b.t.Fatalf("the tree has no %s", name)
	}
	return n
}

func findNode(n ipc.Node, name string) (ipc.Node, bool) {
	if n.Name == name {
		return n, true
	}
	for _, c := range n.Children {
		if found, ok := findNode(c, name); ok {
			return found, true
		}
	}
	return ipc.Node{}, false
}

// pids are the main processes of a tree by name.
func pids(n ipc.Node) map[string]int {
	m := map[string]int{}
	var walk func(ipc.Node)
	walk = func(n ipc.Node) {
		if n.PID != 0 {
			m[n.Name] = n.PID
		}
		for _, c := range n.Children {
			walk(c)
		}
	}
	walk(n)
	return m
}

// await waits for an event of the record after since that match accepts, and
// returns it. It looks at events only, never at the clock.
func (b *bed) await(since uint64, what string, match func(ipc.Event) bool) ipc.Event {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var found *ipc.Event
	enough := errors.New("enough")
	err := b.client().Events(ctx, since, true, func(e ipc.Event) error {
		if match(e) {
			found = &e
			return enough
		}
		return nil
	})
	if found == nil {
		b.t.Fatalf("no event tells that %s: %v\n%s%s", what, err, b.run("status").out, b.run("events").out)
	}
	return *found
}

// awaitKind waits for a kind of event of one node.
func (b *bed) awaitKind(since uint64, node, kind string) ipc.Event {
	b.t.Helper()
	return b.await(since, node+" "+kind, func(e ipc.Event) bool { return e.Node == node && e.Kind == kind })
}

// events is the record so far.
func (b *bed) events() []ipc.Event {
	b.t.Helper()
	var all []ipc.Event
	for line := range strings.Lines(b.must("events", "--json")) {
		var e ipc.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			b.t.Fatalf("%v in %q", err, line)
		}
		all = append(all, e)
	}
	return all
}

// get is a plain request over the socket, as curl would make it.
func (b *bed) get(path string) (int, string) {
	b.t.Helper()
	c := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", b.path(".coppice/sock"))
		},
	}}
	r, err := c.Get("http://coppice" + path)
	if err != nil {
		b.t.Fatal(err)
	}
	defer r.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(r.Body); err != nil {
		b.t.Fatal(err)
	}
	return r.StatusCode, body.String()
}
