package treetest

import (
	"fmt"
	"slices"
	"strings"

	"coppice/tree"
)

// traceEvent is one event line. Pool is set for the stop of a dynamic child:
// such children are stopped in parallel, in no order.
type traceEvent struct {
	text, pool string
}

func (p *Play) say(text string) { p.events = append(p.events, traceEvent{text: text}) }

// stopped tells of a process that is gone.
func (p *Play) stopped(name string, how Ending) {
	e := traceEvent{text: fmt.Sprintf("stop %s %s", name, how)}
	if parent := p.nodes[name].Parent; p.simple(parent) {
		e.pool = parent
	}
	p.events = append(p.events, e)
}

// hear turns what the tree reports of supervisors into events. Processes are
// not asked about in reports: the world knows what they did.
func (p *Play) hear(r tree.Report) {
	if !p.isSupervisor(r.Node) {
		return
	}
	switch r.Kind {
	case tree.StartBegun:
		delete(p.ghosts, r.Node)
		p.say("sup_start " + r.Node)
	case tree.StartFailure:
		p.say("sup_stop " + r.Node + " init_failed")
	case tree.GaveUp:
		p.say("max_intensity " + r.Node)
	case tree.StopDone, tree.ExitSeen:
		p.say("sup_stop " + r.Node + " shutdown")
	}
}

// section ends the part of the trace that belongs to one stimulus.
func (p *Play) section(title string, replies ...string) {
	p.trace = append(p.trace, title)
	p.trace = append(p.trace, inOrder(p.events)...)
	p.events = nil
	for _, r := range replies {
		p.trace = append(p.trace, "reply "+r)
	}
	p.trace = append(p.trace, "state "+p.state())
}

// inOrder gives the texts, each run of stops of one pool sorted.
func inOrder(events []traceEvent) []string {
	var texts []string
	for i := 0; i < len(events); {
		j := i + 1
		for events[i].pool != "" && j < len(events) && events[j].pool == events[i].pool {
			j++
		}
		run := len(texts)
		for _, e := range events[i:j] {
			texts = append(texts, e.text)
		}
		slices.Sort(texts[run:])
		i = j
	}
	return texts
}

// Result is the trace so far, or what went wrong.
func (p *Play) Result() (string, error) {
	if p.wrong == nil && p.world != nil {
		p.wrong = p.world.Watch.Err()
	}
	text := strings.Join(p.trace, "\n") + "\n"
	return text, p.wrong
}

func (p *Play) state() string {
	if p.over() {
		return "dead"
	}
	return strings.Join(p.supervisors(p.root), " ")
}

// supervisors describes a running supervisor and those below it.
func (p *Play) supervisors(name string) []string {
	children, ok := p.world.Tree.WhichChildren(name)
	if !ok {
		return nil
	}
	if p.simple(name) {
		slices.SortFunc(children, func(a, b tree.Status) int { return strings.Compare(a.Spec.ID, b.Spec.ID) })
	}
	count, _ := p.world.Tree.CountChildren(name)
	lines := []string{fmt.Sprintf("%s(%s)[%d/%d/%d/%d]", name, p.children(name, children),
		count.Specs, count.Active-p.ghosts[name], count.Supervisors, count.Workers)}
	for _, c := range children {
		if c.Spec.Type == tree.Supervisor {
			lines = append(lines, p.supervisors(c.Spec.ID)...)
		}
	}
	return lines
}

// children are those a supervisor has, and after a semicolon those it had.
func (p *Play) children(supervisor string, children []tree.Status) string {
	var here, gone []string
	present := map[string]bool{}
	for _, c := range children {
		present[c.Spec.ID] = true
		here = append(here, c.Spec.ID+":"+word(c.State))
	}
	for _, name := range p.known[supervisor] {
		if !present[name] {
			gone = append(gone, name+":absent")
		}
	}
	text := strings.Join(here, ",")
	if len(gone) > 0 {
		text += ";" + strings.Join(gone, ",")
	}
	return text
}

// word is OTP's: a pid, restarting or undefined.
func word(s tree.State) string {
	switch s {
	case tree.Starting, tree.Up, tree.Stopping:
		return "running"
	case tree.Restarting, tree.BackingOff:
		return "restarting"
	}
	return "stopped"
}

// haunt keeps account of a fault of OTP 25 that its traces show: stopping a
// dynamic child while a failed restart of it is retried leaves that supervisor's
// count of active children one too low for good (supervisor.erl forgets to count
// its dynamic_restarts down). The tree counts right; only the trace is bent.
func (p *Play) haunt(out tree.Output) {
	for _, r := range out.Reports {
		if r.Kind != tree.ChildRemoved { // which says nothing of what it was before
			p.last[r.Node] = r.Kind
		}
	}
	for _, a := range out.Actions {
		reply, ok := a.(tree.Reply)
		if !ok || reply.Refusal != "" || reply.Already {
			continue
		}
		stim := p.calls[reply.ID]
		if stim.Verb == "terminate_child" && p.simple(stim.Target) && p.last[stim.Child] == tree.StartFailure {
			p.ghosts[stim.Target]++
		}
	}
}
