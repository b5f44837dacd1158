package process_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coppice/supervisor/process"
	"coppice/tree"
)

func TestFindUnits(t *testing.T) {
	treeID := fmt.Sprint("test:", unix.Getpid())
	w := newWorld(t)
	start := func(treeID, name string, g tree.Generation, script string) (tree.Ref, process.Identity) {
		read, write := pipe(t)
		ref := tree.Ref{ID: name, Generation: g}
		w.Start(ref, process.Command{
			Argv: []string{"sh", "-c", script}, Stdout: write,
			Env: append([]string{"XSUPERVISED_BY=test:x:1", process.Unit(treeID, name, g)}, environment...),
		})
		pid := nextIs[process.Started](w).PID
		for range 1 + strings.Count(script, "&") {
			var buffer [6]byte
			if _, err := read.Read(buffer[:]); err != nil {
				t.Fatal(err)
			}
		}
		id, err := process.Identify(pid)
		if err != nil {
			t.Fatal(err)
		}
		return ref, id
	}
	// Each writes "ready" when it is what it will be.
	const quiet = "echo ready; exec sleep 1000"
	one, oneID := start(treeID, "one", 1, quiet)
	family, familyID := start(treeID, "family", 7, "(echo ready; exec sleep 1000) & setsid sh -c '"+quiet+"' & "+quiet)
	other, _ := start(treeID+"x", "other", 1, quiet)
	scrubbed, _ := start(treeID, "scrubbed", 1, "exec env -i sh -c '"+quiet+"'")

	found, err := process.FindUnits(treeID)
	if err != nil {
		t.Fatal(err)
	}
	leaders := map[tree.Ref]process.Identity{}
	counts := map[tree.Ref]int{}
	for _, f := range found {
		counts[f.Ref]++
		if f.Leader {
			leaders[f.Ref] = f.Identity
		}
	}
	if len(counts) != 2 || counts[one] != 1 || counts[family] != 3 {
		t.Errorf("found %v", found)
	}
	if len(leaders) != 2 || leaders[one] != oneID || leaders[family] != familyID {
		t.Errorf("leaders %v", leaders)
	}
	escaped := slices.IndexFunc(found, func(f process.Found) bool {
		group, _ := unix.Getpgid(f.Identity.PID)
		return f.Ref == family && group == f.Identity.PID && f.Identity != familyID
	})
	if escaped < 0 {
		t.Fatal("the member that has left is not found")
	}
	if err := unix.Kill(found[escaped].Identity.PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for _, ref := range []tree.Ref{one, family, other, scrubbed} {
		w.Kill(ref)
	}
	for range 4 {
		nextIs[process.Exited](w)
	}
}

// beLate executes a program of a tree once it gets a line, as the child of a fork
// does whose parent was killed.
func beLate() {
	_, err := os.Stdin.Read(make([]byte, 1))
	must(err)
	must(syscall.Exec("/bin/sleep", []string{"sleep", "1000"}, []string{process.Unit("late", "child", 1)}))
}

// A sibling that executes its program while units are sought is found, unless that
// takes too long, which it may do now and then.
func TestFindUnitsWaitsForForks(t *testing.T) {
	if !inside(t, "sibling", nil) {
		return
	}
	for range 50 {
		read, write := pipe(t)
		pid, err := syscall.ForkExec(exe, []string{exe}, &syscall.ProcAttr{
			Env:   []string{circumstance + "=late"},
			Files: []uintptr{read.Fd(), 1, 2},
			Sys:   &syscall.SysProcAttr{Setsid: true, Cloneflags: unix.CLONE_PARENT},
		})
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			time.Sleep(2 * time.Millisecond)
			fmt.Fprintln(write)
		}()
		found, err := process.FindUnits("late")
		unix.Kill(pid, unix.SIGKILL)
		if err != nil {
			t.Fatal(err)
		}
		if len(found) == 1 && found[0].Leader && found[0].Identity.PID == pid {
			return
		}
	}
	t.Error("a sibling that was late was never found")
}

func TestIdentity(t *testing.T) {
	self, err := process.Identify(unix.Getpid())
	if err != nil || self.Start == 0 {
		t.Fatal(self, err)
	}
	for _, other := range []process.Identity{
		{PID: self.PID},
		{PID: self.PID, Start: self.Start + 1},
		{PID: self.PID, Start: self.Start, Inode: self.Inode + 1},
		{PID: self.PID + 1, Start: self.Start, Inode: self.Inode},
	} {
		if other.Inode != 0 && self.Inode == 0 {
			continue
		}
		if self.Same(other) || other.Same(self) {
			t.Errorf("%v and %v are the same", self, other)
		}
	}
	if !self.Same(process.Identity{PID: self.PID, Start: self.Start}) {
		t.Error("the start does not suffice where nothing else is known")
	}
	if id, err := process.Identify(1 << 30); err == nil {
		t.Error(id)
	}
}

func BenchmarkFindUnits(b *testing.B) {
	for b.Loop() {
		if _, err := process.FindUnits("none"); err != nil {
			b.Fatal(err)
		}
	}
}
