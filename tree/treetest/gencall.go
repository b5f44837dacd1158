package treetest

import (
	"fmt"
	"slices"
	"strings"

	"coppice/tree"
)

// call writes one request to a running supervisor.
func (g *generator) call(sup string) string {
	if g.play.simple(sup) {
		return g.callPool(sup)
	}
	if g.chance(14) {
		return g.startChild(sup)
	}
	verb := g.pick("terminate_child:45 restart_child:33 delete_child:22")
	ids := g.ids(sup, func(s tree.Status) bool {
		return verb == "terminate_child" || word(s.State) == "stopped"
	})
	if len(ids) == 0 || g.chance(25) {
		ids = append(g.ids(sup, nil), "nobody")
	}
	return fmt.Sprintf("%s %s %s", verb, sup, one(g, ids))
}

// ids are the children of a supervisor that are wanted; nil wants all.
func (g *generator) ids(sup string, want func(tree.Status) bool) []string {
	children, _ := g.play.world.Tree.WhichChildren(sup)
	var ids []string
	for _, c := range children {
		if want == nil || want(c) {
			ids = append(ids, c.Spec.ID)
		}
	}
	return ids
}

func (g *generator) callPool(sup string) string {
	names := g.play.known[sup]
	if len(names) == 0 || g.chance(55) {
		return fmt.Sprintf("start_child %s %s%s", sup, g.name("d"), g.starts(nil, false))
	}
	verb := g.pick("terminate_child:80 restart_child:10 delete_child:10")
	return fmt.Sprintf("%s %s %s", verb, sup, one(g, names))
}

// startChild adds a new child, or one of a name that is known already.
func (g *generator) startChild(sup string) string {
	name := g.name("d")
	old := g.ids(sup, func(s tree.Status) bool { return s.Spec.Type == tree.Process })
	if len(old) > 0 && g.chance(25) {
		name = one(g, old)
	}
	auto := autoWords[g.play.nodes[sup].Spec.Flags.AutoShutdown]
	kind := g.kind(auto, "permanent:48 transient:30 temporary:22")
	if g.chance(6) {
		kind = " restart=permanent significant=true"
	}
	script := g.starts(nil, true)
	if g.scripts[name] == "" {
		g.scripts[name] = script
	}
	return fmt.Sprintf("start_child %s %s%s%s", sup, name, kind, script)
}

// batch writes several stimuli that one supervisor finds at once: endings of
// its processes and requests, or requests about a child that is being retried.
func (g *generator) batch(sup string) []string {
	running := g.ids(sup, func(s tree.Status) bool {
		return s.Spec.Type == tree.Process && word(s.State) == "running"
	})
	if len(running) == 0 {
		return nil
	}
	lines := []string{"batch"}
	failing := slices.DeleteFunc(slices.Clone(running), func(name string) bool { return g.nextStart(name) != "fail" })
	if len(failing) > 0 && g.chance(70) {
		lines = append(lines, g.retried(sup, one(g, failing), running)...)
	} else {
		for range 2 + g.rand.IntN(3) {
			lines = append(lines, g.item(sup, running))
		}
	}
	if sup == "root" && g.chance(10) {
		lines = append(lines, "shutdown")
	}
	return append(lines, "end")
}

func (g *generator) item(sup string, running []string) string {
	switch {
	case g.chance(65):
		return g.exit(one(g, running))
	case g.play.simple(sup):
		return fmt.Sprintf("terminate_child %s %s", sup, one(g, running))
	}
	return g.call(sup)
}

// retried is the end of a child whose restart will fail, and what is asked
// before the retry.
func (g *generator) retried(sup, name string, running []string) []string {
	lines := []string{"exit " + name + " " + g.pick("crash:2 kill:1")}
	if g.play.simple(sup) {
		return append(lines, fmt.Sprintf("terminate_child %s %s", sup, name))
	}
	for range 1 + g.rand.IntN(4) {
		switch verb := g.pick("restart_child:35 delete_child:20 start_child:12 terminate_child:15 call:10 exit:8"); verb {
		case "call":
			lines = append(lines, g.call(sup))
		case "exit":
			lines = append(lines, g.exit(one(g, running)))
		default:
			lines = append(lines, fmt.Sprintf("%s %s %s", verb, sup, name))
		}
	}
	return lines
}

// nextStart is what the next start of a name will lead to.
func (g *generator) nextStart(name string) string {
	return g.play.nodes[name].Script.line(g.play.starts[name] + 1).Answer
}

// upgrade replaces flags and children: most of the old ones, in another order
// now and then, and a few new ones.
func (g *generator) upgrade(sup string) []string {
	if g.play.simple(sup) {
		return nil
	}
	flags, auto := g.flags()
	kids := g.ids(sup, func(tree.Status) bool { return g.chance(75) })
	if g.chance(30) {
		g.rand.Shuffle(len(kids), func(i, j int) { kids[i], kids[j] = kids[j], kids[i] })
	}
	var body []string
	for _, kid := range kids {
		body = append(body, g.kept(kid, auto))
	}
	for range g.rand.IntN(3) {
		name := g.name("u")
		g.scripts[name] = g.starts(nil, true)
		line := "worker " + name + g.kind(auto, "permanent:48 transient:30 temporary:22") + g.scripts[name]
		body = slices.Insert(body, g.rand.IntN(len(body)+1), line)
	}
	if g.chance(8) {
		body = append(body, "worker bad restart=permanent significant=true")
	}
	lines := append([]string{"upgrade " + sup + flags}, body...)
	return append(lines, "end")
}

// kept is an old child with new options. A process goes on to behave as before.
func (g *generator) kept(name, auto string) string {
	if g.play.nodes[name].Spec.Type == tree.Supervisor {
		return "keepsup " + name + g.kind(auto, "permanent:50 transient:30 temporary:20")
	}
	script := g.scripts[name]
	if !strings.Contains(script, "shutdown=") && g.chance(30) {
		script += " shutdown=brutal_kill"
	}
	return "worker " + name + g.kind(auto, "permanent:48 transient:30 temporary:22") + script
}
