package process_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"coppice/supervisor/process"
	"coppice/tree"
)

// patience is how long a test waits for something that is sure to come.
const patience = 20 * time.Second

// world is a running reaper and what it told.
type world struct {
	*process.Reaper
	t  testing.TB
	ID uint64 // generation of the last ref

	stands chan struct{} // told when the reaper stands

	lock  sync.Mutex
	gate  chan struct{} // the reaper stands until it is closed; nil: it does not
	facts []process.Fact
	told  chan struct{}
	open  map[tree.Ref]bool // started, not exited
}

// newWorld starts a reaper, which the end of the test closes; by then every child
// must have ended.
func newWorld(t testing.TB) *world { return newNotedWorld(t, nil) }

// newNotedWorld starts one that writes notes, and takes children over.
func newNotedWorld(t testing.TB, notes process.Notes, adoptions ...process.Adoption) *world {
	w := &world{t: t, told: make(chan struct{}, 1), stands: make(chan struct{}), open: map[tree.Ref]bool{}}
	w.Reaper = process.New(w.hear, notes)
	w.Adopt(adoptions)
	for _, a := range adoptions {
		w.open[a.Ref] = true
		w.ID = max(w.ID, uint64(a.Ref.Generation))
	}
	done := make(chan struct{})
	go func() {
		w.Run()
		close(done)
	}()
	t.Cleanup(func() {
		if t.Failed() {
			w.killAll()
		}
		w.Close()
		select {
		case <-done:
		case <-time.After(patience):
			t.Fatal("Run does not return: a child is left")
		}
		if len(w.facts) > 0 && !t.Failed() {
			t.Errorf("nobody waited for %v", w.facts)
		}
	})
	return w
}

// killAll ends what a failed test left behind.
func (w *world) killAll() {
	w.lock.Lock()
	defer w.lock.Unlock()
	for ref := range w.open {
		w.Kill(ref)
	}
}

// stand makes the reaper stand until resume is called: it starts a child, which is
// then told of, and cannot tell.
func (w *world) stand() (resume func()) {
	w.t.Helper()
	gate := make(chan struct{})
	resume = sync.OnceFunc(func() { close(gate) })
	w.t.Cleanup(resume)
	w.lock.Lock()
	w.gate = gate
	w.lock.Unlock()
	w.Start(w.ref(), process.Command{Argv: []string{"true"}, Env: environment})
	select {
	case <-w.stands:
	case <-time.After(patience):
		w.t.Fatal("the reaper does not tell of a start")
	}
	return resume
}

// hear takes facts in, and checks that each end belongs to one start.
func (w *world) hear(facts []process.Fact) {
	w.lock.Lock()
	if gate := w.gate; gate != nil {
		w.gate = nil
		w.lock.Unlock()
		w.stands <- struct{}{}
		<-gate
		w.lock.Lock()
	}
	defer w.lock.Unlock()
	for _, fact := range facts {
		switch f := fact.(type) {
		case process.Started:
			w.open[f.Ref] = true
		case process.Exited:
			if !w.open[f.Ref] {
				w.t.Errorf("%v: Exited without Started, or twice", f.Ref)
			}
			delete(w.open, f.Ref)
		}
	}
	w.facts = append(w.facts, facts...)
	select {
	case w.told <- struct{}{}:
	default:
	}
}

// next returns the oldest fact that nobody asked for yet.
func (w *world) next() process.Fact {
	w.t.Helper()
	deadline := time.After(patience)
	for {
		w.lock.Lock()
		if len(w.facts) > 0 {
			fact := w.facts[0]
			w.facts = w.facts[1:]
			w.lock.Unlock()
			return fact
		}
		w.lock.Unlock()
		select {
		case <-w.told:
		case <-deadline:
			w.t.Fatal("no fact came")
		}
	}
}

// nextIs returns the next fact, which must be of type F.
func nextIs[F process.Fact](w *world) F {
	w.t.Helper()
	fact := w.next()
	f, ok := fact.(F)
	if !ok {
		w.t.Fatalf("got %T %+v, want %T", fact, fact, f)
	}
	return f
}

// ref returns a new one.
func (w *world) ref() tree.Ref {
	w.ID++
	return tree.Ref{ID: "child", Generation: tree.Generation(w.ID)}
}

// start starts a command and waits until it runs.
func (w *world) start(c process.Command) (tree.Ref, int) {
	w.t.Helper()
	ref := w.ref()
	w.Start(ref, c)
	started := nextIs[process.Started](w)
	if started.Ref != ref {
		w.t.Fatalf("started %v, want %v", started.Ref, ref)
	}
	return ref, started.PID
}

// shell starts a script with its output in a pipe, and waits until it has said
// each of these lines, in any order.
func (w *world) shell(script string, lines ...string) (tree.Ref, int, *bufio.Reader) {
	w.t.Helper()
	read, write := pipe(w.t)
	ref, pid := w.start(process.Command{Argv: []string{"sh", "-c", script}, Env: environment, Stdout: write, Stderr: write})
	output := bufio.NewReader(read)
	missing := strings.Join(lines, " ") + " "
	for range lines {
		line, err := output.ReadString('\n')
		if err != nil || !strings.Contains(missing, strings.TrimSpace(line)+" ") {
			w.t.Fatalf("the child said %q, %v; want one of %s", line, err, missing)
		}
	}
	return ref, pid, output
}

// exited waits for the end of one child, which must be told next.
func (w *world) exited(ref tree.Ref) tree.Exit {
	w.t.Helper()
	fact := nextIs[process.Exited](w)
	if fact.Ref != ref {
		w.t.Fatalf("%v exited, want %v", fact.Ref, ref)
	}
	if age := time.Since(fact.At); age < 0 || age > patience {
		w.t.Fatalf("it ended %v ago", age)
	}
	return fact.Exit
}

// wantExit waits for the end of one child, which must be this.
func (w *world) wantExit(ref tree.Ref, want tree.Exit) {
	w.t.Helper()
	if got := w.exited(ref); got != want {
		w.t.Fatalf("exit %+v, want %+v", got, want)
	}
}

// barrier returns once all that was asked before is done. It starts a child and
// waits for its end; nothing else may be told meanwhile.
func (w *world) barrier() {
	w.t.Helper()
	ref, _ := w.start(process.Command{Argv: []string{"true"}, Env: environment})
	w.wantExit(ref, tree.Exit{})
}

// environment is that of the children here.
var environment = []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}

func pipe(t testing.TB) (read, write *os.File) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { read.Close(); write.Close() })
	if err := read.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return read, write
}

func readAll(t testing.TB, r io.Reader) []byte {
	t.Helper()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// awaitReaped returns once the reaper has reaped a process.
func (w *world) awaitReaped(pid int) {
	w.t.Helper()
	for unix.Kill(pid, 0) != unix.ESRCH {
		w.barrier()
	}
}

// await waits for a state of a child of ours and leaves it to the reaper.
func await(t testing.TB, pid, state int) {
	t.Helper()
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, state|unix.WNOWAIT, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
}

func sigaction(n syscall.Signal, action *[5]uintptr) {
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(n), uintptr(unsafe.Pointer(action)), 0, 8, 0, 0)
	if errno != 0 {
		must(fmt.Errorf("rt_sigaction %d: %v", n, errno))
	}
}

func seccomp(filter []unix.SockFilter) error {
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	_, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return errno
	}
	return nil
}
