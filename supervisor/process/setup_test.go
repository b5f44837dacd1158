package process_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coppice/supervisor/process"
	"coppice/supervisor/trampoline"
	"coppice/tree"
)

// A child that is set up is an ordinary child: it has the pid that was told, and its end
// is its program's.
func TestSetup(t *testing.T) {
	w := newWorld(t)
	mask := 0o137
	out := filepath.Join(t.TempDir(), "out")
	ref, pid := w.start(process.Command{
		Argv:  []string{"sh", "-c", `umask >"$0"; echo $$ >>"$0"; exit 7`, out},
		Env:   []string{"PATH=/usr/bin:/bin"},
		Setup: &trampoline.Spec{Umask: &mask},
	})
	w.wantExit(ref, tree.Exit{Code: 7})
	said, err := os.ReadFile(out)
	if fields := strings.Fields(string(said)); err != nil || len(fields) != 2 || fields[0] != "0137" || fields[1] != strconv.Itoa(pid) {
		t.Errorf("process %d says %q, %v", pid, said, err)
	}
	w.barrier()
}

// What cannot be set up is not executed, and says so.
func TestSetupFails(t *testing.T) {
	w := newWorld(t)
	missing := filepath.Join(t.TempDir(), "missing")
	for want, spec := range map[string]*trampoline.Spec{
		"cpu_affinity: cannot set cpu_affinity to [1000]: ": {CPUs: []int{1000}},
		"oom_score_adj: cannot set oom_score_adj to 5000: ": {OOMScoreAdj: pointer(5000)},
		"secret.A: cannot read the secret A from " + missing + ": no such file or directory": {
			Secrets: []trampoline.Secret{{Name: "A", File: missing, As: "env"}},
		},
		"rlimits.nofile: cannot set RLIMIT_NOFILE to 18446744073709551614: operation not permitted (the hard limit is ": {
			Limits: []trampoline.Limit{{Name: "RLIMIT_NOFILE", Key: "nofile", Resource: syscall.RLIMIT_NOFILE, Soft: 1<<64 - 2, Hard: 1<<64 - 2}},
		},
	} {
		ref := w.ref()
		w.Start(ref, process.Command{Argv: []string{"/bin/true"}, Setup: spec})
		f := nextIs[process.StartFailed](w)
		if got := f.Key + ": " + f.Cause; f.Ref != ref || !strings.HasPrefix(got, want) {
			t.Errorf("%s: expected %s", got, want)
		}
	}
	w.barrier()
}

// A stop that comes while a child is set up ends that: nothing of the program runs.
func TestStopWhileSetUp(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	program := filepath.Join(dir, "busy")
	file, err := os.OpenFile(program, os.O_CREATE|os.O_WRONLY, 0o755) // open for writing: ETXTBSY
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, stop := range []func(tree.Ref){func(ref tree.Ref) { w.Stop(ref, "SIGUSR1", true) }, w.Kill} {
		ref := w.ref()
		w.Start(ref, process.Command{Argv: []string{program}, Setup: &trampoline.Spec{}})
		time.Sleep(20 * time.Millisecond) // mostly it has said that it is ready by then
		stop(ref)
		f := nextIs[process.StartFailed](w)
		if f.Ref != ref || f.Cause != "it was stopped while it was set up" {
			t.Errorf("%+v", f)
		}
	}
	w.barrier()
}

// killer kills every child as soon as it was forked.
type killer struct{}

func (killer) Spawned(_ tree.Ref, id process.Identity) { _ = unix.Kill(id.PID, unix.SIGKILL) }
func (killer) Reaped(tree.Ref, tree.Exit, time.Time)   {}
func (killer) Signalled(tree.Ref, bool)                {}

// A trampoline that is killed is a failed start.
func TestKilledWhileSetUp(t *testing.T) {
	w := newNotedWorld(t, killer{})
	ref := w.ref()
	w.Start(ref, process.Command{Argv: []string{"/bin/true"}, Setup: &trampoline.Spec{}})
	if f := nextIs[process.StartFailed](w); f.Ref != ref || !strings.Contains(f.Cause, "was it killed?") {
		t.Errorf("%+v", f)
	}
}

func pointer(n int) *int { return &n }
