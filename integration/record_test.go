package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coppice/ipc"
	"coppice/tree"
	"coppice/tree/treetest"
)

// ownScenarios are those of this folder; the others are package tree's.
const ownScenarios = "testdata/record/*.scn"

// borrowed are the scenarios of package tree that real processes can play: no
// dynamic children, no starts that are ignored, nothing whose order depends on
// who is quicker (a process that dies at once, beside the start of its sibling).
var borrowed = []string{
	"named/n01_init_rollback", "named/n02_nested_init_rollback", "named/n06_intensity_zero",
	"named/n07_one_for_all", "named/n08_rest_for_one", "named/n09_one_for_all_other_child_fails",
	"named/n10_rest_for_one_other_child_fails", "named/n11_one_for_one_restart_fails",
	"named/n19_product_of_intensities", "named/n20_sub_sup_restart_fails",
	"named/n23_significant_bystander", "seeded/s057", "seeded/s170", "seeded/s181",
	"seeded/s193", "seeded/s280",
}

// TestRecordIsOTPsTrace plays OTP's scenarios with the built binary and real
// processes. The event record, told in the words of OTP's traces, is to be the
// trace that OTP's own supervisor leaves, line for line: what happened, what an
// operator was answered, and what the tree looked like then.
func TestRecordIsOTPsTrace(t *testing.T) {
	files, err := filepath.Glob(ownScenarios)
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios in %s (%v)", ownScenarios, err)
	}
	for _, name := range borrowed {
		files = append(files, filepath.Join("..", "tree", "testdata", "otp", name+".scn"))
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".scn"), func(t *testing.T) {
			t.Parallel()
			playForReal(t, read(t, file), read(t, traceFile(file)))
		})
	}
}

// TestRecordTracesAreOTPs holds the traces of this folder against the installed
// Erlang, which they come from.
func TestRecordTracesAreOTPs(t *testing.T) {
	t.Parallel()
	erlang := findErlang(t)
	files, err := filepath.Glob(ownScenarios)
	if err != nil {
		t.Fatal(err)
	}
	for file, trace := range erlang.traces(t, files) {
		if want := read(t, traceFile(file)); want != trace && erlang.same(t, file, trace) != "" {
			t.Errorf("%s (-) and Erlang (+) differ:\n%s", traceFile(file), lineDiff(want, trace))
		}
	}
}

// traceFile is where the trace of a scenario is.
func traceFile(scenario string) string { return strings.TrimSuffix(scenario, ".scn") + ".trace" }

// stage is a bed on which a scenario is played.
type stage struct {
	*bed
	sc   *treetest.Scenario
	seen uint64 // the seq of the last event that was told
	pid  int    // the daemon's
	odd  bool   // every second signal is sent by the command line
}

// playForReal plays a scenario section by section: what OTP's trace says of one
// stimulus is what is waited for before the next.
func playForReal(t *testing.T, text, trace string) {
	sections := strings.Split(strings.TrimPrefix(trace, "> "), "\n> ")
	sc, err := treetest.ParseScenario(text)
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{bed: plot(t, treeFile(t, sc)), sc: sc}
	s.furnish()
	stimuli := append([]treetest.Stimulus{{Line: "init", Verb: "init"}}, sc.Stimuli...)
	if len(stimuli) != len(sections) {
		t.Fatalf("%d stimuli and %d sections", len(stimuli), len(sections))
	}
	for i, stim := range stimuli {
		want := parseSection(sections[i])
		got := section{replies: s.happen(stim, want.replies)}
		if stim.Verb == "batch" {
			sections = s.asItCame(i-1, sections)
			want = parseSection(sections[i])
		}
		got.title = want.title
		got.events = s.told(len(want.events), want.state == "dead")
		got.state = s.state(want.state == "dead")
		if g, w := got.String(), want.String(); g != w {
			t.Fatalf("OTP (-) and the event record (+) differ:\n%s\nthe record:\n%s", lineDiff(w, g), s.must("events"))
		}
	}
}

// section is what a trace says of one stimulus.
type section struct {
	title           []string
	events, replies []string
	state           string
}

func parseSection(text string) section {
	var s section
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		word, rest, _ := strings.Cut(line, " ")
		switch {
		case word == "reply":
			s.replies = append(s.replies, rest)
		case word == "state":
			s.state = rest
		case word == ">>" || s.title == nil:
			s.title = append(s.title, line)
		default:
			s.events = append(s.events, line)
		}
	}
	return s
}

func (s section) String() string {
	text := "> " + strings.Join(s.title, "\n")
	for _, e := range s.events {
		text += "\n" + e
	}
	for _, r := range s.replies {
		text += "\nreply " + r
	}
	return text + "\nstate " + s.state
}

// treeFile is the tree file of a scenario.
func treeFile(t *testing.T, sc *treetest.Scenario) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	script, err := filepath.Abs(filepath.Join("testdata", "record", "child.sh"))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, name := range sc.Names {
		n := sc.Nodes[name]
		if n.Spec.Type == tree.Supervisor {
			supervisorTable(&b, name, n)
		} else {
			processTable(&b, name, n, script, self)
		}
		if name == sc.Root {
			continue
		}
		fmt.Fprintf(&b, "restart = %q\n", n.Spec.Restart)
		if n.Spec.Significant {
			b.WriteString("significant = true\n")
		}
	}
	return b.String()
}

func supervisorTable(b *strings.Builder, name string, n *treetest.Node) {
	f := n.Spec.Flags
	kids := make([]string, len(n.Kids))
	for i, kid := range n.Kids {
		kids[i] = strconv.Quote(kid)
	}
	fmt.Fprintf(b, "\n[supervisor.%s]\nstrategy = %q\nintensity = %d\nperiod = \"%ds\"\nauto_shutdown = %q\nchildren = [%s]\n",
		name, f.Strategy, f.Intensity, f.Period/tree.Second, f.AutoShutdown, strings.Join(kids, ", "))
}

// processTable gives a process its script. One whose end or stop is scripted
// says when it is ready: until then SIGTERM would find it with no opinion.
func processTable(b *strings.Builder, name string, n *treetest.Node, script, notifier string) {
	ready := readiness(n)
	words := []string{"./bin/" + name, script, name, string(n.Script.Stop), ready}
	for _, line := range n.Script.Starts {
		word := line.Answer
		if line.Forever {
			word += "*"
		}
		words = append(words, word)
	}
	for i, w := range words {
		words[i] = strconv.Quote(w)
	}
	shutdown := fmt.Sprintf("%dms", n.Spec.Shutdown.Timeout/(tree.Second/1000))
	switch {
	case n.Spec.Shutdown.Brutal:
		shutdown = "brutal_kill"
	case n.Spec.Shutdown.Timeout == tree.Infinity:
		shutdown = "infinity"
	}
	fmt.Fprintf(b, "\n[process.%s]\ncommand = [%s]\nenv = { NOTIFIER = %q, GORACE = \"atexit_sleep_ms=0\" }\nready = %q\nshutdown = %q\n",
		name, strings.Join(words, ", "), notifier, ready, shutdown)
}

// readiness is how the start of a process is complete. A start that fails and
// is followed by one that does not has to be the program's own failure: one
// that is not there counts nothing.
func readiness(n *treetest.Node) string {
	if n.Script.Stop != treetest.Shutdown {
		return "notify"
	}
	for _, line := range n.Script.Starts {
		if line.Answer != "ok" && (line.Answer != "fail" || !line.Forever) {
			return "notify"
		}
	}
	return "exec"
}

// furnish makes what the children find in their folder.
func (s *stage) furnish() {
	s.t.Helper()
	for _, dir := range []string{"bin", "ctl", "count"} {
		s.folder(dir)
	}
	for name, n := range s.sc.Nodes {
		if n.Spec.Type == tree.Supervisor {
			continue
		}
		if err := unix.Mkfifo(s.path("ctl/"+name), 0o600); err != nil {
			s.t.Fatal(err)
		}
		if starts := n.Script.Starts; readiness(n) == "exec" && len(starts) > 0 && starts[0].Answer == "fail" {
			continue // not even its first start finds a program
		}
		if err := os.Symlink("/bin/sh", s.path("bin/"+name)); err != nil {
			s.t.Fatal(err)
		}
	}
}

// happen makes a stimulus happen. The answers are OTP's words where they are
// what the words mean, see answered.
func (s *stage) happen(stim treetest.Stimulus, want []string) []string {
	s.t.Helper()
	one := func(verb, name string) []string {
		return []string{answered(verb, want[0], s.run(verb, name))}
	}
	switch stim.Verb {
	case "init":
		reply := answered("up", want[0], s.run("up", "-d"))
		if t, err := s.client().Tree(context.Background(), false); err == nil {
			s.pid = t.Daemon.PID
		}
		return []string{reply}
	case "exit":
		return []string{s.exit(stim)}
	case "batch":
		return s.batch(stim.Items)
	case "terminate_child":
		return one("stop", stim.Child)
	case "restart_child":
		return one("start", stim.Child)
	case "shutdown":
		if s.alive() {
			s.must("down")
		}
		return nil
	}
	s.t.Fatalf("nobody can make %q happen here", stim.Line)
	return nil
}

// answered says what OTP said if the command line said the same in its way.
func answered(verb, want string, r result) string {
	code := 1
	switch {
	case r.code == 3 && want == "noproc":
		code = 3 // no daemon at all
	case want == "ok", want == "error running",
		verb == "stop" && (want == "noproc" || want == "error not_found"):
		code = 0
	}
	if r.code == code {
		return want
	}
	return fmt.Sprintf("exit code %d, not %d for %q: %s%s", r.code, code, want, r.out, r.errors)
}

// exit makes a process end by itself: it is told to, or killed, by the command
// line or behind its back.
func (s *stage) exit(stim treetest.Stimulus) string {
	s.t.Helper()
	pid := s.pids()[stim.Target]
	if pid == 0 {
		return "not_running"
	}
	s.odd = !s.odd
	switch {
	case stim.How != treetest.Killed:
		s.ask(stim.Target, string(stim.How))
	case s.odd:
		s.must("kill", stim.Target, "-s", "SIGKILL")
	default:
		if err := signalPID(pid, "KILL"); err != nil {
			s.t.Fatal(err)
		}
	}
	return "ok"
}

// batch makes several processes end before their supervisor hears of the
// first: the daemon is halted meanwhile.
func (s *stage) batch(items []treetest.Stimulus) []string {
	s.t.Helper()
	running := s.pids()
	if err := signalPID(s.pid, "STOP"); err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = signalPID(s.pid, "CONT") }()
	until(s.t, "the daemon is halted", func() bool { return procState(s.pid) == "T" })
	var replies []string
	for _, item := range items {
		pid := running[item.Target]
		switch {
		case item.Verb != "exit" || pid == 0:
			s.t.Fatalf("%q cannot be part of a batch here", item.Line)
		case item.How == treetest.Killed:
			if err := signalPID(pid, "KILL"); err != nil {
				s.t.Fatal(err)
			}
		default:
			s.ask(item.Target, string(item.How))
		}
		awaitGone(s.t, pid)
		replies = append(replies, "ok")
	}
	return replies
}

// asItCame puts a batch in the order in which the ends were told. Whose end is
// seen first is the kernel's choice, and much depends on it; so the trace is the
// tree's from here on, if it was another order.
func (s *stage) asItCame(stimulus int, sections []string) []string {
	s.t.Helper()
	items := s.sc.Stimuli[stimulus].Items
	var order []string
	s.eventsUntil(func(all []ipc.Event) bool {
		order = nil
		for _, e := range all {
			if e.Kind == string(tree.ExitSeen) {
				order = append(order, e.Node)
			}
		}
		return len(order) >= len(items)
	})
	before := slices.Clone(items)
	slices.SortStableFunc(items, func(a, b treetest.Stimulus) int {
		return slices.Index(order, a.Target) - slices.Index(order, b.Target)
	})
	if slices.EqualFunc(before, items, func(a, b treetest.Stimulus) bool { return a.Target == b.Target }) {
		return sections
	}
	trace, err := treetest.Trace(s.sc, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.Split(strings.TrimPrefix(trace, "> "), "\n> ")
}

// pids are the processes that run now, none if there is no daemon.
func (s *stage) pids() map[string]int {
	s.t.Helper()
	t, err := s.client().Tree(context.Background(), false)
	if errors.Is(err, ipc.ErrNoDaemon) {
		return nil
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return pids(t.Root)
}

// ask writes to the FIFO of a process once that has opened it. Nothing is
// written for no words: then the process has only been met where it waits.
func (b *bed) ask(name, words string) {
	b.t.Helper()
	met := make(chan error, 1)
	go func() {
		f, err := os.OpenFile(b.path("ctl/"+name), os.O_WRONLY, 0)
		if err == nil && words != "" {
			_, err = f.WriteString(words + "\n")
		}
		met <- errors.Join(err, f.Close())
	}()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	select {
	case err := <-met:
		if err != nil {
			b.t.Fatalf("cannot speak to %s: %v", name, err)
		}
	case <-ctx.Done():
		b.t.Fatalf("%s never listens", name)
	}
}

// told are the lines of the record since the last section: so many, or fewer
// if no more come. Those of a tree that ends are all that there are.
func (s *stage) told(count int, dead bool) []string {
	s.t.Helper()
	var events []ipc.Event
	if dead {
		if s.pid != 0 {
			awaitGone(s.t, s.pid)
		}
		events = s.events()
	} else {
		events = s.eventsUntil(func(all []ipc.Event) bool { return len(traceLines(s.sc, all, s.seen)) >= count })
	}
	lines := traceLines(s.sc, events, s.seen)
	if len(events) > 0 {
		s.seen = max(s.seen, events[len(events)-1].Seq)
	}
	return lines
}

// eventsUntil are the events after those that were told, as they come in, until
// they are enough or none has come for too long.
func (s *stage) eventsUntil(enough func([]ipc.Event) bool) []ipc.Event {
	var events []ipc.Event
	stop := errors.New("enough")
	take := func(e ipc.Event) error {
		events = append(events, e)
		return nil
	}
	_ = s.client().Events(context.Background(), s.seen, false, take) // all that is there
	if enough(events) {
		return events
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	last := s.seen
	if len(events) > 0 {
		last = events[len(events)-1].Seq
	}
	_ = s.client().Events(ctx, last, true, func(e ipc.Event) error {
		if events = append(events, e); enough(events) {
			return stop
		}
		return nil
	})
	return events
}

// traceLines are the events after since in the words of OTP's traces.
func traceLines(sc *treetest.Scenario, events []ipc.Event, since uint64) []string {
	var lines []string
	for _, e := range events {
		n := sc.Nodes[e.Node]
		if e.Seq <= since || n == nil {
			continue
		}
		line := processLine(e)
		if n.Spec.Type == tree.Supervisor {
			line = supervisorLine(e)
		}
		if line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

func supervisorLine(e ipc.Event) string {
	switch tree.Kind(e.Kind) {
	case tree.StartBegun:
		return "sup_start " + e.Node
	case tree.StartFailure:
		return "sup_stop " + e.Node + " init_failed"
	case tree.GaveUp:
		return "max_intensity " + e.Node
	case tree.StopDone:
		return "sup_stop " + e.Node + " shutdown"
	}
	return ""
}

func processLine(e ipc.Event) string {
	switch tree.Kind(e.Kind) {
	case tree.StartDone:
		return "start " + e.Node
	case tree.StartFailure:
		return "start_fail " + e.Node
	case tree.ExitSeen, tree.StopDone:
		return "stop " + e.Node + " " + string(ending(e))
	}
	return ""
}

// ending is the reason class of an end.
func ending(e ipc.Event) treetest.Ending {
	switch {
	case e.Signal != nil && *e.Signal == "SIGTERM":
		return treetest.Shutdown
	case e.Signal != nil && *e.Signal == "SIGKILL":
		return treetest.Killed
	case e.Code != nil && *e.Code == 0:
		return treetest.Normal
	}
	return treetest.Crash
}

// alive says whether the daemon runs.
func (s *stage) alive() bool {
	_, err := s.client().Tree(context.Background(), false)
	return err == nil
}

// state is `status --json` in the words of a trace. All that run have been met:
// whatever happens to them next, they have counted their start.
func (s *stage) state(dead bool) string {
	s.t.Helper()
	if dead {
		if s.alive() {
			return "there is still a daemon"
		}
		return "dead"
	}
	r := s.run("status", "--json")
	if r.code != 0 {
		return fmt.Sprintf("exit code %d: %s", r.code, r.errors)
	}
	root := s.tree().Root
	for name := range pids(root) {
		s.ask(name, "")
	}
	return strings.Join(supervisorStates(root), " ")
}

// supervisorStates describes a running supervisor and those below it.
func supervisorStates(n ipc.Node) []string {
	if n.State != string(tree.Up) {
		return nil
	}
	var here, gone, below []string
	active, supervisors := 0, 0
	for _, c := range n.Children {
		word := stateWord(c)
		if word == "absent" {
			gone = append(gone, c.Name+":absent")
			continue
		}
		here = append(here, c.Name+":"+word)
		if word == "running" {
			active++
		}
		if c.Kind == "supervisor" {
			supervisors++
			below = append(below, supervisorStates(c)...)
		}
	}
	text := strings.Join(here, ",")
	if len(gone) > 0 {
		text += ";" + strings.Join(gone, ",")
	}
	counts := fmt.Sprintf("[%d/%d/%d/%d]", len(here), active, supervisors, len(here)-supervisors)
	return slices.Insert(below, 0, n.Name+"("+text+")"+counts)
}

// stateWord is what OTP calls the state of a child. What it has forgotten is
// shown here, and absent there.
func stateWord(n ipc.Node) string {
	switch tree.State(n.State) {
	case tree.Up:
		return "running"
	case tree.Stopped, tree.Finished, tree.Failed:
		if n.Restart == tree.Temporary.String() {
			return "absent"
		}
		return "stopped"
	}
	return n.State // and a tree at rest has none of these
}

// The rest is what OTP's scenarios have no words for: restart as one request,
// processes that are ready when they have ended, windows that pass, reload.

// actors makes a stage of a scenario's declarations and starts its tree.
func actors(t *testing.T, declarations string, edit ...string) *stage {
	t.Helper()
	sc, err := treetest.ParseScenario("otp-scenario 1\n" + declarations)
	if err != nil {
		t.Fatal(err)
	}
	file := strings.NewReplacer(edit...).Replace(treeFile(t, sc))
	s := &stage{bed: plot(t, file), sc: sc}
	s.furnish()
	s.up()
	s.pid = s.tree().Daemon.PID
	return s
}

// next wants the next lines of the trace, and that those who run have come to
// where they listen.
func (s *stage) next(want ...string) {
	s.t.Helper()
	if got := s.told(len(want), false); !slices.Equal(got, want) {
		s.t.Fatalf("the record (+) is not as wanted (-):\n%s", lineDiff(strings.Join(want, "\n"), strings.Join(got, "\n")))
	}
	for name := range s.pids() {
		s.ask(name, "")
	}
}

func TestRecordOfRestart(t *testing.T) {
	t.Parallel()
	s := actors(t, `
sup root strategy=one_for_all intensity=0 period=3600
worker a parent=root
sup s1 parent=root strategy=rest_for_one intensity=0 period=3600
worker b parent=s1 stop=crash
worker m parent=s1 restart=temporary
worker c parent=s1 restart=transient stop=ignore shutdown=50
`)
	s.next("sup_start root", "start a", "sup_start s1", "start b", "start m", "start c")
	s.must("restart", "b") // no sweep, no count
	s.next("stop b crash", "start b")
	s.must("restart", "m") // a temporary child stays known
	s.next("stop m shutdown", "start m")
	s.must("stop", "a")
	s.next("stop a shutdown")
	s.must("restart", "a")
	s.next("start a")
	s.must("restart", "s1")
	s.next("stop c killed", "stop m shutdown", "stop b crash", "sup_stop s1 shutdown",
		"sup_start s1", "start b", "start m", "start c")
	s.must("stop", "m")
	s.next("stop m shutdown")
	s.exits(1, "restart", "m") // now it is forgotten
	s.must("restart", "c", "b")
	s.next("stop c killed", "start c", "stop b crash", "start b")
	for _, n := range s.tree().Root.Children {
		if n.Restarts != 0 {
			t.Errorf("%s has %d restarts, and it was restarted by hand", n.Name, n.Restarts)
		}
	}
}

// A process with ready = "exit" has started and then ended. While it runs its
// supervisor waits; an end that is none of its success is a failed start.
func TestRecordOfReadyAtExit(t *testing.T) {
	t.Parallel()
	s := actors(t, `
sup root strategy=rest_for_one intensity=3 period=3600
worker a parent=root
worker job parent=root restart=transient starts=normal,crash,fail,normal*
worker last parent=root restart=temporary starts=normal
worker z parent=root
`, `"job", "shutdown", "notify"`, `"job", "shutdown", "-"`, `"last", "shutdown", "notify"`, `"last", "shutdown", "-"`,
		`ready = "notify"`, `ready = "exit"`)
	s.next("sup_start root", "start a", "start job", "stop job normal", "start last", "stop last normal", "start z")
	s.must("kill", "a", "-s", "SIGKILL")
	// Its failed starts are restarts of their own; the temporary job is forgotten.
	s.next("stop a killed", "stop z shutdown", "start a", "start_fail job", "start_fail job",
		"start job", "stop job normal", "start z")
	if n := s.node("job"); n.State != "finished" {
		t.Errorf("the job is %s, not finished", n.State)
	}
	s.must("start", "job")
	s.next("start job", "stop job normal")
}

// The one test here in which time plays a part: a restart that is older than
// the period is forgotten.
func TestRecordOfAWindowThatPasses(t *testing.T) {
	t.Parallel()
	s := actors(t, `
sup root strategy=one_for_one intensity=1 period=3600
sup s1 parent=root restart=temporary intensity=1 period=1
worker a parent=s1
sup s2 parent=root restart=temporary intensity=1 period=3600
worker b parent=s2
`)
	s.next("sup_start root", "sup_start s1", "start a", "sup_start s2", "start b")
	for range 3 {
		s.ask("a", "crash")
		s.next("stop a crash", "start a")
		since := s.node("a").Since
		until(t, "the period has passed", func() bool { return time.Since(since) > 1100*time.Millisecond })
	}
	s.ask("b", "crash")
	s.next("stop b crash", "start b")
	s.ask("b", "crash")
	s.next("stop b crash", "max_intensity s2", "sup_stop s2 shutdown")
	if n := s.node("s1"); n.State != "running" {
		t.Errorf("s1 is %s, and its restarts were far enough apart", n.State)
	}
}

func TestRecordOfReload(t *testing.T) {
	t.Parallel()
	s := actors(t, `
sup root strategy=one_for_one intensity=3 period=3600
worker a parent=root
sup s1 parent=root strategy=one_for_one intensity=1 period=3600
worker b parent=s1
worker c parent=s1 stop=normal
worker d parent=s1
sup s2 parent=root strategy=one_for_all
worker e parent=s2
worker f parent=root
`)
	s.next("sup_start root", "start a", "sup_start s1", "start b", "start c", "start d", "sup_start s2", "start e", "start f")
	s.ask("b", "crash")
	s.next("stop b crash", "start b")
	before := pids(s.tree().Root)

	// s2 and f go, the last first; g comes; s1 has a new order and strategy, and
	// c a new environment, for which it is started anew.
	file := s.read("coppice.toml")
	file = file[:strings.Index(file, "\n[supervisor.s2]")] + strings.ReplaceAll(
		file[strings.Index(file, "\n[process.f]"):], "f\"", "g\"")
	file = strings.NewReplacer(
		`children = ["a", "s1", "s2", "f"]`, `children = ["a", "s1", "g"]`,
		`[process.f]`, `[process.g]`,
		`children = ["b", "c", "d"]`, `children = ["b", "d", "c"]`,
		"[supervisor.s1]\nstrategy = \"one_for_one\"", "[supervisor.s1]\nstrategy = \"rest_for_one\"",
		`"c", "normal", "notify"]`+"\nenv = {", `"c", "normal", "notify"]`+"\nenv = { NEW = \"1\",",
	).Replace(file)
	s.write("coppice.toml", file)
	s.sc.Nodes["g"] = s.sc.Nodes["f"]
	for _, err := range []error{unix.Mkfifo(s.path("ctl/g"), 0o600), os.Symlink("/bin/sh", s.path("bin/g"))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	s.must("reload")
	s.next("stop f shutdown", "stop e shutdown", "sup_stop s2 shutdown", "start g", "stop c normal", "start c")
	after := pids(s.tree().Root)
	for _, name := range []string{"a", "b", "d"} {
		if before[name] != after[name] {
			t.Errorf("%s was pid %d and is %d: reload had no reason to touch it", name, before[name], after[name])
		}
	}

	// The window was kept, and the new order and strategy hold.
	s.ask("b", "crash")
	s.next("stop b crash", "max_intensity s1", "stop c normal", "stop d shutdown", "sup_stop s1 shutdown",
		"sup_start s1", "start b", "start d", "start c")
	s.ask("d", "crash")
	s.next("stop d crash", "stop c normal", "start d", "start c")
}
