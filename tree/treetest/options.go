package treetest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"coppice/tree"
)

// options are the key=value words of one line. Each get takes its key away and
// keeps the first fault; done tells it, or the keys that nobody took.
type options struct {
	values map[string]string
	fault  error
}

func parseOptions(words []string) (*options, error) {
	o := &options{values: map[string]string{}}
	for _, w := range words {
		k, v, ok := strings.Cut(w, "=")
		if !ok {
			return nil, fmt.Errorf("%q is not key=value", w)
		}
		o.values[k] = v
	}
	return o, nil
}

func (o *options) done() error {
	for k := range o.values {
		o.fail("nobody knows the key %s", k)
	}
	return o.fault
}

func (o *options) fail(format string, args ...any) {
	if o.fault == nil {
		o.fault = fmt.Errorf(format, args...)
	}
}

func (o *options) get(key, otherwise string) string {
	v, ok := o.values[key]
	if !ok {
		return otherwise
	}
	delete(o.values, key)
	return v
}

// choose gives the value of a key by its place in words.
func choose[T ~uint8](o *options, key string, words []string) T {
	v := o.get(key, words[0])
	i := slices.Index(words, v)
	if i < 0 {
		o.fail("%s is not one of %v", v, words)
		return 0
	}
	return T(i)
}

// The words of the format, each at the place of its constant in package tree.
var (
	strategyWords = []string{"one_for_one", "one_for_all", "rest_for_one", "simple_one_for_one"}
	restartWords  = []string{"permanent", "transient", "temporary"}
	autoWords     = []string{"never", "any_significant", "all_significant"}
	boolWords     = []string{"false", "true"}
)

// endings are the words that make a process end; a kill leaves it killed.
var endings = map[string]Ending{"normal": Normal, "shutdown": Shutdown, "crash": Crash, "kill": Killed}

// decent is what every process's ends are judged by, see exitOf.
var decent = tree.Success{Codes: [][2]int{{0, 0}}, Signals: []string{"SIGTERM"}}

func (o *options) flags() tree.Flags {
	return tree.Flags{
		Strategy:     choose[tree.Strategy](o, "strategy", strategyWords),
		AutoShutdown: choose[tree.AutoShutdown](o, "auto_shutdown", autoWords),
		Intensity:    o.number("intensity", "1"),
		Period:       tree.Time(o.number("period", "5")) * tree.Second,
	}
}

func (o *options) number(key, otherwise string) int {
	n, err := strconv.Atoi(o.get(key, otherwise))
	if err != nil {
		o.fail("%s is not a number", key)
	}
	return n
}

// child reads what all children have in common with the kind's own.
func (o *options) child(kind, name string) *Node {
	if kind == "worker" {
		return o.worker(name)
	}
	return o.supervisor(name)
}

func (o *options) supervisor(name string) *Node {
	n := &Node{Spec: tree.ChildSpec{ID: name, Type: tree.Supervisor}}
	o.common(n, "infinity")
	return n
}

func (o *options) worker(name string) *Node {
	n := &Node{Spec: tree.ChildSpec{ID: name, Type: tree.Process, Success: decent}}
	o.common(n, "5000")
	n.Script = o.script()
	return n
}

func (o *options) common(n *Node, shutdown string) {
	n.Parent = o.get("parent", "")
	n.Spec.Restart = choose[tree.RestartType](o, "restart", restartWords)
	n.Spec.Significant = choose[uint8](o, "significant", boolWords) == 1
	switch v := o.get("shutdown", shutdown); v {
	case "brutal_kill":
		n.Spec.Shutdown.Brutal = true
	case "infinity":
		n.Spec.Shutdown.Timeout = tree.Infinity
	default:
		ms, err := parseMillis(v)
		if err != nil {
			o.fail("%v", err)
		}
		n.Spec.Shutdown.Timeout = ms
	}
}

func parseMillis(s string) (tree.Time, error) {
	ms, err := strconv.Atoi(s)
	if err != nil || ms < 0 {
		return 0, fmt.Errorf("%s is no number of milliseconds", s)
	}
	return tree.Time(ms) * (tree.Second / 1000), nil
}

func (o *options) script() Script {
	s := Script{Stop: Ending(o.get("stop", "shutdown"))}
	if !slices.Contains([]Ending{Normal, Shutdown, Crash, Ignore}, s.Stop) {
		o.fail("%s is no way to stop", s.Stop)
	}
	if on := o.get("onstop", "none"); on != "none" {
		s.OnStop = o.push(on)
	}
	if starts := o.get("starts", ""); starts != "" {
		for word := range strings.SplitSeq(starts, ",") {
			s.Starts = append(s.Starts, o.startLine(word))
		}
	}
	return s
}

func (o *options) push(word string) *Push {
	how, other, ok := strings.Cut(word, ":")
	ending, known := endings[how]
	if !ok || !known {
		o.fail("%s pushes nobody", word)
	}
	return &Push{How: ending, Other: other}
}

var startAnswers = []string{"ok", "fail", "ignore", "crash", "normal", "shutdown"}

func (o *options) startLine(word string) StartLine {
	answer, push, pushes := strings.Cut(word, "+")
	answer, forever := strings.CutSuffix(answer, "*")
	if !slices.Contains(startAnswers, answer) {
		o.fail("%s is no way to start", answer)
	}
	line := StartLine{Answer: answer, Forever: forever}
	if pushes {
		line.Push = o.push(push)
	}
	return line
}

// line is the answer to the k-th start, counted from 1.
func (s Script) line(k int) StartLine {
	for i, line := range s.Starts {
		if line.Forever || i+1 == k {
			return line
		}
	}
	return StartLine{Answer: "ok"}
}

// exitOf is the end of an operating system's process that means an Ending.
func exitOf(e Ending) tree.Exit {
	switch e {
	case Normal:
		return tree.Exit{Code: 0}
	case Shutdown:
		return tree.Exit{Signal: "SIGTERM"}
	case Killed:
		return tree.Exit{Signal: "SIGKILL"}
	}
	return tree.Exit{Code: 1}
}
