package integration

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"coppice/configs"
	"coppice/ipc"
	"coppice/tree"
)

// TestRandomKills kills the processes of a wide and deep tree by chance, several
// at once now and then, with operators in between. Then the whole event record
// is told to a fresh tree: what came from outside, in the order of the record,
// has to lead to the same decisions; and the record has to make sense by itself.
//
//	SEED=4711 KILLS=5000 go test ./integration -run RandomKills
func TestRandomKills(t *testing.T) {
	t.Parallel()
	c := &chaos{
		seed:  fromEnv(t, "SEED", uint64(time.Now().UnixNano()/1e6)),
		kills: int(fromEnv(t, "KILLS", 500)),
		heard: make(chan ipc.Event), ended: map[incarnation]bool{},
	}
	t.Logf("SEED=%d", c.seed)
	c.rand = rand.New(rand.NewPCG(c.seed, 1))
	c.bed = plot(t, c.treeFile(t))
	c.furnish()
	c.up()
	c.listen()
	for c.done < c.kills {
		c.round()
	}
	last, seq := c.rest()
	c.must("down")
	for e := range c.heard {
		c.hear(e)
	}
	t.Logf("%d kills, %d events: %s", c.done, len(c.events), census(c.events))
	config, err := configs.Load(c.path("coppice.toml"), os.Environ())
	if err != nil {
		t.Fatal(err)
	}
	if model := tellAgain(t, config.Spec, c.events); model.halt == nil {
		t.Error("the tree that was told the record has not ended")
	}
	checkRecord(t, config.Spec, c.events)
	checkCounts(t, last, seq, c.events)
	if t.Failed() {
		file := filepath.Join(os.TempDir(), fmt.Sprintf("coppice-random-%d.events", c.seed))
		write(t, file, c.must("events", "--json"))
		t.Logf("the end of the record is %s; the same chances again: SEED=%d", file, c.seed)
	}
}

// chaos is a tree and the chance that rules it.
type chaos struct {
	*bed
	seed        uint64
	rand        *rand.Rand
	names       []string // of the processes
	kills, done int
	heard       chan ipc.Event       // the record as it is written
	events      []ipc.Event          // as far as it was heard
	ended       map[incarnation]bool // whose end it has told
}

// incarnation is a process that had a name once.
type incarnation struct {
	name string
	pid  int
}

// The tree has groups of 8 processes each, 4 in a supervisor and 4 in another
// one below it, and 2 processes beside them.
const (
	groupsCount    = 6
	processesCount = 2 + 8*groupsCount
)

// treeFile makes a tree of three levels: under the root supervisors of every
// strategy, in each of them another one.
func (c *chaos) treeFile(t *testing.T) string {
	t.Helper()
	script, err := filepath.Abs(filepath.Join("testdata", "record", "child.sh"))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	strategies := []string{"one_for_one", "one_for_all", "rest_for_one"}
	restarts := []string{"permanent", "permanent", "transient", "permanent", "temporary"}
	var top []string
	for i := range groupsCount {
		outer, inner := group(i)
		var kids, below []string
		for j := range 8 {
			name := fmt.Sprintf("p%d.%d", i, j)
			c.process(&b, name, script, restarts[(i+j)%len(restarts)])
			if j < 4 {
				kids = append(kids, name)
			} else {
				below = append(below, name)
			}
		}
		kids = slices.Insert(kids, 2, inner)
		top = append(top, outer)
		supervisorText(&b, outer, "permanent", strategies[i%3], 4+c.rand.IntN(6), kids)
		supervisorText(&b, inner, []string{"permanent", "transient"}[i/3], strategies[(i+i/3)%3], 2+c.rand.IntN(4), below)
	}
	for i := range 2 {
		name := fmt.Sprintf("p%d", i)
		c.process(&b, name, script, restarts[i])
		top = slices.Insert(top, 3*i, name)
	}
	b.WriteString("\n[supervisor.root]\nintensity = \"infinity\"\nchildren = [" + quotedList(top) + "]\n")
	return b.String()
}

// group names the two supervisors of a group.
func group(i int) (outer, inner string) { return fmt.Sprintf("s%d", i), fmt.Sprintf("s%d.s", i) }

func supervisorText(b *strings.Builder, name, restart, strategy string, intensity int, kids []string) {
	fmt.Fprintf(b, "\n[supervisor.%q]\nrestart = %q\nstrategy = %q\nintensity = %d\nperiod = \"1h\"\nchildren = [%s]\n",
		name, restart, strategy, intensity, quotedList(kids))
}

func quotedList(words []string) string {
	list := make([]string, len(words))
	for i, w := range words {
		list[i] = quoted(w)
	}
	return strings.Join(list, ", ")
}

func (c *chaos) process(b *strings.Builder, name, script, restart string) {
	c.names = append(c.names, name)
	shutdown := []string{"5s", "5s", "infinity", "brutal_kill"}[c.rand.IntN(4)]
	fmt.Fprintf(b, "\n[process.%q]\ncommand = [%s]\nrestart = %q\nshutdown = %q\n",
		name, quotedList([]string{"./bin/" + name, script, name, "shutdown", "exec", "ok*"}), restart, shutdown)
}

func (c *chaos) furnish() {
	if len(c.names) != processesCount {
		c.t.Fatalf("%d processes", len(c.names))
	}
	for _, dir := range []string{"bin", "ctl", "count"} {
		c.folder(dir)
	}
	for _, name := range c.names {
		if err := unix.Mkfifo(c.path("ctl/"+name), 0o600); err != nil {
			c.t.Fatal(err)
		}
		c.install(name)
	}
}

// install makes a program that can be executed, and uninstall ends that.
func (c *chaos) install(name string) { _ = os.Symlink("/bin/sh", c.path("bin/"+name)) }

func (c *chaos) uninstall(name string) { _ = os.Remove(c.path("bin/" + name)) }

// round makes one thing happen, or several at once.
func (c *chaos) round() {
	running := pids(c.status())
	alive := sortedNames(running)
	if len(alive) < processesCount/3 {
		c.revive()
		return
	}
	c.rand.Shuffle(len(alive), func(i, j int) { alive[i], alive[j] = alive[j], alive[i] })
	switch n := c.rand.IntN(100); {
	case n < 4:
		c.revive()
	case n < 10:
		c.operate([]string{"stop", "restart", "start"}[c.rand.IntN(3)], c.any())
	case n < 14: // its restarts fail until the program is back
		c.uninstall(alive[0])
		c.kill(alive[0], running[alive[0]])
		c.meet(alive[0], running[alive[0]])
		c.install(alive[0])
	case n < 30:
		victims := alive[:2+c.rand.IntN(6)]
		for _, v := range victims {
			c.kill(v, running[v])
		}
		for _, v := range victims {
			c.meet(v, running[v])
		}
	default:
		c.kill(alive[0], running[alive[0]])
		if c.rand.IntN(3) > 0 { // else the next thing happens in the midst of it
			c.meet(alive[0], running[alive[0]])
		}
	}
}

// revive starts what operators have stopped and what has finished. The last
// resort is to begin a group anew, which brings temporary children back.
func (c *chaos) revive() {
	for i := range groupsCount {
		outer, inner := group(i)
		c.operate("start", outer)
		c.operate("start", inner)
	}
	outer, _ := group(c.rand.IntN(groupsCount))
	c.operate("restart", outer)
	c.operate("start", c.names[c.rand.IntN(len(c.names))])
}

func (c *chaos) status() ipc.Node {
	c.t.Helper()
	t, err := c.client().Tree(context.Background(), false)
	if err != nil {
		c.t.Fatal(err)
	}
	return t.Root
}

func sortedNames(m map[string]int) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// any is a process or a supervisor, but not the root.
func (c *chaos) any() string {
	n := c.rand.IntN(processesCount + 2*groupsCount)
	if n < processesCount {
		return c.names[n]
	}
	outer, inner := group((n - processesCount) / 2)
	return []string{outer, inner}[n%2]
}

// operate asks for something that may be refused, and now and then does not
// wait until it is done.
func (c *chaos) operate(verb, name string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := c.client().Do(ctx, ipc.Command{Verb: verb, Node: name, NoWait: c.rand.IntN(3) == 0})
	if ctx.Err() != nil {
		c.t.Fatalf("%s %s is never answered: %v", verb, name, err)
	}
}

// kill ends a process in one of three ways: SIGKILL, SIGTERM, or by asking it
// to end. The number is used only while it is known to be ours.
func (c *chaos) kill(name string, pid int) {
	c.t.Helper()
	c.done++
	words := []string{"crash", "normal", "shutdown"}[c.rand.IntN(3)]
	sig := []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, 0}[c.rand.IntN(3)]
	if sig == 0 && c.tell(name, words) {
		return
	}
	if sig == 0 {
		sig = syscall.SIGKILL // it has not yet come to where it listens
	}
	p, err := os.FindProcess(pid) // holds on to the process, not to the number
	if err != nil {
		return
	}
	defer p.Release()
	if cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)); err == nil && cwd == c.dir {
		_ = p.Signal(sig)
	}
}

// tell asks a process that listens to end, and says whether one does.
func (c *chaos) tell(name, words string) bool {
	f, err := os.OpenFile(c.path("ctl/"+name), os.O_WRONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	_, err = f.WriteString(words + "\n")
	return err == nil
}

// listen follows the record to its end, or that of the test.
func (c *chaos) listen() {
	ctx, cancel := context.WithCancel(context.Background())
	c.t.Cleanup(cancel)
	go func() {
		defer close(c.heard)
		_ = c.client().Events(ctx, 0, true, func(e ipc.Event) error {
			select {
			case c.heard <- e:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
}

func (c *chaos) hear(e ipc.Event) {
	c.events = append(c.events, e)
	switch tree.Kind(e.Kind) {
	case tree.ExitSeen, tree.StopDone, tree.StartFailure:
		c.ended[incarnation{e.Node, e.PID}] = true
	}
}

// meet waits for the record to tell the end of a process.
func (c *chaos) meet(name string, pid int) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for !c.ended[incarnation{name, pid}] {
		select {
		case e, ok := <-c.heard:
			if !ok {
				c.t.Fatalf("the record ends before the end of %s (pid %d)", name, pid)
			}
			c.hear(e)
		case <-ctx.Done():
			c.t.Fatalf("no event tells that %s (pid %d) has ended", name, pid)
		}
	}
}

// rest is the status once nothing is under way any more, and the seq of the
// last event before it: what was killed last has been told and dealt with, which
// no single event says. The pids that it shows are then those that there are.
func (c *chaos) rest() (ipc.Node, uint64) {
	c.t.Helper()
	var last ipc.Node
	var seq uint64
	var shown, there []string
	defer func() {
		if c.t.Failed() {
			c.t.Logf("status shows (-), and there is (+):\n%s", cmp.Diff(shown, there))
		}
	}()
	until(c.t, "the tree is at rest, and status shows what there is", func() bool {
		seq = c.newest()
		last = c.status()
		shown, there = shownPIDs(last), c.population()
		return atRest(last) && slices.Equal(shown, there) && seq == c.newest()
	})
	return last, seq
}

// shownPIDs are the processes that status shows, by name and pid.
func shownPIDs(root ipc.Node) []string {
	var all []string
	for name, pid := range pids(root) {
		all = append(all, fmt.Sprintf("%s %d", name, pid))
	}
	slices.Sort(all)
	return all
}

// population are the processes that there are: each of them has its name in its
// arguments.
func (c *chaos) population() []string {
	var all []string
	daemon := c.tree().Daemon
	for _, pid := range living(c.dir) {
		if pid == daemon.PID || pid == daemon.Keeper {
			continue
		}
		name := cmdline(pid)
		if words := strings.Fields(name); len(words) > 2 {
			name = words[2]
		}
		all = append(all, fmt.Sprintf("%s %d", name, pid))
	}
	slices.Sort(all)
	return all
}

func atRest(n ipc.Node) bool {
	switch tree.State(n.State) {
	case tree.Starting, tree.Stopping, tree.Restarting, tree.BackingOff:
		return false
	}
	return !slices.ContainsFunc(n.Children, func(c ipc.Node) bool { return !atRest(c) })
}

// census counts the kinds of a record.
func census(events []ipc.Event) string {
	count := map[string]int{}
	for _, e := range events {
		count[e.Kind]++
	}
	var words []string
	for _, kind := range sortedNames(count) {
		words = append(words, fmt.Sprintf("%d %s", count[kind], kind))
	}
	return strings.Join(words, ", ")
}

// model is a tree that is told a record.
type model struct {
	tree *tree.Tree
	refs map[string]tree.Ref // the latest incarnations that it asked for
	call uint64
	halt *tree.Halt
}

// tellAgain tells a fresh tree what came from outside, event by event, and wants
// from it what the record has. Events of one moment were made by one step, so
// the facts among them were heard together.
func tellAgain(t *testing.T, spec tree.ChildSpec, events []ipc.Event) *model {
	t.Helper()
	m := &model{tree: tree.New(spec, tree.Options{}), refs: map[string]tree.Ref{}}
	for i := 0; i < len(events); {
		j := i + 1
		for j < len(events) && events[j].Time.Equal(events[i].Time) {
			j++
		}
		now := tree.Time(events[i].Time.Sub(events[0].Time)) + 1
		var want, got []string
		for _, e := range events[i:j] {
			want = append(want, eventLine(e))
		}
		for _, r := range m.step(now, m.facts(events[i:j])) {
			got = append(got, eventLine(reported(r)))
		}
		if !slices.Equal(want, got) {
			t.Errorf("the tree that is told the record (-) and the record (+) differ at seq %d:\n%s",
				events[i].Seq, lineDiff(strings.Join(got, "\n"), strings.Join(want, "\n")))
			return m
		}
		i = j
	}
	return m
}

func (m *model) step(now tree.Time, facts []tree.Event) []tree.Report {
	out := m.tree.Step(now, facts...)
	for _, a := range out.Actions {
		switch a := a.(type) {
		case tree.Start:
			m.refs[a.ID] = a.Ref
		case tree.Halt:
			m.halt = &a
		}
	}
	return out.Reports
}

// facts are those events that the tree did not decide.
func (m *model) facts(events []ipc.Event) []tree.Event {
	var facts []tree.Event
	for _, e := range events {
		if e.Kind == string(tree.DaemonStarted) {
			facts = append(facts, tree.Boot{})
			continue
		}
		if r := request(e); r != nil {
			m.call++
			facts = append(facts, tree.Called{ID: m.call, Request: r})
			continue
		}
		if n, ok := m.tree.Node(e.Node); ok && n.Spec.Type == tree.Process {
			facts = append(facts, m.processFacts(e, n)...)
		}
	}
	return facts
}

// request is what an operator asked for, if that is what an event tells.
func request(e ipc.Event) tree.Request {
	switch e.Kind + " " + e.Request {
	case "requested stop":
		return tree.TerminateChild{ID: e.Node}
	case "requested start":
		return tree.RestartChild{ID: e.Node}
	case "requested restart":
		return tree.CycleChild{ID: e.Node}
	}
	if e.Kind == string(tree.DaemonStopping) {
		return tree.ShutdownTree{By: e.Request}
	}
	return nil
}

// processFacts are what was heard of a process. A start that was cut short by a
// stop tells nothing when the program is executed; its end then has the pid.
func (m *model) processFacts(e ipc.Event, n tree.Status) []tree.Event {
	ref := m.refs[e.Node]
	switch kind := tree.Kind(e.Kind); {
	case kind == tree.StartDone:
		return []tree.Event{tree.Started{Ref: ref, PID: e.PID}}
	case kind == tree.StartFailure, kind == tree.StopDone && e.PID == 0:
		return []tree.Event{tree.StartFailed{Ref: ref, Cause: e.Cause}}
	case kind == tree.ExitSeen || kind == tree.StopDone:
		exited := tree.Exited{Ref: ref, Exit: exitOf(e)}
		if n.PID == 0 {
			return []tree.Event{tree.Started{Ref: ref, PID: e.PID}, exited}
		}
		return []tree.Event{exited}
	}
	return nil
}

func exitOf(e ipc.Event) tree.Exit {
	switch {
	case e.Signal != nil:
		return tree.Exit{Signal: *e.Signal}
	case e.Code != nil:
		return tree.Exit{Code: *e.Code}
	}
	return tree.Exit{Code: -1} // which no process can
}

// reported is a report as an event, as far as this test compares them.
func reported(r tree.Report) ipc.Event {
	e := ipc.Event{
		Seq: r.Seq, Because: r.Because, Node: r.Node, Kind: string(r.Kind),
		PID: r.PID, Request: r.Request, Child: r.Child, Cause: r.Cause,
	}
	switch {
	case r.Exit == nil:
	case r.Exit.Signal != "":
		e.Signal = &r.Exit.Signal
	default:
		e.Code = &r.Exit.Code
	}
	return e
}

// eventLine is an event in one line.
func eventLine(e ipc.Event) string {
	end := "-"
	if e.Code != nil || e.Signal != nil {
		end = exitOf(e).String()
	}
	return fmt.Sprintf("%d<-%d %s %s pid=%d %s request=%s child=%s cause=%s",
		e.Seq, e.Because, e.Node, e.Kind, e.PID, end, e.Request, e.Child, e.Cause)
}
