package process_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coppice/supervisor/process"
	"coppice/tree"
)

// diary writes notes down, and checks that each comes in time.
type diary struct {
	t testing.TB

	lock  sync.Mutex
	pids  map[tree.Ref]int
	lines []string
}

func (d *diary) note(format string, args ...any) {
	d.lock.Lock()
	defer d.lock.Unlock()
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

func (d *diary) Spawned(ref tree.Ref, id process.Identity) {
	if now, err := process.Identify(id.PID); err != nil || !now.Same(id) {
		d.t.Errorf("%v is %v, now %v, %v", ref, id, now, err)
	}
	d.lock.Lock()
	if d.pids == nil {
		d.pids = map[tree.Ref]int{}
	}
	d.pids[ref] = id.PID
	d.lock.Unlock()
	d.note("spawned %s/%d", ref.ID, ref.Generation)
}

func (d *diary) Reaped(ref tree.Ref, exit tree.Exit, at time.Time) {
	if pid := d.pids[ref]; pid != 0 {
		if err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil); err != nil {
			d.t.Errorf("%v is noted as reaped and is no zombie: %v", ref, err)
		}
	}
	if at.IsZero() {
		d.t.Errorf("%v was reaped at no time", ref)
	}
	d.note("reaped %s/%d %v", ref.ID, ref.Generation, exit)
}

func (d *diary) Signalled(ref tree.Ref, kill bool) {
	d.note("signalled %s/%d %v", ref.ID, ref.Generation, kill)
}

func (d *diary) String() string {
	d.lock.Lock()
	defer d.lock.Unlock()
	return strings.Join(d.lines, "\n") + "\n"
}

// await waits until all these are noted.
func (d *diary) await(lines ...string) {
	d.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		d.lock.Lock()
		missing := slices.ContainsFunc(lines, func(line string) bool { return !slices.Contains(d.lines, line) })
		d.lock.Unlock()
		if !missing {
			return
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("noted is %s, want %v", d, lines)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestNotesComeFirst(t *testing.T) {
	notes := &diary{t: t}
	w := newNotedWorld(t, notes)
	ref, _ := w.start(process.Command{Argv: []string{"sh", "-c", "exit 5"}, Env: environment})
	w.wantExit(ref, tree.Exit{Code: 5})
	ref, _ = w.start(process.Command{Argv: []string{"sleep", "1000"}, Env: environment})
	w.Stop(ref, "SIGCONT", true)
	w.Kill(ref)
	w.wantExit(ref, tree.Exit{Signal: "SIGKILL"})
	w.Kill(ref)
	w.Start(w.ref(), process.Command{Argv: []string{"/nonexistent"}})
	nextIs[process.StartFailed](w)
	want := "spawned child/1\nreaped child/1 exit code 5\n" +
		"spawned child/2\nsignalled child/2 false\nsignalled child/2 true\nreaped child/2 killed by SIGKILL\n"
	if got := notes.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// What is asked by Do does not wait for what was asked before.
func TestDoOvertakes(t *testing.T) {
	const starts = 50
	w := newWorld(t)
	resume := w.stand()
	for range starts {
		w.Start(w.ref(), process.Command{Argv: []string{"true"}, Env: environment})
	}
	told := make(chan int, 1)
	w.Do(func() {
		w.lock.Lock()
		defer w.lock.Unlock()
		told <- len(w.facts)
	})
	resume()
	if before := <-told; before > 2 {
		t.Errorf("%d facts came before", before)
	}
	for ended := 0; ended < starts+1; {
		if _, ok := w.next().(process.Exited); ok {
			ended++
		}
	}
}
