package process_test

import (
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coppice/supervisor/process"
	"coppice/tree"
)

// reportsExits says whether this kernel tells holders of a pidfd how a process
// ended that somebody else has reaped.
func reportsExits() bool {
	pidfd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return false
	}
	defer unix.Close(pidfd)
	info := unix.PidfdInfo{Mask: 1 << 5} // PIDFD_INFO_SUPPORTED_MASK, Linux 6.18
	if unix.IoctlPidfdInfo(pidfd, &info) != nil {
		return false
	}
	return info.Supported_mask == 0 || info.Supported_mask&unix.PIDFD_INFO_EXIT != 0
}

// endings are scripts that wait for a line, and how they end after it: with every
// code, and by signals.
func endings() (scripts []string, ends []tree.Exit) {
	for code := range 256 {
		scripts = append(scripts, fmt.Sprint("read x; exit ", code))
		ends = append(ends, tree.Exit{Code: code})
	}
	for _, signal := range []string{"HUP", "KILL", "SEGV", "ABRT", "TERM", "USR1", "PIPE", "XCPU"} {
		scripts = append(scripts, "ulimit -c 0; read x; kill -"+signal+" $$; read x")
		ends = append(ends, tree.Exit{Signal: "SIG" + signal})
	}
	return scripts, ends
}

// wantAdopted waits until all who are to be adopted are, by the given parent.
func (w *world) wantAdopted(children, parent int) {
	w.t.Helper()
	for range children {
		if fact := nextIs[process.Adopted](w); fact.Parent != parent {
			w.t.Fatalf("%+v, want parent %d", fact, parent)
		}
	}
}

// wantEnds waits for the ends of all children of a parent.
func (w *world) wantEnds(ends []tree.Exit) {
	w.t.Helper()
	for range ends {
		fact := nextIs[process.Exited](w)
		if want := ends[fact.Ref.Generation-1]; fact.Exit != want {
			w.t.Errorf("%v ended with %+v, want %+v", fact.Ref, fact.Exit, want)
		}
	}
}

// The children of a parent that was killed are ours by then.
func TestAdoptOurOwn(t *testing.T) {
	scripts, ends := endings()
	p := newParent(t, scripts...)
	p.die()
	w := newNotedWorld(t, nil, p.adoptions()...)
	w.wantAdopted(len(ends), os.Getpid())
	p.tell(len(ends))
	w.wantEnds(ends)
}

// The parent becomes none only after we have adopted its children.
func TestAdoptThenInherit(t *testing.T) {
	p := newParent(t, "read x; exit 3", "read x; exit 4")
	w := newNotedWorld(t, nil, p.adoptions()...)
	w.wantAdopted(2, p.pid)
	p.die()
	p.tell(2)
	w.wantEnds([]tree.Exit{{Code: 3}, {Code: 4}})
}

// They ended before, and nobody has reaped them: an image before us, perhaps.
func TestAdoptOurZombies(t *testing.T) {
	p := newParent(t, "exit 7", "kill -TERM $$")
	p.die()
	for _, id := range p.children {
		await(t, id.PID, unix.WEXITED)
	}
	notes := &diary{t: t}
	list := p.adoptions()
	list[1].Ended = &process.Ended{Exit: tree.Exit{Signal: "SIGTERM"}, At: time.Now()}
	w := newNotedWorld(t, notes, list...)
	ends := map[tree.Ref]tree.Exit{}
	for len(ends) < 2 {
		if fact, ok := w.next().(process.Exited); ok {
			ends[fact.Ref] = fact.Exit
		}
	}
	if ends[list[0].Ref] != (tree.Exit{Code: 7}) || ends[list[1].Ref] != (tree.Exit{Signal: "SIGTERM"}) {
		t.Error(ends)
	}
	if got := notes.String(); got != "reaped child/1 exit code 7\n" {
		t.Errorf("noted %q", got)
	}
}

// The parent reaps and nobody tells us, but the kernel does.
func TestAdoptChildrenThatAreReaped(t *testing.T) {
	if !reportsExits() {
		t.Skip("this kernel does not tell how a process ended that was reaped")
	}
	scripts, ends := endings()
	p := newParent(t, scripts...)
	w := newNotedWorld(t, nil, p.adoptions()...)
	w.wantAdopted(len(ends), p.pid)
	resume := w.stand()
	p.tell(len(ends))
	p.command("reap")
	resume()
	nextIs[process.Started](w)
	for range len(ends) + 1 { // the child at which the reaper stood ends, too
		fact := nextIs[process.Exited](w)
		if int(fact.Ref.Generation) <= len(ends) && fact.Exit != ends[fact.Ref.Generation-1] {
			t.Errorf("%v ended with %+v", fact.Ref, fact.Exit)
		}
	}
}

// The parent never reaps: the zombie shows its status, and does not keep its group
// from being empty.
func TestAdoptChildrenThatNobodyReaps(t *testing.T) {
	scripts, ends := endings()
	p := newParent(t, scripts...)
	w := newNotedWorld(t, nil, p.adoptions()...)
	w.wantAdopted(len(ends), p.pid)
	p.tell(len(ends))
	w.wantEnds(ends)
}

// A zombie that runs as somebody else shows 0 to whoever may not look at it. That is
// not believed.
func TestAdoptZombiesThatShowNothing(t *testing.T) {
	if unix.Geteuid() != 0 {
		t.Skip("only root can start a child as somebody else")
	}
	if !reportsExits() {
		t.Skip("this kernel does not tell how a process ended that was reaped")
	}
	if !inside(t, "lacking CAP_SYS_PTRACE", nil) {
		return
	}
	p := newParent(t, "exec setpriv --reuid=65534 --regid=65534 --clear-groups sh -c 'read x; exit 5'", "read x; exit 0")
	w := newNotedWorld(t, nil, p.adoptions()...)
	w.wantAdopted(2, p.pid)
	p.tell(2)
	w.wantExit(p.adoptions()[1].Ref, tree.Exit{}) // it shows its 0
	awaitZombie(t, p.children[0].PID)
	for range 20 {
		w.barrier()
	}
	p.command("reap")
	w.wantExit(p.adoptions()[0].Ref, tree.Exit{Code: 5})
}

// ledger is what a keeper knows.
type ledger struct {
	lock  sync.Mutex
	exits map[process.Identity]process.Ended
}

func (l *ledger) lookup(id process.Identity) (process.Ended, bool) {
	l.lock.Lock()
	defer l.lock.Unlock()
	ended, ok := l.exits[id]
	return ended, ok
}

func (l *ledger) add(id process.Identity, exit tree.Exit) {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.exits[id] = process.Ended{Exit: exit, At: time.Now()}
}

// Whoever reaps tells us how they ended. These codes are not the true ones: it is
// what the record says that counts.
func TestAdoptByTheRecord(t *testing.T) {
	known := &ledger{exits: map[process.Identity]process.Ended{}}
	p := newParent(t, "exit 1", "read x; exit 2", "read x; exit 3")
	awaitZombie(t, p.children[0].PID)
	p.command("reap one")
	known.add(p.children[0], tree.Exit{Code: 101})
	list := p.adoptions()
	for i := range list {
		list[i].Lookup = known.lookup
	}
	w := newNotedWorld(t, nil, list...)
	w.wantExit(list[0].Ref, tree.Exit{Code: 101})
	w.wantAdopted(2, p.pid)
	known.add(p.children[1], tree.Exit{Code: 102})
	w.Ended(p.children[1])
	w.Ended(process.Identity{PID: p.children[2].PID, Start: 1, Inode: 1}) // somebody else
	p.tell(2)
	p.command("reap")
	ends := map[tree.Ref]tree.Exit{}
	for range 2 {
		fact := nextIs[process.Exited](w)
		ends[fact.Ref] = fact.Exit
	}
	if ends[list[1].Ref] != (tree.Exit{Code: 102}) {
		t.Error(ends)
	}
	if third := ends[list[2].Ref]; third != (tree.Exit{Code: 3}) && third != (tree.Exit{Lost: true}) {
		t.Error(ends)
	}
}

// A record that comes while the end is sought.
func TestAdoptByALateRecord(t *testing.T) {
	known := &ledger{exits: map[process.Identity]process.Ended{}}
	p := newParent(t, "exit 1")
	awaitZombie(t, p.children[0].PID)
	p.command("reap one")
	list := p.adoptions()
	asked := make(chan bool, 100)
	list[0].Lookup = func(id process.Identity) (process.Ended, bool) {
		select {
		case asked <- true:
		default:
		}
		return known.lookup(id)
	}
	w := newNotedWorld(t, nil, list...)
	<-asked
	known.add(p.children[0], tree.Exit{Code: 111})
	w.Ended(p.children[0])
	w.wantExit(list[0].Ref, tree.Exit{Code: 111})
}

// Nobody knows how they ended: nothing is invented.
func TestAdoptTheLost(t *testing.T) {
	p := newParent(t, "exit 1", "exit 0")
	awaitZombie(t, p.children[0].PID)
	awaitZombie(t, p.children[1].PID)
	p.command("reap")
	list := p.adoptions()
	list[0].Lookup = func(process.Identity) (process.Ended, bool) { return process.Ended{}, false }
	list = append(list,
		process.Adoption{Ref: tree.Ref{ID: "nobody", Generation: 3}},
		process.Adoption{Ref: tree.Ref{ID: "all", Generation: 4}, Identity: process.Identity{PID: -1, Start: 1}},
		process.Adoption{Ref: tree.Ref{ID: "first", Generation: 5}, Identity: process.Identity{PID: 1}, PIDFD: -1},
		process.Adoption{Ref: tree.Ref{ID: "us", Generation: 6}, Identity: process.Identity{PID: os.Getpid()}})
	w := newNotedWorld(t, nil, list...)
	for _, a := range list {
		w.Stop(a.Ref, "", false)
	}
	for range list {
		if fact := nextIs[process.Exited](w); fact.Exit != (tree.Exit{Lost: true}) {
			t.Errorf("%+v", fact)
		}
	}
}

// A pidfd that somebody kept tells the end of a process that is long gone.
func TestAdoptByAKeptPidfd(t *testing.T) {
	if !reportsExits() {
		t.Skip("this kernel does not tell how a process ended that was reaped")
	}
	p := newParent(t, "exit 17", "read x; exit 18")
	list := p.adoptions()
	for i, id := range p.children {
		pidfd, err := unix.PidfdOpen(id.PID, 0)
		if err != nil {
			t.Fatal(err)
		}
		list[i].PIDFD = pidfd
	}
	awaitZombie(t, p.children[0].PID)
	p.command("reap one")
	w := newNotedWorld(t, nil, list...)
	w.wantExit(list[0].Ref, tree.Exit{Code: 17})
	w.wantAdopted(1, p.pid)
	pidfds := make(chan map[tree.Ref]int)
	w.Do(func() { pidfds <- w.PIDFDs() })
	if got := <-pidfds; len(got) != 1 || got[list[1].Ref] != list[1].PIDFD {
		t.Errorf("pidfds %v, want %d", got, list[1].PIDFD)
	}
	p.tell(1)
	p.command("reap one")
	w.wantExit(list[1].Ref, tree.Exit{Code: 18})
}

// stubbornParent has a child with a member that ignores SIGTERM.
func stubbornParent(t *testing.T) *parent {
	p := newParent(t, stubborn+`trap "exit 7" TERM; echo leader; wait`)
	p.says("member", "leader")
	return p
}

func TestAdoptedGroupIsKilledAfterAnUnaskedEnd(t *testing.T) {
	bothParents(t, func(t *testing.T, p *parent) {
		w := newNotedWorld(t, nil, p.adoptions()...)
		nextIs[process.Adopted](w)
		w.Signal(p.adoptions()[0].Ref, "SIGTERM", false)
		w.wantExit(p.adoptions()[0].Ref, tree.Exit{Code: 7})
		p.commands.Close()
		silence(t, p.output)
	})
}

// bothParents tests a stubborn child of a parent that lives, and of one that is dead.
func bothParents(t *testing.T, test func(t *testing.T, p *parent)) {
	for _, dead := range []bool{false, true} {
		t.Run(fmt.Sprintf("dead=%v", dead), func(t *testing.T) {
			p := stubbornParent(t)
			if dead {
				p.die()
			}
			test(t, p)
		})
	}
}

func TestAdoptedGroupHasUntilKill(t *testing.T) {
	bothParents(t, func(t *testing.T, p *parent) {
		ref := p.adoptions()[0].Ref
		notes := &diary{t: t}
		w := newNotedWorld(t, notes, p.adoptions()...)
		nextIs[process.Adopted](w)
		w.Stop(ref, "", false)
		notes.await("signalled child/1 false", "reaped child/1 exit code 7")
		w.barrier() // it is not told as exited
		w.Kill(ref)
		w.wantExit(ref, tree.Exit{Code: 7})
		p.commands.Close()
		silence(t, p.output)
	})
}

// The main process is gone when the group is adopted: whoever is left has got the
// variable, or was there before the end.
func TestAdoptWhatIsLeftOfAGroup(t *testing.T) {
	for _, asked := range []bool{false, true} {
		for _, scrubbed := range []bool{false, true} {
			t.Run(fmt.Sprintf("asked=%v,scrubbed=%v", asked, scrubbed), func(t *testing.T) {
				testLeftMembers(t, asked, scrubbed)
			})
		}
	}
}

func testLeftMembers(t *testing.T, asked, scrubbed bool) {
	script := stubborn + `trap "exit 7" TERM; echo leader; wait`
	if scrubbed {
		script = `exec env -i sh -c '` + script + `'`
	}
	p := newParent(t, script)
	p.says("member", "leader")
	if err := unix.Kill(p.children[0].PID, unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.command("reap one")
	list := p.adoptions()
	list[0].Asked = asked
	list[0].Ended = &process.Ended{Exit: tree.Exit{Code: 7}}
	if scrubbed {
		list[0].Ended.At = time.Now().Add(time.Second) // a tick is long
	}
	w := newNotedWorld(t, nil, list...)
	if asked {
		w.barrier()
		w.Kill(list[0].Ref)
	}
	exited := nextIs[process.Exited](w)
	if exited.Exit != (tree.Exit{Code: 7}) {
		t.Errorf("%+v", exited)
	}
	p.commands.Close()
	silence(t, p.output)
}

// Whoever is adopted runs, though it was left frozen, unless it is to be frozen.
func TestAdoptThaws(t *testing.T) {
	p := newParent(t, "read x; exit 3", "read x; exit 4")
	list := p.adoptions()
	for i := range list {
		list[i].Identity.Cgroup, list[i].Frozen = t.TempDir(), i == 1 // no cgroup, but the files of one
		if err := os.WriteFile(list[i].Identity.Cgroup+"/cgroup.freeze", []byte("1\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p.die()
	w := newNotedWorld(t, nil, list...)
	w.wantAdopted(2, os.Getpid())
	w.barrier() // it comes before all that is asked for
	for i, want := range []string{"0\n", "1\n"} {
		if got, err := os.ReadFile(list[i].Identity.Cgroup + "/cgroup.freeze"); string(got) != want {
			t.Errorf("%d: cgroup.freeze is %q (%v), not %q", i, got, err, want)
		}
	}
	p.tell(2)
	w.wantEnds([]tree.Exit{{Code: 3}, {Code: 4}})
}
