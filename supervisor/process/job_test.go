package process_test

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coppice/supervisor/process"
	"coppice/supervisor/trampoline"
	"coppice/tree"
)

// job starts a script as a job.
func (w *world) job(script string, limit time.Duration) process.JobID {
	w.ID++
	id := process.JobID(w.ID)
	w.StartJob(process.Job{
		ID: id, Ref: tree.Ref{ID: "child", Generation: 1}, Limit: limit,
		Command: process.Command{Argv: []string{"sh", "-c", script}, Env: environment},
	})
	return id
}

// done waits for the end of a job, which must be told next.
func (w *world) done(id process.JobID) process.JobDone {
	w.t.Helper()
	done := nextIs[process.JobDone](w)
	if done.ID != id {
		w.t.Fatalf("job %d is done, want %d", done.ID, id)
	}
	return done
}

func TestJobTellsItsEndAndOutput(t *testing.T) {
	w := newWorld(t)
	long := strings.Repeat("0123456789abcdef", 1000)
	for _, c := range []struct {
		script, output string
		exit           tree.Exit
	}{
		{"true", "", tree.Exit{}},
		{"echo out; echo err >&2; exit 7", "out\nerr\n", tree.Exit{Code: 7}},
		{"echo $PPID >/dev/null; kill -SEGV $$", "", tree.Exit{Signal: "SIGSEGV"}},
		{"exec >&- 2>&-; exit 3", "", tree.Exit{Code: 3}},
		{"read x; echo eof $?", "eof 1\n", tree.Exit{}},
		{"printf %s " + long, long[len(long)-process.OutputMax:], tree.Exit{}},
		{"printf %s " + long + "; echo; echo last", (long + "\nlast\n")[len(long)+6-process.OutputMax:], tree.Exit{}},
	} {
		done := w.done(w.job(c.script, 0))
		if done.Exit != c.exit || string(done.Output) != c.output || done.TimedOut || done.Cause != "" {
			t.Errorf("%.40q: %+v", c.script, done)
		}
		if done.OK() != (c.exit == tree.Exit{}) {
			t.Errorf("%.40q: OK is %v", c.script, done.OK())
		}
	}
}

func TestJobThatCannotBeExecuted(t *testing.T) {
	w := newWorld(t)
	w.StartJob(process.Job{ID: 1, Command: process.Command{Argv: []string{"/no/such/thing"}, Env: environment}})
	done := w.done(1)
	if done.Errno != unix.ENOENT || !strings.Contains(done.Cause, "/no/such/thing") || done.OK() {
		t.Errorf("%+v", done)
	}
}

func TestJobWhoseFileIsBusy(t *testing.T) {
	w := newWorld(t)
	path := t.TempDir() + "/busy"
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o700)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString("#!/bin/sh\necho here\n"); err != nil {
		t.Fatal(err)
	}
	start := func(id process.JobID) {
		w.StartJob(process.Job{ID: id, Command: process.Command{Argv: []string{path}, Env: environment}})
	}
	start(1)
	if done := w.done(1); done.Errno != unix.ETXTBSY {
		t.Errorf("%+v", done)
	}
	start(2)
	w.CancelJob(2)
	if done := w.done(2); done.Errno != unix.ETXTBSY {
		t.Errorf("%+v", done)
	}
	start(3)
	file.Close()
	if done := w.done(3); string(done.Output) != "here\n" || !done.OK() {
		t.Errorf("%+v", done)
	}
}

// What a job leaves behind must hold up nobody, and be gone.
func TestJobIsEndedWithItsGroup(t *testing.T) {
	const limit = 200 * time.Millisecond
	for _, c := range []struct {
		name, script string
		limit        time.Duration
		exit         tree.Exit
		timedOut     bool
	}{
		{"main ends, a child holds the pipe", "sleep 1000 & echo $!", 0, tree.Exit{}, false},
		{"it hangs", "sleep 1000 & echo $!; wait", limit, tree.Exit{Signal: "SIGKILL"}, true},
		{"it ignores all", "trap '' TERM INT HUP; sleep 1000 & echo $!; while :; do sleep 1000; done", limit, tree.Exit{Signal: "SIGKILL"}, true},
		{"it is stopped", "sleep 1000 & echo $!; kill -STOP $$", limit, tree.Exit{Signal: "SIGKILL"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			done := w.done(w.job(c.script, c.limit))
			if done.Exit != c.exit || done.TimedOut != c.timedOut {
				t.Errorf("%+v", done)
			}
			var pid int
			if _, err := fmt.Sscan(string(done.Output), &pid); err != nil {
				t.Fatalf("%q: %v", done.Output, err)
			}
			for unix.Kill(pid, 0) == nil && !isZombie(pid) {
				time.Sleep(time.Millisecond)
			}
		})
	}
}

// isZombie says whether a process has ended and was not reaped.
func isZombie(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(stat), ") Z ")
}

func TestJobIsNotHeldUpByWhoHasLeftItsGroup(t *testing.T) {
	w := newWorld(t)
	fifo := t.TempDir() + "/fifo"
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	done := w.done(w.job("setsid sh -c 'echo $$; echo >"+fifo+"; exec sleep 1000' & read x <"+fifo, patience))
	var pid int
	if _, err := fmt.Sscan(string(done.Output), &pid); err != nil {
		t.Fatalf("%q: %v", done.Output, err)
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// What a job leaves in a session of its own is killed with it, and nothing else.
func TestStraysOfAJobAreKilled(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	for _, name := range []string{"fifo", "go"} {
		if err := unix.Mkfifo(dir+"/"+name, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	start := func(id process.JobID, script string) {
		w.StartJob(process.Job{ID: id, Command: process.Command{
			Argv: []string{"sh", "-c", script}, Dir: dir, Env: append([]string{process.JobUnit("strays", "child", 1, id)}, environment...),
		}})
	}
	stray := "setsid sh -c 'echo $$; echo >fifo; exec sleep 1000' & read x <fifo; "
	number := func(text []byte) (pid int) {
		if _, err := fmt.Sscan(string(text), &pid); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		return pid
	}
	start(1, "(setsid sh -c 'echo $$ >go; exec sleep 1000' &); sleep 1000")
	told, err := os.ReadFile(dir + "/go")
	if err != nil {
		t.Fatal(err)
	}
	first := number(told)
	start(2, stray)
	w.awaitReaped(number(w.done(2).Output))
	if isZombie(first) {
		t.Errorf("%d has ended, which belongs to a job that goes on", first)
	}
	w.CancelJob(1)
	w.done(1)
	w.awaitReaped(first)
}

func TestJobIsCancelled(t *testing.T) {
	w := newWorld(t)
	id := w.job("exec sleep 1000", time.Hour)
	w.CancelJob(id)
	w.CancelJob(99)
	done := w.done(id)
	if done.TimedOut || done.Exit != (tree.Exit{Signal: "SIGKILL"}) {
		t.Errorf("%+v", done)
	}
	w.CancelJob(id)
	w.barrier()
}

func TestJobsEndWithTheDaemon(t *testing.T) {
	w := newWorld(t)
	for range 3 {
		w.job("exec sleep 1000", 0)
	}
	w.barrier()
	w.EndJobs()
	for range 3 {
		if done := nextIs[process.JobDone](w); done.Exit != (tree.Exit{Signal: "SIGKILL"}) {
			t.Errorf("%+v", done)
		}
	}
	if done := w.done(w.job("true", 0)); done.Cause == "" {
		t.Errorf("%+v", done)
	}
}

// Jobs that write without end are read, and all others are served meanwhile.
func TestJobThatFloods(t *testing.T) {
	w := newWorld(t)
	flood := w.job("exec cat /dev/zero", 0)
	for range 20 {
		w.barrier()
	}
	id := w.job("echo others", 0)
	if done := w.done(id); string(done.Output) != "others\n" {
		t.Errorf("%+v", done)
	}
	w.CancelJob(flood)
	if done := w.done(flood); len(done.Output) != process.OutputMax || strings.Trim(string(done.Output), "\x00") != "" {
		t.Errorf("%d bytes, %+v", len(done.Output), done.Exit)
	}
}

func TestManyJobsLeaveNothing(t *testing.T) {
	w := newWorld(t)
	w.done(w.job("true", 0)) // from now on the poller is there
	before := descriptors(t)
	const rounds, atOnce = 20, 25
	for range rounds {
		want := map[process.JobID]bool{}
		for range atOnce {
			want[w.job("echo $$", time.Minute)] = true
		}
		for range atOnce {
			done := nextIs[process.JobDone](w)
			if !done.OK() || len(done.Output) == 0 || !want[done.ID] {
				t.Fatalf("%+v", done)
			}
			delete(want, done.ID)
		}
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors, before %d", after, before)
	}
}

// descriptors is how many this process has.
func descriptors(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

func TestLeftJobsAreEnded(t *testing.T) {
	treeID := fmt.Sprint("left:", unix.Getpid())
	w := newWorld(t)
	dir := t.TempDir()
	if err := unix.Mkfifo(dir+"/fifo", 0o600); err != nil {
		t.Fatal(err)
	}
	fifo, err := os.OpenFile(dir+"/fifo", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer fifo.Close()
	command := func(script, unit string) process.Command {
		return process.Command{Argv: []string{"sh", "-c", script}, Dir: dir, Env: append([]string{unit}, environment...)}
	}
	await := func(lines int) {
		if _, err := io.ReadFull(fifo, make([]byte, lines)); err != nil {
			t.Fatal(err)
		}
	}
	// Its name is the generation of the job's child.
	child := tree.Ref{ID: "7", Generation: 7}
	w.Start(child, command("echo >fifo; exec sleep 1000", process.Unit(treeID, child.ID, child.Generation)))
	nextIs[process.Started](w)
	w.StartJob(process.Job{ID: 1, Command: command(
		"setsid sh -c 'echo >fifo; exec sleep 1000' & echo >fifo; exec sleep 1000", process.JobUnit(treeID, "x", 7, 1),
	)})
	await(3)
	found, err := process.FindUnits(treeID)
	if err != nil {
		t.Fatal(err)
	}
	jobs, leaders := 0, 0
	for _, f := range found {
		if f.Job {
			jobs++
		}
		if f.Leader {
			leaders++
		}
	}
	if jobs != 2 || leaders != 1 || len(found) != 3 {
		t.Errorf("found %+v", found)
	}
	if err := process.EndLeftJobs(treeID, found); err != nil {
		t.Error(err)
	}
	w.done(1)
	if found, err = process.FindUnits(treeID); err != nil || len(found) != 1 || found[0].Ref != child {
		t.Errorf("found %+v, %v", found, err)
	}
	w.Kill(child)
	w.exited(child)
}

// A job is set up as its child is: what forks it cannot do, a trampoline does.
func TestJobIsSetUp(t *testing.T) {
	w := newWorld(t)
	mask := 0o027
	start := func(id process.JobID, argv ...string) process.JobDone {
		w.StartJob(process.Job{ID: id, Command: process.Command{
			Argv: argv, Env: environment, Setup: &trampoline.Spec{Umask: &mask},
		}})
		return w.done(id)
	}
	if done := start(1, "sh", "-c", "umask; exit 3"); string(done.Output) != "0027\n" || done.Exit.Code != 3 || done.Cause != "" {
		t.Errorf("%+v", done)
	}
	if done := start(2, "/no/such/thing"); done.Errno != unix.ENOENT || !strings.Contains(done.Cause, "/no/such/thing") {
		t.Errorf("%+v", done)
	}
	before := descriptors(t)
	for id := range process.JobID(20) {
		start(id+3, "true")
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors, before %d", after, before)
	}
}
