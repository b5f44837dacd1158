package treetest

import (
	"fmt"
	"slices"
	"strings"
)

// supervisor declares one with all that is below it. What its parent does with
// significant children decides what it may be.
func (g *generator) supervisor(parent, parentAuto string, level int) {
	name, line := "root", "sup root"
	if parent != "" {
		name = g.name("s")
		line = fmt.Sprintf("sup %s parent=%s%s", name, parent, g.kind(parentAuto, "permanent:50 transient:30 temporary:20"))
	}
	if parent != "" && g.chance(12) {
		g.lines = append(g.lines, line+g.limits()+" strategy=simple_one_for_one",
			"template "+name+g.kind("never", "permanent:50 transient:30 temporary:20")+g.shutdown(""))
		return
	}
	flags, auto := g.flags()
	g.lines = append(g.lines, line+flags)
	g.children(name, auto, level)
}

// flags are those of a supervisor with static children, and its auto_shutdown.
func (g *generator) flags() (string, string) {
	auto := g.pick("never:60 any_significant:18 all_significant:22")
	strategy := g.pick("one_for_one:1 one_for_all:1 rest_for_one:1")
	return g.limits() + " strategy=" + strategy + " auto_shutdown=" + auto, auto
}

func (g *generator) limits() string {
	period := "3600"
	if g.timed {
		period = g.pick("1:1 2:2 3:1")
	}
	return " intensity=" + g.pick("0:7 1:20 2:25 3:22 5:16 9:10") + " period=" + period
}

// kind is restart and significant.
func (g *generator) kind(auto, restarts string) string {
	restart := g.pick(restarts)
	kind := " restart=" + restart
	if auto != "never" && restart != "permanent" && g.chance(60) {
		kind += " significant=true"
	}
	return kind
}

func (g *generator) children(sup, auto string, level int) {
	kinds := make([]bool, 1+g.rand.IntN(6)) // true: a supervisor
	var workers []string
	names := make([]string, len(kinds))
	for i := range kinds {
		kinds[i] = level < g.depth && (g.chance(40) || level == 1 && i == 0)
		if !kinds[i] {
			names[i] = g.name("w")
			workers = append(workers, names[i])
		}
	}
	for i, isSup := range kinds {
		g.nodes--
		switch {
		case !isSup:
			g.worker(names[i], sup, auto, workers)
		case g.nodes > 0:
			g.supervisor(sup, auto, level+1)
		}
	}
}

func (g *generator) worker(name, sup, auto string, siblings []string) {
	others := slices.DeleteFunc(slices.Clone(siblings), func(s string) bool { return s == name })
	stop := g.pick("shutdown:60 normal:18 crash:16 ignore:6")
	script := " stop=" + stop + g.shutdown(stop) + g.starts(others, true)
	if len(others) > 0 && stop != "ignore" && !strings.Contains(script, "brutal") && g.chance(7) {
		script += " onstop=" + g.push(others)
	}
	g.scripts[name] = script
	g.lines = append(g.lines, "worker "+name+" parent="+sup+g.kind(auto, "permanent:48 transient:30 temporary:22")+script)
}

// shutdown goes with what a process does when asked to stop: OTP would wait for
// ever for one that ignores it, and race with one that heeds it at timeout 0.
func (g *generator) shutdown(stop string) string {
	if stop == "ignore" {
		return " shutdown=" + g.pick("0:1 10:2 20:2 brutal_kill:2")
	}
	return " shutdown=" + g.pick("5000:70 brutal_kill:18 infinity:12")
}

// push is what a process does to one of its siblings. Between children of two
// supervisors the outcome would depend on who comes first.
func (g *generator) push(others []string) string {
	return g.pick("crash:2 kill:1 normal:1 shutdown:1") + ":" + one(g, others)
}

// starts scripts the first few starts. A dynamic child must not ignore a
// restart: OTP 25 then keeps a process that is none.
func (g *generator) starts(others []string, mayIgnore bool) string {
	if !g.chance(g.harsh) {
		return ""
	}
	ignore := ""
	if mayIgnore {
		ignore = " ignore:4"
	}
	words := []string{g.pick("ok:91 fail:3 crash:3 normal:1" + ignore)}
	for range 1 + g.rand.IntN(5) {
		words = append(words, g.pick("ok:48 fail:30 crash:12 normal:4 shutdown:2"+ignore))
	}
	words = append(words, g.pick("ok*:85 fail*:7 crash*:8"))
	if len(others) > 0 && g.chance(25) {
		words[1+g.rand.IntN(len(words)-1)] += "+" + g.push(others)
	}
	return " starts=" + strings.Join(words, ",")
}
