package treetest

import (
	"fmt"
	"slices"
	"strings"

	"coppice/tree"
)

// Scenario is a tree of scripted processes and what happens to it.
type Scenario struct {
	// Root is the name of the root supervisor.
	Root string
	// Nodes are the declared nodes by name, Names their names in file order.
	Nodes map[string]*Node
	Names []string
	// Stimuli happen one after the other, each to a tree that is at rest.
	Stimuli []Stimulus
}

// Node is one declared child and, for a process, the script of its life.
type Node struct {
	// Spec is the node's own part; Children is filled by World when asked.
	Spec   tree.ChildSpec
	Parent string
	// Kids are a supervisor's declared children in start order, Template is
	// the one child of a SimpleOneForOne supervisor.
	Kids     []string
	Template *tree.ChildSpec
	Script   Script
}

// Script says what a process does by itself.
type Script struct {
	// Starts are the answers to the first, second, ... start of that name. The
	// last one with Forever holds for all further ones; past the end all is ok.
	Starts []StartLine
	// Stop is what it does when asked to stop, OnStop what it does just before.
	Stop   Ending
	OnStop *Push
}

// StartLine is what one start leads to.
type StartLine struct {
	// Answer is ok, fail, ignore, or the Ending of a process that has ended by
	// the time its start is answered.
	Answer  string
	Forever bool
	// Push comes first, if set.
	Push *Push
}

// Push makes another process end, unless it does not run.
type Push struct {
	How   Ending
	Other string
}

// Ending is the way in which a process ends, in OTP's words.
type Ending string

// The endings. Ignore is no ending at all: the stop request has no effect.
const (
	Normal   Ending = "normal"
	Shutdown Ending = "shutdown"
	Crash    Ending = "crash"
	Killed   Ending = "killed"
	Ignore   Ending = "ignore"
)

// Stimulus is one thing that happens from outside.
type Stimulus struct {
	// Line is the stimulus as written; Verb is its first word.
	Line, Verb string
	// Target is the process of an exit, else the supervisor; Child is the
	// child of a call.
	Target, Child string
	// How is the ending of an exit.
	How Ending
	// At is the time of an at, counted from the start of the scenario.
	At tree.Time
	// Node is the child of a start_child.
	Node *Node
	// Flags and Kids are those of an upgrade; a kid without a Script is a kept
	// supervisor.
	Flags tree.Flags
	Kids  []*Node
	// Items are those of a batch.
	Items []Stimulus
}

const header = "otp-scenario 1"

// ParseScenario reads the scenario format.
func ParseScenario(text string) (*Scenario, error) {
	sc := &Scenario{Nodes: map[string]*Node{}}
	lines := meaningful(text)
	if len(lines) == 0 || lines[0] != header {
		return nil, fmt.Errorf("cannot read scenario: the first line is not %q", header)
	}
	do := slices.Index(lines, "do")
	if do < 0 {
		do = len(lines)
	}
	for _, line := range lines[1:do] {
		if err := sc.declare(line); err != nil {
			return nil, fmt.Errorf("cannot read %q: %v", line, err)
		}
	}
	if sc.Root == "" {
		return nil, fmt.Errorf("cannot read scenario: no supervisor is without a parent")
	}
	for rest := lines[min(do+1, len(lines)):]; len(rest) > 0; {
		stim, n, err := parseStimulus(rest)
		if err != nil {
			return nil, fmt.Errorf("cannot read %q: %v", rest[0], err)
		}
		sc.Stimuli = append(sc.Stimuli, stim)
		rest = rest[n:]
	}
	return sc, nil
}

// meaningful cuts comments, blanks at both ends, and empty lines.
func meaningful(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}

func (sc *Scenario) declare(line string) error {
	words := strings.Fields(line)
	if len(words) < 2 {
		return fmt.Errorf("a declaration is a kind and a name")
	}
	opts, err := parseOptions(words[2:])
	if err != nil {
		return err
	}
	name := words[1]
	switch words[0] {
	case "sup":
		n := opts.supervisor(name)
		n.Spec.Flags = opts.flags()
		return sc.add(n, opts)
	case "worker":
		return sc.add(opts.worker(name), opts)
	case "template":
		sup := sc.Nodes[name]
		if sup == nil {
			return fmt.Errorf("no supervisor %s", name)
		}
		t := opts.worker(name + "_template")
		sup.Template = &t.Spec
		return opts.done()
	}
	return fmt.Errorf("%s is no kind of declaration", words[0])
}

func (sc *Scenario) add(n *Node, opts *options) error {
	if err := opts.done(); err != nil {
		return err
	}
	name := n.Spec.ID
	if sc.Nodes[name] != nil {
		return fmt.Errorf("%s is declared twice", name)
	}
	parent := sc.Nodes[n.Parent]
	switch {
	case n.Parent == "" && n.Spec.Type == tree.Supervisor && sc.Root == "":
		sc.Root = name
	case parent == nil || parent.Spec.Type != tree.Supervisor:
		return fmt.Errorf("%s has no supervisor %q to stand under", name, n.Parent)
	default:
		parent.Kids = append(parent.Kids, name)
	}
	sc.Nodes[name] = n
	sc.Names = append(sc.Names, name)
	return nil
}

// parseStimulus reads the first stimulus of lines and says how many of them it
// took.
func parseStimulus(lines []string) (Stimulus, int, error) {
	words := strings.Fields(lines[0])
	if words[0] != "batch" && words[0] != "upgrade" {
		stim, err := parseLine(lines[0])
		return stim, 1, err
	}
	end := slices.Index(lines, "end")
	if end < 0 {
		return Stimulus{}, 0, fmt.Errorf("there is no end")
	}
	stim := Stimulus{Line: lines[0], Verb: words[0]}
	if stim.Verb == "batch" {
		for _, line := range lines[1:end] {
			item, err := parseLine(line)
			if err != nil {
				return stim, 0, err
			}
			stim.Items = append(stim.Items, item)
		}
		return stim, end + 1, nil
	}
	err := stim.parseUpgrade(words[1:], lines[1:end])
	return stim, end + 1, err
}

func (s *Stimulus) parseUpgrade(words, body []string) error {
	if len(words) == 0 {
		return fmt.Errorf("which supervisor?")
	}
	s.Target = words[0]
	opts, err := parseOptions(words[1:])
	if err != nil {
		return err
	}
	s.Flags = opts.flags()
	if err := opts.done(); err != nil {
		return err
	}
	for _, line := range body {
		w := strings.Fields(line)
		if len(w) < 2 || w[0] != "worker" && w[0] != "keepsup" {
			return fmt.Errorf("%q is no child", line)
		}
		opts, err := parseOptions(w[2:])
		if err != nil {
			return err
		}
		n := opts.child(w[0], w[1])
		n.Parent = s.Target
		if err := opts.done(); err != nil {
			return err
		}
		s.Kids = append(s.Kids, n)
	}
	return nil
}

// parseLine reads a stimulus of one line.
func parseLine(line string) (Stimulus, error) {
	words := strings.Fields(line)
	stim := Stimulus{Line: line, Verb: words[0]}
	want := map[string]int{"exit": 3, "terminate_child": 3, "restart_child": 3, "delete_child": 3, "at": 2, "shutdown": 1}[stim.Verb]
	if stim.Verb == "start_child" && len(words) >= 3 {
		return stim, stim.parseStartChild(words)
	}
	if want != len(words) {
		return stim, fmt.Errorf("%s with %d words is no stimulus", stim.Verb, len(words))
	}
	switch stim.Verb {
	case "exit":
		stim.Target = words[1]
		how, ok := endings[words[2]]
		if !ok {
			return stim, fmt.Errorf("%s is no ending", words[2])
		}
		stim.How = how
	case "at":
		ms, err := parseMillis(words[1])
		if err != nil {
			return stim, err
		}
		stim.At = ms
	case "shutdown":
	default:
		stim.Target, stim.Child = words[1], words[2]
	}
	return stim, nil
}

func (s *Stimulus) parseStartChild(words []string) error {
	s.Target, s.Child = words[1], words[2]
	opts, err := parseOptions(words[3:])
	if err != nil {
		return err
	}
	s.Node = opts.worker(s.Child)
	s.Node.Parent = s.Target
	return opts.done()
}
