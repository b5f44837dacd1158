package integration

import (
	"fmt"
	"go/ast"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"coppice/ipc"
)

// crashing is the program with its named steps, built once.
var crashing = sync.OnceValues(func() (string, error) {
	path := filepath.Join(filepath.Dir(binary), "coppice-crashing")
	build := exec.Command("go", "build", "-tags", "crash", "-o", path, "../cmd/coppice")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	if err != nil {
		return string(out), err
	}
	return path, nil
})

// crashPoints are the names of all steps in the source.
func crashPoints(t *testing.T) []string {
	t.Helper()
	var points []string
	for _, s := range sources(t) {
		ast.Inspect(s.file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) != 1 {
				return true
			}
			f, ok := call.Fun.(*ast.SelectorExpr)
			name, literal := call.Args[0].(*ast.BasicLit)
			if x, isName := ident(f); ok && literal && isName && x == "crash" && f.Sel.Name == "Point" {
				point, _ := strconv.Unquote(name.Value)
				points = append(points, point)
			}
			return true
		})
	}
	slices.Sort(points)
	return slices.Compact(points)
}

func ident(f *ast.SelectorExpr) (string, bool) {
	if f == nil {
		return "", false
	}
	x, ok := f.X.(*ast.Ident)
	if !ok {
		return "", false
	}
	return x.Name, true
}

// TestCrashPoints kills daemon or keeper at each named step of what they do, once,
// while a tree of witnesses goes through all that can be asked of it, and wants
// nothing to have been lost or doubled.
func TestCrashPoints(t *testing.T) {
	program, err := crashing()
	if err != nil {
		t.Fatalf("%v\n%s", err, program)
	}
	points := crashPoints(t)
	if len(points) < 20 {
		t.Fatalf("only %d steps have a name: %v", len(points), points)
	}
	for _, point := range points {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			throughCrash(t, program, point, "")
		})
	}
}

// TestCrashWhileSetUp is the same for a process that a trampoline sets up: it is found,
// though it is not the program yet that it will be.
func TestCrashWhileSetUp(t *testing.T) {
	program, err := crashing()
	if err != nil {
		t.Fatalf("%v\n%s", err, program)
	}
	for _, point := range []string{"spawn.forked", "spawn.noted", "step.done", "adopt.done", "reap.noted"} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			throughCrash(t, program, point, "\numask = \"027\"\nrlimits = { core = 0 }")
		})
	}
}

// The output of a process that was forked and not written down is captured, also where
// daemon and keeper have died over it, and never as that of the one before.
func TestOutputOfAnUnwrittenFork(t *testing.T) {
	program, err := crashing()
	if err != nil {
		t.Fatalf("%v\n%s", err, program)
	}
	for _, both := range []bool{false, true} {
		t.Run(fmt.Sprintf("keeper dies=%v", both), func(t *testing.T) {
			t.Parallel()
			b := newBed(t, "[supervisor.root]\nchildren = [\"a\"]\n[process.a]\ncommand = \"while :; do echo I am $$; sleep 0.02; done\"\n")
			b.program = program
			token := b.path("token")
			b.env = []string{"COPPICE_CRASH=spawn.forked:" + token}
			b.up()
			d, old := b.tree().Daemon, b.node("a").PID
			b.write("token", "")
			if both {
				_ = syscall.Kill(d.Keeper, syscall.SIGSTOP) // so that it starts no other daemon
			}
			_ = syscall.Kill(old, syscall.SIGKILL)
			until(t, "the daemon has died", func() bool { _, err := os.Stat(token); return err != nil && !isAlive(d.PID) })
			if both {
				_ = syscall.Kill(d.Keeper, syscall.SIGKILL)
				awaitGone(t, d.Keeper)
				b.up()
			}
			pid := 0
			until(t, "the next one runs", func() bool {
				n, _ := findNode(b.lasting().Root, "a")
				pid = n.PID
				return n.State == "running" && pid != old
			})
			words := fmt.Sprintf("I am %d", pid)
			until(t, "it is heard", func() bool { return strings.Contains(b.must("logs", "a"), words) })
			err := b.client().Logs(t.Context(), ipc.LogQuery{Names: []string{"a"}, Last: -1}, func(line ipc.LogLine) error {
				if was := fmt.Sprintf("I am %d", old); line.Text == words && line.Incarnation == 1 || line.Text == was && line.Incarnation != 1 {
					return fmt.Errorf("%q is of incarnation %d", line.Text, line.Incarnation)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// throughCrash has keys in the table of the process that is restarted.
func throughCrash(t *testing.T, program, point, keys string) {
	b := newBed(t, "")
	b.program = program
	token := b.path("token")
	b.env = []string{"COPPICE_CRASH=" + point + ":" + token}
	w := newWitnesses(t, b.dir)
	names := []string{"a", "b", "c"}
	file := func(edit string) string {
		log := "log = { max_size = \"16KiB\", max_files = 100000, compress = true }"
		tables := w.process("a", "1ms", log+keys) + w.process("b", "1ms", log) + w.process("c", "1ms", log)
		direct := w.process("d", "1ms", "log = { mode = \"direct\", max_size = \"4KiB\", max_files = 1 }")
		return strings.Replace(tables, "env = {", "env = { EDIT = \""+edit+"\",", 1) + direct +
			"[supervisor.root]\nstrategy = \"rest_for_one\"\nintensity = \"infinity\"\nchildren = [\"d\", \"a\", \"b\", \"c\"]\n"
	}
	b.write("coppice.toml", file("1"))
	armed := func() bool { _, err := os.Stat(token); return err == nil }
	b.prepare(point)
	before := b.lasting().Daemon
	early := strings.HasPrefix(point, "journal.") || strings.HasPrefix(point, "migrate.")
	if !early {
		b.write("token", "")
	}

	// What is asked for may be cut off by the crash; then the next daemon does it, or
	// it was never begun. It is asked for until the crash has come.
	for range 20 {
		b.run("restart", "a")
		b.run("stop", "c")
		b.run("start", "c")
		if pid := pids(b.lasting().Root)["b"]; pid != 0 && isWitness(pid) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		b.write("coppice.toml", file("2"))
		b.run("reload")
		b.write("coppice.toml", file("3"))
		b.run("reload")
		if !armed() {
			break
		}
		d := b.lasting().Daemon
		if strings.HasPrefix(point, "takeover.") && d.Keeper != 0 {
			_ = syscall.Kill(d.Keeper, syscall.SIGKILL)
		} else {
			_ = syscall.Kill(d.PID, syscall.SIGKILL)
		}
		b.lasting()
	}
	if armed() {
		t.Errorf("the step was never taken")
	}
	if d := b.lasting().Daemon; d.PID == before.PID && !early {
		t.Errorf("the daemon is still %d", d.PID)
	}
	for _, name := range names {
		b.must("start", name)
	}
	w.speak(t, names...)
	b.must("down")
	for _, name := range names {
		if name == "a" && strings.HasPrefix(point, "migrate.") {
			continue // its log begins with what is none of its own
		}
		w.check(name, strings.NewReader(b.must("logs", "--raw", name)))
	}
	w.single(append(names, "d")...)
	check := &havoc{t: t, lost: true}
	check.checkRecord(b.events())
	if log := b.read(".coppice/daemon.log"); strings.Contains(log, "panic") {
		t.Errorf("it panics:\n%s", log)
	}
}

// prepare brings the tree to where a step is near. The steps of a journal that is
// begun anew are taken when a tree is started, some only after many; that of one
// with a torn end when the next daemon finds it.
func (b *bed) prepare(point string) {
	b.t.Helper()
	switch point {
	case "journal.cut":
		b.up()
		b.fell()
		journal := b.path(".coppice/journal")
		content := b.read(".coppice/journal") + "0123456"
		if err := os.WriteFile(journal, []byte(content), 0o600); err != nil {
			b.t.Fatal(err)
		}
		b.write("token", "")
	case "journal.created", "journal.written", "journal.kept", "journal.swapped", "journal.pruned":
		for range 10 {
			b.up()
			b.must("down")
		}
		b.write("token", "")
	case "migrate.index", "migrate.file":
		folder := b.path(".coppice/log/a")
		if err := os.MkdirAll(folder, 0o700); err != nil {
			b.t.Fatal(err)
		}
		if err := os.Chmod(b.path(".coppice"), 0o700); err != nil {
			b.t.Fatal(err)
		}
		for _, name := range []string{"current", "current.times"} {
			b.write(".coppice/log/a/"+name, "of an older layout\n")
		}
		b.write("token", "")
	case "journal.append", "journal.appended":
		b.up()
		b.write("token", "")
	}
	b.up()
}

// lasting is the tree, whoever was killed just now. Where both were, `up` goes on.
func (b *bed) lasting() *ipc.Tree {
	b.t.Helper()
	for {
		tree, err := b.client().Tree(b.t.Context(), false)
		switch err {
		case nil:
			return tree
		case ipc.ErrNoDaemon:
			b.up()
		case ipc.ErrDaemonGone:
		default:
			b.t.Fatal(err)
		}
	}
}
