package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coppice/ipc"
)

// grove is a tree of witnesses whose daemon and keeper are killed.
type grove struct {
	*bed
	*witnesses
	names  []string
	before map[string]ipc.Node
	t      *testing.T
}

// newGrove starts a tree of n witnesses under three supervisors.
func newGrove(t *testing.T, n int, pause, more string) *grove {
	t.Helper()
	b := newBed(t, "")
	g := &grove{bed: b, witnesses: newWitnesses(t, b.dir), t: t}
	var tables strings.Builder
	lists := make([][]string, 3)
	for i := range n {
		name := fmt.Sprintf("w%02d", i)
		g.names = append(g.names, name)
		tables.WriteString(g.process(name, pause, more))
		lists[i%3] = append(lists[i%3], strconv.Quote(name))
	}
	tables.WriteString("[supervisor.root]\nchildren = [\"one\", \"all\", \"rest\"]\n")
	for i, s := range []string{"one", "all", "rest"} {
		fmt.Fprintf(&tables, "[supervisor.%s]\nstrategy = %q\nchildren = [%s]\n", s,
			[]string{"one_for_one", "one_for_all", "rest_for_one"}[i], strings.Join(lists[i], ", "))
	}
	b.write("coppice.toml", tables.String())
	b.up()
	g.speak(t, g.names...)
	g.remember()
	return g
}

// remember takes note of how all processes are.
func (g *grove) remember() {
	g.t.Helper()
	g.before = map[string]ipc.Node{}
	root := g.tree().Root
	for _, name := range g.names {
		n, ok := findNode(root, name)
		if !ok || n.PID == 0 {
			g.t.Fatalf("%s does not run: %+v", name, n)
		}
		g.before[name] = n
	}
}

// unchanged fails if a process is not the one it was.
func (g *grove) unchanged() {
	g.t.Helper()
	root := g.tree().Root
	for _, name := range g.names {
		n, _ := findNode(root, name)
		was := g.before[name]
		if n.PID != was.PID || n.State != "running" || n.Restarts != was.Restarts || !n.Since.Equal(was.Since) {
			g.t.Errorf("%s was pid %d since %v with %d restarts, and is pid %d (%s) since %v with %d restarts",
				name, was.PID, was.Since, was.Restarts, n.PID, n.State, n.Since, n.Restarts)
		}
	}
}

// soon is a status, asked for within a second of a kill; later ones answer too, and
// the time is logged.
func (g *grove) soon() *ipc.Tree {
	g.t.Helper()
	t, err := askUntil(g.client())
	if err != nil {
		g.t.Fatal(err)
	}
	return t
}

// askUntil asks for the tree until it is answered.
func askUntil(c *ipc.Client) (*ipc.Tree, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		t, err := c.Tree(ctx, false)
		if err == nil || !errors.Is(err, ipc.ErrNoDaemon) && !errors.Is(err, ipc.ErrDaemonGone) {
			return t, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(time.Millisecond): // between two questions
		}
	}
}

// kill kills daemon, keeper, or both, and waits until another daemon answers.
func (g *grove) kill(daemon, keeper bool) *ipc.Tree {
	g.t.Helper()
	was := g.soon().Daemon
	if was.Keeper == 0 {
		g.t.Fatalf("the daemon %d has no keeper", was.PID)
	}
	for pid, kill := range map[int]bool{was.Keeper: keeper, was.PID: daemon} {
		if kill {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				g.t.Fatal(err)
			}
		}
	}
	if daemon && keeper {
		for _, pid := range []int{was.Keeper, was.PID} {
			awaitGone(g.t, pid)
		}
		g.up()
	}
	for {
		now := g.soon()
		if now.Daemon.PID != was.PID && now.Daemon.Keeper != 0 {
			return now
		}
	}
}

// checkLogs stops the tree and compares every log with what its witness knows.
func (g *grove) checkLogs() {
	g.t.Helper()
	g.must("down")
	total := 0
	for _, name := range g.names {
		total += g.check(name, strings.NewReader(g.must("logs", "--raw", name)))
	}
	g.single(g.names...)
	g.t.Logf("%d lines, none lost, doubled or torn", total)
}

// kills is how often something is killed: KILLS times as often as in a short run.
func kills(n int) int {
	if times, err := strconv.Atoi(os.Getenv("KILLS")); err == nil && times > 0 {
		return n * times
	}
	return n
}

func TestKilledDaemon(t *testing.T) {
	g := newGrove(t, 12, "5ms", "")
	for range kills(20) {
		g.kill(true, false)
		g.unchanged()
	}
	g.checkLogs()
}

func TestKilledKeeper(t *testing.T) {
	g := newGrove(t, 12, "5ms", "")
	for range kills(10) {
		g.kill(false, true)
		g.unchanged()
	}
	g.checkLogs()
}

// A daemon that has no descriptor free when its keeper is killed takes that one's
// place once it has.
func TestKilledKeeperWithoutADescriptor(t *testing.T) {
	g := newGrove(t, 3, "5ms", "")
	was := g.tree().Daemon
	var old unix.Rlimit
	few := unix.Rlimit{Cur: 3}
	if err := unix.Prlimit(was.PID, unix.RLIMIT_NOFILE, nil, &old); err != nil {
		t.Fatal(err)
	}
	few.Max = old.Max
	if err := unix.Prlimit(was.PID, unix.RLIMIT_NOFILE, &few, nil); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(was.Keeper, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	until(t, "it says that it cannot take the place", func() bool {
		return strings.Contains(g.read(".coppice/daemon.log"), "cannot take the keeper's place yet")
	})
	if err := unix.Prlimit(was.PID, unix.RLIMIT_NOFILE, &old, nil); err != nil {
		t.Fatal(err)
	}
	for {
		if now := g.soon().Daemon; now.PID != was.PID && now.Keeper == was.PID {
			break
		}
	}
	g.unchanged()
	g.checkLogs()
}

func TestKilledKeeperAndDaemon(t *testing.T) {
	g := newGrove(t, 12, "5ms", "")
	for range kills(5) {
		g.kill(true, true)
		g.unchanged()
	}
	g.checkLogs()
}
