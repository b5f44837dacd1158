package treetest

import (
	"slices"

	"coppice/tree"
)

// answer is what one stimulus is told: a text at once, or that of a reply that
// the tree still owes.
type answer struct {
	text string
	call uint64
	stim Stimulus
}

// Do makes one stimulus happen and waits for the tree to come to rest.
func (p *Play) Do(stim Stimulus) {
	if p.wrong != nil {
		return
	}
	title := "> " + stim.Line
	switch stim.Verb {
	case "batch":
		for _, item := range stim.Items {
			title += "\n>> " + item.Line
		}
		p.section(title, p.batch(stim.Items)...)
	case "at":
		if !p.over() {
			p.world.Now = max(p.world.Now, stim.At)
		}
		p.section(title)
	case "shutdown":
		p.single(stim)
		p.section(title)
	default:
		p.section(title, p.single(stim))
	}
}

// single does one stimulus by itself.
func (p *Play) single(stim Stimulus) string {
	event, a := p.occur(stim)
	if event != nil {
		p.step(event)
		p.settle()
	}
	return p.told(a)
}

// batch puts all items before their supervisor at once. If it does not run,
// none of them happens.
func (p *Play) batch(items []Stimulus) []string {
	up := p.up(p.concerns(items[0]))
	var events []tree.Event
	var answers []answer
	for _, item := range items {
		if !up {
			answers = append(answers, answer{text: "noproc"})
			continue
		}
		event, a := p.occur(item)
		if event != nil {
			events = append(events, event)
		}
		answers = append(answers, a)
	}
	if len(events) > 0 {
		p.step(events...)
		p.settle()
	}
	var told []string
	for _, a := range answers {
		told = append(told, p.told(a))
	}
	return told
}

// concerns is the supervisor that a stimulus is for.
func (p *Play) concerns(stim Stimulus) string {
	switch stim.Verb {
	case "shutdown":
		return p.root
	case "exit":
		if n := p.nodes[stim.Target]; n != nil {
			return n.Parent
		}
		return ""
	}
	return stim.Target
}

// occur makes the event of one stimulus; none if there is nobody to tell.
func (p *Play) occur(stim Stimulus) (tree.Event, answer) {
	if stim.Verb == "exit" {
		proc := p.live(stim.Target)
		if proc == nil {
			return nil, answer{text: "not_running"}
		}
		p.stopped(proc.ID, stim.How)
		return p.world.End(proc, exitOf(stim.How)), answer{text: "ok"}
	}
	if !p.up(p.concerns(stim)) {
		return nil, answer{text: "noproc"}
	}
	if stim.Verb == "shutdown" {
		called, _ := p.world.Call(tree.ShutdownTree{By: "owner"})
		return called, answer{text: "ok"}
	}
	request := p.request(stim)
	if request == nil {
		return nil, answer{text: "error simple_one_for_one"}
	}
	called, id := p.world.Call(request)
	p.calls[id] = stim
	return called, answer{call: id, stim: stim}
}

// request is the call that a stimulus makes; nil if there is none to make:
// under simple_one_for_one OTP knows pids alone, so of a name that never had a
// process nothing can be asked.
func (p *Play) request(stim Stimulus) tree.Request {
	s, c := stim.Target, stim.Child
	switch stim.Verb {
	case "terminate_child":
		if !p.simple(s) {
			return tree.TerminateChild{Supervisor: s, ID: c}
		}
		if gen := p.ran[c]; gen != 0 {
			return tree.TerminateChild{Supervisor: s, ID: c, Generation: gen}
		}
	case "restart_child":
		if !p.simple(s) || p.present(s, c) {
			return tree.RestartChild{Supervisor: s, ID: c}
		}
	case "delete_child":
		if !p.simple(s) || p.present(s, c) {
			return tree.DeleteChild{Supervisor: s, ID: c}
		}
	case "start_child":
		p.introduce(stim)
		return tree.StartChild{Supervisor: s, Spec: stim.Node.Spec}
	case "upgrade":
		return p.upgrade(stim)
	}
	return nil
}

// present says whether a supervisor knows a child now.
func (p *Play) present(supervisor, child string) bool {
	children, _ := p.world.Tree.WhichChildren(supervisor)
	return slices.ContainsFunc(children, func(s tree.Status) bool { return s.Spec.ID == child })
}

// introduce makes the child of a start_child known. What a name does by itself
// is settled by its first mention.
func (p *Play) introduce(stim Stimulus) {
	p.know(stim.Target, stim.Child)
	n := *stim.Node
	if old := p.nodes[stim.Child]; old != nil {
		n.Script = old.Script
		if p.present(old.Parent, stim.Child) {
			return
		}
	}
	p.nodes[stim.Child] = &n
}

func (p *Play) know(supervisor, child string) {
	if !slices.Contains(p.known[supervisor], child) {
		p.known[supervisor] = append(p.known[supervisor], child)
	}
}

// upgrade is the request of an upgrade: the kept supervisors' own flags and
// children are as they were.
func (p *Play) upgrade(stim Stimulus) tree.Request {
	req := tree.ChangeSupervisor{ID: stim.Target, Flags: stim.Flags}
	for _, kid := range stim.Kids {
		spec := kid.Spec
		if spec.Type == tree.Supervisor {
			old := p.spec(spec.ID)
			spec.Flags, spec.Children = old.Flags, old.Children
		}
		req.Children = append(req.Children, spec)
	}
	return req
}

// upgraded takes over what an upgrade has changed.
func (p *Play) upgraded(stim Stimulus) {
	sup := p.nodes[stim.Target]
	sup.Spec.Flags = stim.Flags
	sup.Kids = nil
	for _, kid := range stim.Kids {
		n, name := *kid, kid.Spec.ID
		if n.Spec.Type == tree.Supervisor {
			old := p.nodes[name]
			n.Kids, n.Template, n.Spec.Flags = old.Kids, old.Template, old.Spec.Flags
		}
		p.nodes[name] = &n
		sup.Kids = append(sup.Kids, name)
		p.know(stim.Target, name)
	}
}

// told is an answer in OTP's words.
func (p *Play) told(a answer) string {
	if a.call == 0 {
		return a.text
	}
	reply, ok := p.world.Replies[a.call]
	if !ok {
		p.fault("%s was never answered", a.stim.Line)
		return "nothing"
	}
	if a.stim.Verb == "upgrade" && reply.Refusal == "" {
		p.upgraded(a.stim)
	}
	switch reply.Refusal {
	case "":
		if reply.Ignored {
			return "ok undefined"
		}
		return "ok"
	case tree.NoProc, tree.ShuttingDown:
		return "noproc"
	case tree.Forgotten:
		return p.gone(a.stim, tree.NotFound)
	case tree.BadSpec:
		if a.stim.Verb == "start_child" {
			return "error bad_combination"
		}
	case tree.NotFound:
		return p.gone(a.stim, tree.NotFound)
	}
	return "error " + string(reply.Refusal)
}

// gone is the answer about a child that is not there any more. Under
// simple_one_for_one it was addressed by its pid, and OTP answers ok for a pid
// that is dead.
func (p *Play) gone(stim Stimulus, r tree.Refusal) string {
	if p.simple(stim.Target) && stim.Verb == "terminate_child" {
		return "ok"
	}
	return "error " + string(r)
}
