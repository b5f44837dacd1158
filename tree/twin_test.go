package tree_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"coppice/tree/treetest"
)

// TestEverySmallTree plays every tree of up to three children with every
// strategy and restart type: one child ends, or two at once, in every way, and
// perhaps one start fails. It wants what a dumb twin, written from OTP's tables,
// says.
func TestEverySmallTree(t *testing.T) {
	trees := everyTree()
	for _, f := range trees {
		text := f.scenario()
		sc, err := treetest.ParseScenario(text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := treetest.Trace(sc, nil)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if want := f.twin(); got != want {
			t.Fatalf("%s\nthe tables say\n%s\nthe tree says\n%s", text, want, got)
		}
	}
	t.Logf("%d trees", len(trees))
}

// smallTree is a root with a few processes and what happens to them.
type smallTree struct {
	strategy, auto string
	intensity      int
	kids           []kid
	// ends happen at once; the next start of failing fails, once.
	ends    []ending
	failing string
}

type kid struct {
	name, restart string
	significant   bool
}

type ending struct{ name, how string }

// everyTree is every small tree worth telling apart.
func everyTree() []smallTree {
	var all []smallTree
	for n := 1; n <= 3; n++ {
		for _, restarts := range power([]string{"permanent", "transient", "temporary"}, n) {
			for _, strategy := range []string{"one_for_one", "one_for_all", "rest_for_one"} {
				for _, ends := range everyEnds(n) {
					all = append(all, variants(restarts, strategy, ends)...)
				}
			}
		}
	}
	return all
}

// variants differ in limits, automatic shutdown and a start that fails.
func variants(restarts []string, strategy string, ends []ending) []smallTree {
	var all []smallTree
	for _, auto := range []string{"never", "any_significant", "all_significant"} {
		kids := make([]kid, len(restarts))
		for i, r := range restarts {
			kids[i] = kid{names[i], r, auto != "never" && r != "permanent"}
		}
		for intensity := range 3 {
			for _, failing := range append([]string{""}, names[:len(kids)]...) {
				if failing != "" && (intensity == 0 || len(ends) > 1 && auto != "never") {
					continue
				}
				all = append(all, smallTree{strategy, auto, intensity, kids, ends, failing})
			}
		}
	}
	return all
}

var names = []string{"a", "b", "c"}

// power is every list of n words.
func power(words []string, n int) [][]string {
	lists := [][]string{nil}
	for range n {
		var longer [][]string
		for _, l := range lists {
			for _, w := range words {
				longer = append(longer, append(slices.Clone(l), w))
			}
		}
		lists = longer
	}
	return lists
}

// everyEnds is every end of one of n, and of two.
func everyEnds(n int) [][]ending {
	var all [][]ending
	for _, a := range names[:n] {
		for _, how := range []string{"normal", "shutdown", "crash", "kill"} {
			all = append(all, []ending{{a, how}})
		}
		for _, b := range names[:n] {
			if a == b {
				continue
			}
			for _, how := range power([]string{"normal", "crash"}, 2) {
				all = append(all, []ending{{a, how[0]}, {b, how[1]}})
			}
		}
	}
	return all
}

func (f smallTree) scenario() string {
	text := fmt.Sprintf("otp-scenario 1\nsup root strategy=%s intensity=%d auto_shutdown=%s\n", f.strategy, f.intensity, f.auto)
	for _, k := range f.kids {
		text += fmt.Sprintf("worker %s parent=root restart=%s significant=%v", k.name, k.restart, k.significant)
		if k.name == f.failing {
			text += " starts=ok,fail,ok*"
		}
		text += "\n"
	}
	text += "do\nbatch\n"
	for _, e := range f.ends {
		text += "exit " + e.name + " " + e.how + "\n"
	}
	return text + "end\n"
}

// twin is the trace that OTP's tables ask for.
func (f smallTree) twin() string {
	w := &twin{smallTree: f, list: slices.Clone(f.kids), state: map[string]string{}}
	w.say("> init", "sup_start root")
	for _, k := range f.kids {
		w.say("start " + k.name)
		w.state[k.name] = "running"
	}
	w.say("reply ok", "state "+w.show(), "> batch")
	for _, e := range f.ends {
		w.say(">> exit " + e.name + " " + e.how)
	}
	for _, e := range f.ends {
		w.say("stop " + e.name + " " + strings.Replace(e.how, "kill", "killed", 1))
		w.state[e.name] = "dead"
	}
	w.queue = slices.Clone(f.ends)
	for len(w.queue) > 0 && !w.over {
		e := w.queue[0]
		w.queue = w.queue[1:]
		w.hear(e)
	}
	for range f.ends {
		w.say("reply ok")
	}
	w.say("state " + w.show())
	return strings.Join(w.lines, "\n") + "\n"
}

// twin is a supervisor made of tables and loops.
type twin struct {
	smallTree
	list     []kid
	state    map[string]string // running, dead (nobody has heard of it), stopped, restarting
	queue    []ending          // retry is an ending too
	restarts int
	failed   bool // the start that fails has failed
	over     bool
	lines    []string
}

func (w *twin) say(lines ...string) { w.lines = append(w.lines, lines...) }

// hear is the table of section "a child exits by itself", and the retry.
func (w *twin) hear(e ending) {
	i := slices.IndexFunc(w.list, func(k kid) bool { return k.name == e.name })
	if i < 0 {
		return
	}
	k := w.list[i]
	abnormal := e.how == "crash" || e.how == "kill"
	switch {
	case e.how == "retry":
		if w.state[k.name] == "restarting" {
			w.restart(i)
		}
	case w.state[k.name] != "dead":
	case k.restart == "permanent" || k.restart == "transient" && abnormal:
		w.restart(i)
	default:
		w.gone(k)
		w.autoShutdown(k)
	}
}

// gone is what is left of a child whose process is gone.
func (w *twin) gone(k kid) {
	w.state[k.name] = "stopped"
	if k.restart == "temporary" {
		w.list = slices.DeleteFunc(slices.Clone(w.list), func(x kid) bool { return x == k })
	}
}

// autoShutdown is the table of section "automatic shutdown". Whoever is dead and
// not heard of yet still counts.
func (w *twin) autoShutdown(k kid) {
	if !k.significant {
		return
	}
	if w.auto == "all_significant" {
		for _, x := range w.list {
			if x.significant && w.state[x.name] != "stopped" {
				return
			}
		}
	}
	w.end()
}

// restart is one attempt for the i-th child.
func (w *twin) restart(i int) {
	w.restarts++
	if w.restarts > w.intensity {
		w.say("max_intensity root")
		w.gone(w.list[i])
		w.end()
		return
	}
	from, to := i, i+1
	if w.strategy != "one_for_one" {
		to = len(w.list)
	}
	if w.strategy == "one_for_all" {
		from = 0
	}
	swept := slices.Clone(w.list[from:to])
	w.state[w.list[i].name] = "stopped"
	if w.strategy != "one_for_one" {
		w.stop(swept)
	}
	for _, k := range swept {
		if w.strategy != "one_for_one" && k.restart == "temporary" {
			continue
		}
		if k.name == w.failing && !w.failed {
			w.failed = true
			w.say("start_fail " + k.name)
			w.state[k.name] = "restarting"
			w.queue = append(w.queue, ending{k.name, "retry"})
			return
		}
		w.say("start " + k.name)
		w.state[k.name] = "running"
	}
}

// stop stops from right to left; a temporary child is forgotten.
func (w *twin) stop(kids []kid) {
	for _, k := range slices.Backward(kids) {
		if w.state[k.name] == "running" {
			w.say("stop " + k.name + " shutdown")
		}
		w.gone(k)
	}
}

func (w *twin) end() {
	w.stop(w.list)
	w.say("sup_stop root shutdown")
	w.over = true
}

func (w *twin) show() string {
	if w.over {
		return "dead"
	}
	var here, absent []string
	active := 0
	for _, k := range w.list {
		here = append(here, k.name+":"+w.state[k.name])
		if w.state[k.name] == "running" {
			active++
		}
	}
	for _, k := range w.kids {
		if !slices.Contains(w.list, k) {
			absent = append(absent, k.name+":absent")
		}
	}
	text := strings.Join(here, ",")
	if len(absent) > 0 {
		text += ";" + strings.Join(absent, ",")
	}
	return fmt.Sprintf("root(%s)[%d/%d/0/%d]", text, len(w.list), active, len(w.list))
}
