package integration

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coppice/ipc"
)

// havoc does to a tree of witnesses whatever can be done to it, in an order that
// its seed decides, and then asks those who are not coppice what has happened: the
// kernel (locks), the witnesses (their counts), and the record, read again by other
// code.
type havoc struct {
	t     *testing.T
	bed   *bed
	w     *witnesses
	rand  *rand.Rand
	names []string
	edits int            // of the tree file
	did   []string       // what was done, for who looks for the cause
	disk  string         // the log folder, if it is a file system of its own
	full  bool           // it was, lately
	lost  bool           // keeper and daemon died together: an end may be lost
	shot  map[string]int // processes that were killed, and may not have ended yet

	verbs   sync.WaitGroup // what was asked for and is not answered
	stalled sync.WaitGroup
	stop    context.CancelFunc
	stopped context.Context
}

// deed is one thing that havoc does, and how often beside the others.
type deed struct {
	name   string
	weight int
	act    func(*havoc)
}

var deeds = []deed{
	{"kill a process", 30, (*havoc).killProcess},
	{"kill the daemon", 12, func(c *havoc) { c.killOf(true, false) }},
	{"kill the keeper", 6, func(c *havoc) { c.killOf(false, true) }},
	{"kill both", 3, func(c *havoc) { c.killOf(true, true) }},
	{"kill the daemon again and again", 2, (*havoc).storm},
	{"stop the daemon for a while", 4, (*havoc).pauseDaemon},
	{"reload a good file", 5, (*havoc).reloadGood},
	{"reload a bad file", 5, (*havoc).reloadBad},
	{"start, stop or restart", 15, (*havoc).verb},
	{"fill the disk", 3, (*havoc).fillDisk},
	{"take the daemon's descriptors", 3, (*havoc).squeeze},
	{"follow and do not read", 3, (*havoc).stall},
}

// TestChaos does so for CHAOS (a duration; 8 s without it), with the seed SEED or a
// fresh one. `make chaos` runs it for a minute.
func TestChaos(t *testing.T) {
	length, err := time.ParseDuration(os.Getenv("CHAOS"))
	if err != nil {
		length = 8 * time.Second
	}
	seed, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64)
	if err != nil {
		seed = rand.Uint64()
	}
	t.Logf("SEED=%d", seed)
	c := newHavoc(t, seed)
	defer c.report()
	end := time.Now().Add(length)
	for round := 1; time.Now().Before(end) && !t.Failed(); round++ {
		for range 10 {
			c.act()
		}
		c.rest()
	}
	c.finish()
}

func newHavoc(t *testing.T, seed uint64) *havoc {
	b := newBed(t, "")
	c := &havoc{t: t, bed: b, shot: map[string]int{}, w: newWitnesses(t, b.dir), rand: rand.New(rand.NewPCG(seed, 0))}
	for i := range 18 {
		c.names = append(c.names, fmt.Sprintf("w%02d", i))
	}
	c.ownDisk()
	b.write("coppice.toml", c.file())
	b.up()
	c.stopped, c.stop = context.WithCancel(t.Context())
	t.Cleanup(func() { c.stop(); c.verbs.Wait(); c.stalled.Wait() })
	return c
}

// file is the tree file; edits change the environment of some process.
func (c *havoc) file() string {
	var text strings.Builder
	lists := make([][]string, 3)
	for i, name := range c.names {
		more := ""
		if i%5 == 4 {
			more += "\nrestart = \"transient\""
		}
		table := c.w.process(name, "15ms", more)
		if c.edits > 0 && i == c.edits%len(c.names) {
			table = strings.Replace(table, "env = {", fmt.Sprintf("env = { EDIT = \"%d\",", c.edits), 1)
		}
		text.WriteString(table)
		lists[i%3] = append(lists[i%3], strconv.Quote(name))
	}
	text.WriteString("[supervisor.root]\nintensity = \"infinity\"\nchildren = [\"one\", \"all\", \"rest\"]\n")
	for i, s := range []string{"one", "all", "rest"} {
		fmt.Fprintf(&text, "[supervisor.%s]\nintensity = \"infinity\"\nstrategy = %q\nchildren = [%s]\n", s,
			[]string{"one_for_one", "one_for_all", "rest_for_one"}[i], strings.Join(lists[i], ", "))
	}
	return text.String()
}

// ownDisk gives the logs a file system of their own, which can be filled. That is
// root's to do; without it the disk is not filled.
func (c *havoc) ownDisk() {
	dir := c.bed.path(".coppice/log")
	if os.Geteuid() != 0 || os.MkdirAll(dir, 0o700) != nil || os.Chmod(c.bed.path(".coppice"), 0o700) != nil {
		return
	}
	if err := unix.Mount("coppice-chaos", dir, "tmpfs", 0, "size=512m,mode=0700"); err != nil {
		c.t.Logf("the disk is not filled: %v", err)
		return
	}
	c.disk = dir
	c.t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			c.t.Error(err)
		}
	})
}

// act does one thing.
func (c *havoc) act() {
	total := 0
	for _, a := range deeds {
		total += a.weight
	}
	n := c.rand.IntN(total)
	for _, a := range deeds {
		if n -= a.weight; n < 0 {
			c.did = append(c.did, a.name)
			a.act(c)
			return
		}
	}
}

// report leaves what helps to find the cause of a failure in a file: what failed
// stays the last thing on the screen.
func (c *havoc) report() {
	if !c.t.Failed() {
		return
	}
	var text strings.Builder
	fmt.Fprintf(&text, "what was done: %s\n", strings.Join(c.did, ", "))
	for _, pid := range allPIDs() {
		if isCoppice(pid) {
			fmt.Fprintf(&text, "pid %d: %s, state %s, parent %d\n", pid, cmdline(pid), procState(pid), parentOf(pid))
			_ = syscall.Kill(pid, syscall.SIGABRT) // it says where it is
		}
	}
	time.Sleep(time.Second)
	if log, err := os.ReadFile(c.bed.path(".coppice/daemon.log")); err == nil {
		fmt.Fprintf(&text, "what the daemons said:\n%s", log)
	}
	file := filepath.Join(os.TempDir(), "coppice-chaos.log")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		c.t.Log(err)
	}
	c.t.Logf("what was done, and what the daemons said, is in %s", file)
}

// tree is the state of the tree, whoever was killed just now. Where that was the
// keeper, and its daemon before it could take its place, `up` goes on.
func (c *havoc) tree() *ipc.Tree {
	c.t.Helper()
	for {
		ctx, cancel := context.WithTimeout(c.t.Context(), patience)
		t, err := c.bed.client().Tree(ctx, false)
		cancel()
		switch {
		case err == nil:
			return t
		case errors.Is(err, ipc.ErrNoDaemon):
			// A process that ended meanwhile took its last words with it.
			c.lost, c.w.unheard = true, true
			if r := c.bed.run("up", "-d"); r.code != 0 {
				c.t.Fatalf("after %q: up -d: exit code %d: %s%s", c.did[len(c.did)-1], r.code, r.out, r.errors)
			}
		case !errors.Is(err, ipc.ErrDaemonGone):
			c.t.Fatalf("after %q: %v", c.did[len(c.did)-1], err)
		}
	}
}

func (c *havoc) killProcess() {
	running := pids(c.tree().Root)
	name := c.names[c.rand.IntN(len(c.names))]
	sig := []syscall.Signal{syscall.SIGKILL, syscall.SIGKILL, syscall.SIGTERM, syscall.SIGHUP}[c.rand.IntN(4)]
	if pid := running[name]; pid != 0 && isWitness(pid) {
		_ = syscall.Kill(pid, sig) // it may have ended just now
		c.shot[name] = pid
	}
}

// isWitness says whether a number is still that of a witness: what is killed is
// only what this test has started.
func isWitness(pid int) bool {
	return strings.HasPrefix(cmdline(pid), os.Args[0])
}

func isCoppice(pid int) bool {
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return err == nil && exe == binary
}

func (c *havoc) killOf(daemon, keeper bool) {
	if daemon && keeper {
		c.calm()
	}
	d := c.tree().Daemon
	if keeper && c.full {
		c.heal(d.PID)
	}
	var killed []int
	if keeper && d.Keeper != 0 && isCoppice(d.Keeper) {
		killed = append(killed, d.Keeper)
	}
	if daemon && isCoppice(d.PID) {
		killed = append(killed, d.PID)
	}
	for _, pid := range killed {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended just now
	}
	if daemon && keeper {
		c.lost = true
		for _, pid := range killed {
			awaitGone(c.t, pid)
		}
		c.bed.up()
	}
}

// calm waits until no process is about to end: one that ends while keeper and daemon
// are dead takes its last words with it.
func (c *havoc) calm() {
	c.verbs.Wait()
	until(c.t, "nothing ends or starts", func() bool {
		root := c.tree().Root
		for name, pid := range pids(root) {
			if n, _ := findNode(root, name); n.State != "running" || c.shot[name] == pid {
				return false
			}
		}
		return true
	})
}

// heal waits until the output of processes that ended while the disk was full is in
// their files: until then it is in pipes that nobody but coppice holds, and would die
// with keeper and daemon.
func (c *havoc) heal(daemon int) {
	if !isCoppice(daemon) {
		return
	}
	until(c.t, "what waited for the disk is written", func() bool {
		held := pipesOf(daemon)
		for _, pid := range pids(c.tree().Root) {
			target, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/1", pid))
			delete(held, target)
		}
		return len(held) == 0
	})
	c.full = false
}

// pipesOf are the pipes that a process holds an end of beside its standard files. One that
// it holds both ends of leads nowhere: it is looked through.
func pipesOf(pid int) map[string]bool {
	pipes, ends := map[string]bool{}, map[string]int{}
	folder := fmt.Sprintf("/proc/%d/fd", pid)
	entries, _ := os.ReadDir(folder) // none: it has ended
	for _, e := range entries {
		target, _ := os.Readlink(filepath.Join(folder, e.Name()))
		if len(e.Name()) > 1 || e.Name() > "2" {
			pipes[target] = strings.HasPrefix(target, "pipe:")
			ends[target]++
		}
	}
	maps.DeleteFunc(pipes, func(target string, pipe bool) bool { return !pipe || ends[target] > 1 })
	return pipes
}

// storm kills each daemon as soon as it answers.
func (c *havoc) storm() {
	for range 5 {
		c.killOf(true, false)
	}
}

func (c *havoc) pauseDaemon() {
	pid := c.tree().Daemon.PID
	if !isCoppice(pid) {
		return
	}
	_ = syscall.Kill(pid, syscall.SIGSTOP)
	time.Sleep(time.Duration(c.rand.IntN(300)) * time.Millisecond) // that is what is tried
	_ = syscall.Kill(pid, syscall.SIGCONT)
}

func (c *havoc) reloadGood() {
	c.edits++
	c.bed.write("coppice.toml", c.file())
	// It may be cut off by a kill of the daemon a moment ago; the next one does it.
	_, _ = c.bed.client().Reload(c.t.Context(), ipc.ReloadRequest{})
}

func (c *havoc) reloadBad() {
	before := c.tree()
	c.bed.write("coppice.toml", "[process.w00]\ncomand = 1\n")
	_, err := c.bed.client().Reload(c.t.Context(), ipc.ReloadRequest{})
	var refused *ipc.Error
	if !errors.As(err, &refused) && !errors.Is(err, ipc.ErrDaemonGone) {
		c.t.Errorf("a bad file is answered with %v", err)
	}
	c.bed.write("coppice.toml", c.file())
	if after := c.tree(); after.Daemon.Digest != before.Daemon.Digest {
		c.t.Errorf("a bad file was loaded")
	}
}

// verb asks for something and does not wait for the end of it.
func (c *havoc) verb() {
	cmd := ipc.Command{
		Verb: []string{"start", "stop", "restart", "restart"}[c.rand.IntN(4)],
		Node: append(c.names, "one", "all", "rest")[c.rand.IntN(len(c.names)+3)],
	}
	c.verbs.Go(func() {
		ctx, cancel := context.WithTimeout(c.stopped, patience)
		defer cancel()
		// Refusals are answers too; a daemon that is killed meanwhile gives none.
		_, err := c.bed.client().Do(ctx, cmd)
		if errors.Is(err, context.DeadlineExceeded) {
			c.t.Errorf("%s of %s is not answered", cmd.Verb, cmd.Node)
		}
	})
}

// fillDisk fills the file system of the logs for a while.
func (c *havoc) fillDisk() {
	if c.disk == "" {
		return
	}
	path := filepath.Join(c.disk, "filler")
	file, err := os.Create(path)
	if err != nil {
		return // it is full
	}
	defer os.Remove(path)
	defer file.Close()
	c.full = true
	block := make([]byte, 1<<20)
	for err == nil {
		_, err = file.Write(block)
	}
	time.Sleep(time.Duration(c.rand.IntN(200)) * time.Millisecond) // that is what is tried
	c.tree()
}

// squeeze leaves the daemon no descriptor for a while.
func (c *havoc) squeeze() {
	pid := c.tree().Daemon.PID
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil || !isCoppice(pid) {
		return
	}
	var old unix.Rlimit
	if unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &old) != nil {
		return
	}
	few := unix.Rlimit{Cur: uint64(len(entries)), Max: old.Max}
	if unix.Prlimit(pid, unix.RLIMIT_NOFILE, &few, nil) != nil {
		return
	}
	time.Sleep(time.Duration(c.rand.IntN(100)) * time.Millisecond) // that is what is tried
	_ = unix.Prlimit(pid, unix.RLIMIT_NOFILE, &old, nil)           // it may have been killed
}

// stall opens streams that nobody reads.
func (c *havoc) stall() {
	c.stalled.Go(func() {
		_ = c.bed.client().Events(c.stopped, 0, true, func(ipc.Event) error {
			<-c.stopped.Done()
			return c.stopped.Err()
		})
	})
}

// rest lets everything come to rest and looks at it.
func (c *havoc) rest() {
	c.did = append(c.did, "rest")
	c.verbs.Wait()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	until(c.t, "all of the tree runs again", func() bool {
		for _, name := range append([]string{"one", "all", "rest"}, c.names...) {
			// It is refused while a restart is being tried again.
			_, _ = c.bed.client().Do(ctx, ipc.Command{Verb: "start", Node: name})
		}
		running := pids(c.tree().Root)
		for _, name := range c.names {
			if !isWitness(running[name]) {
				return false
			}
		}
		return true
	})
	c.w.single(c.names...)
}

// finish ends the tree and looks at all that is left of it.
func (c *havoc) finish() {
	c.stop()
	c.stalled.Wait()
	running := pids(c.tree().Root)
	restarts := map[string]int{}
	for _, name := range c.names {
		n, _ := findNode(c.tree().Root, name)
		restarts[name] = n.Restarts
	}
	c.bed.must("down")
	for name, pid := range running {
		if isAlive(pid) && isWitness(pid) {
			c.t.Errorf("%s (pid %d) has outlived its tree", name, pid)
		}
	}
	lines := 0
	for _, name := range c.names {
		lines += c.w.check(name, strings.NewReader(c.bed.must("logs", "--raw", name)))
	}
	events := c.bed.events()
	c.checkRecord(events)
	c.t.Logf("%d things done, %d lines, %d events", len(c.did), lines, len(events))
	if log := c.bed.read(".coppice/daemon.log"); strings.Contains(log, "panic:") || strings.Contains(log, "fatal error:") {
		c.t.Errorf("a daemon or keeper crashed by itself")
	}
}

// checkRecord looks at the record as a stranger would: numbers without gaps, causes
// before their consequences, and of each process one start and one end.
func (c *havoc) checkRecord(events []ipc.Event) {
	alive := map[string]int{} // by name
	for i, e := range events {
		if i > 0 && e.Seq != events[i-1].Seq+1 {
			c.t.Fatalf("event %d follows %d", e.Seq, events[i-1].Seq)
		}
		if e.Because >= e.Seq {
			c.t.Errorf("event %d is caused by %d", e.Seq, e.Because)
		}
		switch e.Kind {
		case "started":
			if e.PID == 0 {
				continue
			}
			if was := alive[e.Node]; was != 0 {
				c.t.Errorf("event %d starts %s beside pid %d", e.Seq, e.Node, was)
			}
			alive[e.Node] = e.PID
		case "exited", "stopped":
			if e.PID == 0 {
				continue
			}
			if alive[e.Node] != e.PID {
				c.t.Errorf("event %d ends pid %d of %s, which is %d", e.Seq, e.PID, e.Node, alive[e.Node])
			}
			if e.Lost && !c.lost {
				c.t.Errorf("event %d: the end of %s is lost, and somebody was there all the time", e.Seq, e.Node)
			}
			delete(alive, e.Node)
		case "adopted":
			if alive[e.Node] != e.PID {
				c.t.Errorf("event %d adopts pid %d of %s, which is %d", e.Seq, e.PID, e.Node, alive[e.Node])
			}
		}
	}
	for name, pid := range alive {
		c.t.Errorf("no event tells of the end of %s (pid %d)", name, pid)
	}
}
