package process_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"coppice/supervisor/process"
	"coppice/tree"
)

// output runs a command to its end and returns what it wrote.
func (w *world) output(argv ...string) string {
	w.t.Helper()
	read, write := pipe(w.t)
	ref, _ := w.start(process.Command{Argv: argv, Env: environment, Stdout: write, Stderr: write})
	data := readAll(w.t, read)
	w.wantExit(ref, tree.Exit{})
	return string(data)
}

func TestChildSignals(t *testing.T) {
	w := newWorld(t)
	checked := 0
	for line := range strings.Lines(w.output("cat", "/proc/self/status")) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":\t")
		switch name {
		case "SigBlk", "SigIgn", "SigCgt", "SigPnd", "ShdPnd":
			checked++
			if value != "0000000000000000" {
				t.Errorf("%s is %s", name, value)
			}
		}
	}
	if checked != 5 {
		t.Errorf("%d lines found", checked)
	}
}

func TestChildDescriptors(t *testing.T) {
	w := newWorld(t)
	// 3 is the directory that the shell is listing.
	got := w.output("sh", "-c", `cd /proc/$$/fd; echo *; readlink 0`)
	if want := "0 1 2 3\n/dev/null\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	ref, pid := w.start(process.Command{Argv: []string{"sleep", "1000"}, Env: environment})
	for fd := range 3 {
		if target, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pid, fd)); target != "/dev/null" {
			t.Errorf("without a file %d is %s, %v", fd, target, err)
		}
	}
	w.Kill(ref)
	w.wantExit(ref, tree.Exit{Signal: "SIGKILL"})
}

func TestChildLeadsASession(t *testing.T) {
	w := newWorld(t)
	_, stat, _ := strings.Cut(w.output("cat", "/proc/self/stat"), ") ")
	var state string
	var parent, group, session, terminal int
	if _, err := fmt.Sscan(stat, &state, &parent, &group, &session, &terminal); err != nil {
		t.Fatal(err)
	}
	if parent != os.Getpid() || group == os.Getpid() || group != session || terminal != 0 {
		t.Errorf("parent %d (we are %d), group %d, session %d, terminal %d", parent, os.Getpid(), group, session, terminal)
	}
}

func TestChildEnvironment(t *testing.T) {
	w := newWorld(t)
	t.Setenv("LEAK", "1")
	read, write := pipe(t)
	dir := t.TempDir()
	ref, _ := w.start(process.Command{
		Argv: []string{"/bin/sh", "-c", `env; pwd -P; echo "$0 $1"; echo err >&2`, "zero", "a b"},
		Env:  []string{"A=1", "B="}, Dir: dir, Stdout: write, Stderr: write,
	})
	got := string(readAll(t, read))
	w.wantExit(ref, tree.Exit{})
	if want := "A=1\nB=\nPWD=" + dir + "\n" + dir + "\nzero a b\nerr\n"; sorted(got) != sorted(want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// sorted is a text with its lines in order.
func sorted(text string) string {
	return strings.Join(slices.Sorted(strings.Lines(text)), "")
}

// The child has the soft limit of descriptors that the daemon was started with,
// not the one that Go has raised, also after a look at the limit.
func TestChildSoftLimit(t *testing.T) {
	if !inside(t, "hostile starter", nil) {
		return
	}
	if err := process.CheckDescriptors(1, 1); err != nil {
		t.Error(err)
	}
	w := newWorld(t)
	if got, want := w.output("sh", "-c", "ulimit -n"), strconv.Itoa(hostileSoftLimit)+"\n"; got != want {
		t.Errorf("the child's limit is %q, want %q", got, want)
	}
}

// An orphan of a child becomes our child.
func TestDaemonIsSubreaper(t *testing.T) {
	w := newWorld(t)
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	ref, _, output := w.shell(`setsid sh -c "echo escaped; read x <`+fifo+`; exec cut -d ' ' -f 4 /proc/self/stat" &
		trap "exit 0" USR1; echo leader; while :; do wait; done`, "escaped", "leader")
	w.Signal(ref, "SIGUSR1", false)
	w.wantExit(ref, tree.Exit{})
	file, err := unix.Open(fifo, unix.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(file)
	if line, _ := output.ReadString('\n'); line != fmt.Sprintln(os.Getpid()) {
		t.Errorf("the orphan's parent is %q", line)
	}
}

// The other tests hold wherever the daemon comes from.
func TestCircumstances(t *testing.T) {
	for which, tests := range map[string]string{
		"hostile starter": "^Test(Exit|Ends|Orphans|Child|Stop|Unasked|Group|StartFail)",
		"old kernel":      "^Test(Exit|Ends|Orphans|Child|Stop|Unasked|Group|Member|End|Stale|SignalTo|Adopt|Notes)",
		"no descriptors":  "^Test(Child|Exit|Stop)",
	} {
		t.Run(which, func(t *testing.T) { under(t, which, tests, nil) })
	}
}
