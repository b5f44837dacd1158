package tree_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"coppice/tree"
)

var rewrite = flag.Bool("rewrite", false, "write the present answers into the scripts; read the diff before committing it")

// TestScripts plays the stories of testdata/scripts. A script begins with the
// sentence it proves; then come commands, each followed by ---- and its whole
// answer: reports as "seq because: kind node …", actions behind an arrow.
//
//	tree                 the lines below describe it, children indented: see parseSpec
//	boot                 the first event
//	started NAME…        the program was executed (pids count from 100)
//	failed NAME          it could not be
//	ready NAME
//	hindered NAME WORDS, checked NAME ok|WORDS, unwell NAME, extend NAME DURATION
//	exited NAME CODE|SIGNAL|lost|oom
//	survives NAME WORDS  it was killed and this is left of it
//	freeze NAME, thaw NAME
//	hooked NAME [failed] the command after its end has ended
//	dropped NAME BYTES
//	resume               the runtime dies: the tree is saved, restored and told so; what is to be done again is answered with "again"
//	adopted NAME
//	salvage NAME…        the tree learns that these run, and no others
//	settle               answers every start with started and ready, every stop with SIGTERM, until nothing is asked for
//	wait DURATION        lets time pass, with a tick at every deadline
//	reload NAME
//	reloaded NAME [failed]
//	stop|start|restart|delete NAME, add SUPERVISOR LINE, signal NAME SIGNAL
//	down, kill           the whole tree
//	apply, diff          the lines below are the new tree
//	status
//	together             the lines below are commands, heard in one step
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/scripts/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := playScript(t, string(text))
			if *rewrite {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if diff := cmp.Diff(strings.Split(string(text), "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("the script (-) and the tree (+) differ:\n%s", diff)
			}
		})
	}
}

// playScript returns the script with the tree's answers in the place of its own.
func playScript(t *testing.T, text string) string {
	t.Helper()
	var out strings.Builder
	p := &player{t: t, refs: map[string]tree.Ref{}, pids: map[string]int{}, running: map[string]bool{}, lastPID: 99}
	for i, block := range strings.Split(strings.TrimRight(text, "\n")+"\n", "\n\n") {
		command, _, ok := strings.Cut(block+"\n", "----\n")
		if !ok {
			if i > 0 {
				t.Fatalf("no ---- behind %q", block)
			}
			out.WriteString(strings.TrimRight(block, "\n") + "\n") // the sentence
			continue
		}
		fmt.Fprintf(&out, "\n%s----\n%s", command, p.command(strings.Split(strings.TrimRight(command, "\n"), "\n")))
	}
	return out.String()
}

// player is the world of a script: it does only what the script says.
type player struct {
	t       *testing.T
	tree    *tree.Tree
	now     tree.Time
	calls   uint64
	lastPID int
	refs    map[string]tree.Ref // the incarnation last started
	pids    map[string]int
	running map[string]bool
	asked   []tree.Action // starts, stops, kills and commands after an end not answered yet
	because uint64        // of the last reload
	out     strings.Builder
}

func (p *player) command(lines []string) string {
	p.out.Reset()
	words := strings.Fields(lines[0])
	switch words[0] {
	case "tree":
		p.tree = tree.New(p.spec(lines[1:]), tree.Options{})
	case "settle":
		for len(p.asked) > 0 {
			p.step(p.answer())
		}
	case "wait":
		p.wait(duration(p.t, words[1]))
	case "status":
		p.status(p.tree.Status(), "")
	case "keeps":
		p.keeps(words[1:])
	case "resume":
		p.resume()
	case "salvage":
		p.salvage(words[1:])
	case "diff":
		for _, c := range p.tree.Diff(p.spec(lines[1:])) {
			p.change(c)
		}
	case "apply":
		p.step(p.call(tree.Apply{Spec: p.spec(lines[1:])}))
	case "together":
		var events []tree.Event
		for _, l := range lines[1:] {
			events = append(events, p.event(strings.Fields(l)))
		}
		p.step(events...)
	default:
		p.step(p.event(words))
	}
	return p.out.String()
}

func (p *player) call(r tree.Request) tree.Event {
	p.calls++
	return tree.Called{ID: p.calls, Request: r}
}

// event is one command that is one event.
func (p *player) event(words []string) tree.Event {
	name := ""
	if len(words) > 1 {
		name = words[1]
	}
	switch words[0] {
	case "boot":
		return tree.Boot{}
	case "started":
		return p.started(p.refs[name])
	case "failed":
		return tree.StartFailed{Ref: p.refs[name], Cause: "cannot execute it"}
	case "short":
		return tree.StartFailed{Ref: p.refs[name], Cause: "no more processes are allowed", Shortage: true}
	case "ready":
		return tree.Ready{Ref: p.refs[name]}
	case "hindered":
		return tree.NotReady{Ref: p.refs[name], Cause: strings.Join(words[2:], " ")}
	case "checked":
		said := strings.Join(words[2:], " ")
		if said == "ok" {
			return tree.Checked{Ref: p.refs[name], Passed: true}
		}
		return tree.Checked{Ref: p.refs[name], Cause: said}
	case "unwell":
		return tree.Unwell{Ref: p.refs[name], Cause: "it has said that it is not well"}
	case "extend":
		return tree.Extended{Ref: p.refs[name], Span: duration(p.t, words[2])}
	case "exited":
		return p.exited(p.refs[name], words[2])
	case "drawn":
		number, _ := strconv.ParseFloat(words[2], 64)
		return tree.Drawn{Ref: p.refs[name], Number: number}
	case "hooked":
		e := tree.HookDone{Ref: p.refs[name]}
		if len(words) > 2 {
			e.Cause = "after_exit failed: exit code 1"
		}
		return e
	case "reload":
		return p.call(tree.ReloadChild{ID: name})
	case "reloaded":
		e := tree.ReloadDone{Ref: p.refs[name], Call: p.calls, Because: p.because}
		if len(words) > 2 {
			e.Cause = "exit code 1"
		}
		return e
	case "adopted":
		return tree.Adopted{Ref: p.refs[name]}
	case "survives":
		return tree.Survives{Ref: p.refs[name], Cause: strings.Join(words[2:], " ")}
	case "freeze", "thaw":
		return p.call(tree.FreezeChild{ID: name, Thaw: words[0] == "thaw"})
	case "dropped":
		bytes, _ := strconv.Atoi(words[2])
		return tree.Dropped{ID: name, Bytes: int64(bytes)}
	case "stop":
		return p.call(tree.TerminateChild{ID: name})
	case "start":
		return p.call(tree.RestartChild{ID: name})
	case "restart":
		return p.call(tree.CycleChild{ID: name})
	case "delete":
		return p.call(tree.DeleteChild{ID: name})
	case "add":
		return p.call(tree.StartChild{Supervisor: name, Spec: p.child(words[2:])})
	case "signal":
		return p.call(tree.SignalChild{ID: name, Signal: words[2]})
	case "down":
		return p.call(tree.ShutdownTree{By: "down"})
	case "kill":
		return p.call(tree.ShutdownTree{By: "SIGINT", Kill: true})
	}
	p.t.Fatalf("no command %q", words)
	return nil
}

func (p *player) started(ref tree.Ref) tree.Event {
	p.lastPID++
	p.running[ref.ID], p.pids[ref.ID] = true, p.lastPID
	return tree.Started{Ref: ref, PID: p.lastPID}
}

func (p *player) exited(ref tree.Ref, how string) tree.Event {
	p.running[ref.ID] = false
	switch how {
	case "lost":
		return tree.Exited{Ref: ref, Exit: tree.Exit{Lost: true}}
	case "oom":
		return tree.Exited{Ref: ref, Exit: tree.Exit{Signal: "SIGKILL", OOM: true}}
	}
	code, err := strconv.Atoi(how)
	if err != nil {
		return tree.Exited{Ref: ref, Exit: tree.Exit{Signal: how}}
	}
	return tree.Exited{Ref: ref, Exit: tree.Exit{Code: code}}
}

// answer is what a well-behaved world says to the oldest thing asked for.
func (p *player) answer() tree.Event {
	a := p.asked[0]
	p.asked = p.asked[1:]
	switch a := a.(type) {
	case tree.Start:
		if a.Spec.Ready == tree.AtNotice {
			p.step(p.started(a.Ref))
			return tree.Ready{Ref: a.Ref}
		}
		return p.started(a.Ref)
	case tree.Stop:
		return p.exited(a.Ref, "SIGTERM")
	case tree.Kill:
		return p.exited(a.Ref, "SIGKILL")
	case tree.Draw:
		return tree.Drawn{Ref: a.Ref, Number: 0.5}
	case tree.AfterExit:
		return tree.HookDone{Ref: a.Ref}
	}
	return tree.Tick{}
}

func (p *player) wait(span tree.Time) {
	end := p.now + span
	for {
		at, ok := p.tree.Deadline()
		if !ok || at > end {
			break
		}
		p.now = max(at, p.now)
		fmt.Fprintf(&p.out, "at %s\n", time.Duration(p.now))
		p.step(tree.Tick{})
	}
	p.now = end
}

// resume puts a restored tree in the place of the present one, and shows what the
// new runtime would do again.
func (p *player) resume() {
	p.tree = reread(p.t, p.tree)
	p.step(tree.Resumed{})
	asked := p.asked
	for _, a := range p.tree.Redo() {
		p.out.WriteString("again ")
		p.act(a)
	}
	p.asked = asked
}

func (p *player) salvage(names []string) {
	var living []tree.Living
	for _, name := range names {
		living = append(living, tree.Living{Ref: p.refs[name], PID: p.pids[name]})
	}
	p.asked = nil
	p.told(p.tree.Salvage(p.now, living))
}

func (p *player) step(events ...tree.Event) { p.told(p.tree.Step(p.now, events...)) }

func (p *player) told(out tree.Output) {
	for _, r := range out.Reports {
		p.report(r)
	}
	for _, a := range out.Actions {
		p.act(a)
	}
}

func (p *player) report(r tree.Report) {
	fmt.Fprintf(&p.out, "%d", r.Seq)
	if r.Because != 0 {
		fmt.Fprintf(&p.out, " because %d", r.Because)
	}
	fmt.Fprintf(&p.out, ": %s %s", r.Kind, r.Node)
	if r.Request != "" {
		fmt.Fprintf(&p.out, " request=%s", r.Request)
	}
	if r.Child != "" {
		fmt.Fprintf(&p.out, " child=%s", r.Child)
	}
	if r.PID != 0 {
		fmt.Fprintf(&p.out, " pid=%d", r.PID)
	}
	if r.Exit != nil {
		fmt.Fprintf(&p.out, " (%s)", r.Exit)
	}
	if r.Bytes != 0 {
		fmt.Fprintf(&p.out, " bytes=%d", r.Bytes)
	}
	if r.Strategy != "" {
		fmt.Fprintf(&p.out, " strategy=%s", r.Strategy)
	}
	if r.Delay != 0 {
		fmt.Fprintf(&p.out, " delay=%s", time.Duration(r.Delay))
	}
	if r.Cause != "" {
		fmt.Fprintf(&p.out, " cause=%q", r.Cause)
	}
	p.out.WriteString("\n")
}

func (p *player) act(a tree.Action) {
	switch a := a.(type) {
	case tree.Start:
		p.refs[a.ID] = a.Ref
		p.asked = append(p.asked, a)
		fmt.Fprintf(&p.out, "-> start %s", a.ID)
		if extra := a.Spec.Extra; extra.Args != nil {
			fmt.Fprintf(&p.out, ": %v %s", a.Spec.Start, strings.Join(extra.Args, " "))
		}
		p.out.WriteString("\n")
	case tree.Stop:
		p.asked = append(p.asked, a)
		fmt.Fprintf(&p.out, "-> stop %s\n", a.ID)
	case tree.Kill:
		p.asked = append(p.asked, a)
		fmt.Fprintf(&p.out, "-> kill %s\n", a.ID)
	case tree.Draw:
		p.asked = append(p.asked, a)
		fmt.Fprintf(&p.out, "-> draw %s\n", a.ID)
	case tree.Inspect:
		fmt.Fprintf(&p.out, "-> inspect %s\n", a.ID)
	case tree.Freeze:
		fmt.Fprintf(&p.out, "-> %s %s\n", map[bool]string{true: "freeze", false: "thaw"}[a.On], a.ID)
	case tree.AfterExit:
		p.asked = append(p.asked, a)
		fmt.Fprintf(&p.out, "-> after_exit %s %s (%s)\n", a.ID, a.Result, a.Exit)
	case tree.Reload:
		p.because = a.Because
		fmt.Fprintf(&p.out, "-> reload %s\n", a.ID)
	case tree.Signal:
		fmt.Fprintf(&p.out, "-> signal %s %s\n", a.ID, a.Signal)
	case tree.Reply:
		fmt.Fprintf(&p.out, "-> reply %d %s\n", a.ID, replyText(a))
		for _, c := range a.Changes {
			p.change(c)
		}
	case tree.Halt:
		p.halt(a)
	}
}

func replyText(r tree.Reply) string {
	text := "ok"
	switch {
	case r.Refusal != "":
		text = "refused: " + string(r.Refusal)
	case r.Already:
		text = "ok, already so"
	}
	if r.Cause != "" {
		text += fmt.Sprintf(" cause=%q", r.Cause)
	}
	return text
}

func (p *player) halt(h tree.Halt) {
	reasons := []string{"shutdown", "gave up", "start failed", "auto shutdown"}
	fmt.Fprintf(&p.out, "-> halt: %s child=%s process=%s", reasons[h.Reason], h.Child, h.Process)
	if h.Exit != nil {
		fmt.Fprintf(&p.out, " (%s)", h.Exit)
	}
	p.out.WriteString("\n")
}

func (p *player) change(c tree.Change) {
	kind := c.Type.String()
	if c.Template {
		kind = "template"
	}
	fmt.Fprintf(&p.out, "   %s %s %s under %q %s", c.Kind, kind, c.ID, c.Supervisor, strings.Join(c.What, ","))
	if c.Refusal != "" {
		fmt.Fprintf(&p.out, " %s: %s", c.Refusal, c.Cause)
	}
	p.out.WriteString("\n")
}

// keeps tells of each name whether what it has left for its next incarnation is kept.
func (p *player) keeps(names []string) {
	for _, name := range names {
		fmt.Fprintf(&p.out, "%s %v\n", name, p.tree.Keeps(name))
	}
}

func (p *player) status(s tree.Status, indent string) {
	fmt.Fprintf(&p.out, "%s%s %s", indent, s.Spec.ID, s.State)
	if s.PID != 0 {
		fmt.Fprintf(&p.out, " pid=%d", s.PID)
	}
	if s.Restarts != 0 {
		fmt.Fprintf(&p.out, " restarts=%d", s.Restarts)
	}
	if s.Held {
		p.out.WriteString(" held")
	}
	if s.Adopted {
		p.out.WriteString(" adopted")
	}
	if s.Until != 0 {
		fmt.Fprintf(&p.out, " until=%s", time.Duration(s.Until))
	}
	if s.Place != 0 {
		fmt.Fprintf(&p.out, " place=%d", s.Place)
	}
	if s.Waits != "" {
		fmt.Fprintf(&p.out, " waits=%q", s.Waits)
	}
	if s.LastEnd != nil {
		fmt.Fprintf(&p.out, " last=%s", s.LastEnd.Reason)
	}
	if s.Health != tree.Unchecked {
		fmt.Fprintf(&p.out, " %s", s.Health)
	}
	if s.Trouble != "" {
		fmt.Fprintf(&p.out, " trouble=%q", s.Trouble)
	}
	fmt.Fprintf(&p.out, " cause=%d\n", s.Cause)
	for _, c := range s.Children {
		p.status(c, indent+"  ")
	}
}

// spec reads a tree: the first line is the root, children are indented by two
// more blanks than their supervisor.
func (p *player) spec(lines []string) tree.ChildSpec {
	root := p.child(append([]string{"root", "supervisor"}, strings.Fields(lines[0])[1:]...))
	p.children(&root, lines[1:], 2)
	if faults := tree.Check(root); len(faults) > 0 {
		p.t.Fatalf("the script's tree is wrong: %v", faults)
	}
	return root
}

func (p *player) children(s *tree.ChildSpec, lines []string, indent int) {
	for i := 0; i < len(lines); {
		c := p.child(strings.Fields(lines[i]))
		end := i + 1
		for end < len(lines) && len(lines[end])-len(strings.TrimLeft(lines[end], " ")) > indent {
			end++
		}
		p.children(&c, lines[i+1:end], indent+2)
		s.Children = append(s.Children, c)
		i = end
	}
}

// child reads "NAME [supervisor] [key=value …]" with OTP's defaults, but for the
// intensity: 3 in 5s.
func (p *player) child(words []string) tree.ChildSpec {
	c := tree.ChildSpec{
		ID: words[0], Shutdown: tree.Shutdown{Timeout: 5 * tree.Second}, Start: words[0],
		StartTimeout: 60 * tree.Second,
		Success:      tree.Success{Codes: [][2]int{{0, 0}}, Signals: []string{"SIGTERM"}},
	}
	for _, w := range words[1:] {
		if w == "supervisor" {
			c.Type, c.Shutdown.Timeout, c.Start = tree.Supervisor, tree.Infinity, nil
			c.Flags = tree.Flags{Intensity: 3, Period: 5 * tree.Second}
			continue
		}
		p.set(&c, w)
	}
	return c
}

func (p *player) set(c *tree.ChildSpec, word string) {
	key, value, _ := strings.Cut(word, "=")
	switch key {
	case "one_for_all":
		c.Flags.Strategy = tree.OneForAll
	case "rest_for_one":
		c.Flags.Strategy = tree.RestForOne
	case "simple_one_for_one":
		c.Flags.Strategy = tree.SimpleOneForOne
	case "any_significant":
		c.Flags.AutoShutdown = tree.AnySignificant
	case "all_significant":
		c.Flags.AutoShutdown = tree.AllSignificant
	case "intensity":
		c.Flags.Intensity, _ = strconv.Atoi(value)
	case "max_children":
		c.Flags.MaxChildren, _ = strconv.Atoi(value)
	case "args":
		c.Extra.Args = strings.Split(value, ",")
	case "period":
		c.Flags.Period = duration(p.t, value)
	case "transient":
		c.Restart = tree.Transient
	case "temporary":
		c.Restart = tree.Temporary
	case "significant":
		c.Significant = true
	case "brutal":
		c.Shutdown.Brutal = true
	case "shutdown":
		c.Shutdown.Timeout = duration(p.t, value)
	case "notice":
		c.Ready = tree.AtNotice
	case "exit":
		c.Ready = tree.AtExit
	case "start":
		c.Start = value
	case "on":
		c.OnExit = append(c.OnExit, verdict(p.t, value))
	case "before_start":
		c.BeforeStart = true
	case "after_exit":
		c.AfterExit = true
	case "timeout":
		c.StartTimeout = duration(p.t, value)
	case "health":
		failures, successes, _ := strings.Cut(value, "/")
		c.Health.Failures, _ = strconv.Atoi(failures)
		c.Health.Successes, _ = strconv.Atoi(successes)
	case "start_period":
		c.Health.StartPeriod = duration(p.t, value)
	case "backoff":
		c.Backoff = tree.Backoff{Initial: duration(p.t, value), Max: 4 * duration(p.t, value), Factor: 2}
	case "rate":
		fmt.Sscanf(value, "%f/%d", &c.Rate.PerSecond, &c.Rate.Burst)
	case "jitter":
		c.Backoff.Jitter, _ = strconv.ParseFloat(value, 64)
	case "decay":
		c.Backoff.Decay = duration(p.t, value)
	case "max":
		c.Backoff.Max = duration(p.t, value)
	default:
		p.t.Fatalf("no key %q", word)
	}
}

// verdict reads "42:one_for_all", "100-110:…" or "SIGSEGV:…".
func verdict(t *testing.T, text string) tree.Verdict {
	var v tree.Verdict
	end, strategy, _ := strings.Cut(text, ":")
	if first, last, ok := strings.Cut(end, "-"); ok {
		fmt.Sscan(first, &v.Codes[0])
		fmt.Sscan(last, &v.Codes[1])
	} else if _, err := fmt.Sscan(end, &v.Codes[0]); err != nil {
		v.Signal = end
	} else {
		v.Codes[1] = v.Codes[0]
	}
	for v.Strategy.String() != strategy {
		if v.Strategy++; v.Strategy > tree.RestForOne {
			t.Fatalf("no strategy %q", strategy)
		}
	}
	return v
}

func duration(t *testing.T, s string) tree.Time {
	if s == "infinity" {
		return tree.Infinity
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return tree.Time(d)
}
