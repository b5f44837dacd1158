package treetest

import (
	"fmt"
	"slices"

	"coppice/tree"
)

// Play is a scenario that is being played on a tree.
type Play struct {
	world *World
	root  string
	// nodes are the specs as upgrades have left them, known the names that each
	// supervisor has ever had.
	nodes map[string]*Node
	known map[string][]string
	// starts counts the starts of each name.
	starts map[string]int
	// ran is the latest incarnation of each name that was a process.
	ran map[string]tree.Generation
	// calls are the requests made; last is the latest report of each process.
	calls map[uint64]Stimulus
	last  map[string]tree.Kind
	// ghosts are the children that OTP miscounts, see haunt.
	ghosts map[string]int
	// jobs are what the world has still to do, oldest first.
	jobs     []job
	schedule Schedule
	// Surrounded, if set, is called with the world before anything happens in it.
	Surrounded func(w *World)
	events     []traceEvent
	trace      []string
	// forked is set once two supervisors had something to do in one Step.
	forked bool
	// wrong is set when the tree did something a trace has no words for.
	wrong error
}

// job is something that happens next to one supervisor: a process that it
// starts or stops, or an event that it hears. The jobs of one supervisor keep
// their order; between two supervisors there is none, as between two processes
// of Erlang.
type job struct {
	supervisor string
	depth      int
	do         func()
}

// jobsMax is far more than any scenario needs to come to rest.
const jobsMax = 20_000

// Trace plays a scenario to its end and gives OTP's trace of it.
func Trace(sc *Scenario, schedule Schedule) (string, error) {
	p := NewPlay(sc, schedule)
	p.Boot()
	for _, stim := range sc.Stimuli {
		p.Do(stim)
	}
	return p.Result()
}

// NewPlay prepares a scenario. A nil schedule is FirstCome.
func NewPlay(sc *Scenario, schedule Schedule) *Play {
	if schedule == nil {
		schedule = FirstCome
	}
	p := &Play{
		root: sc.Root, schedule: schedule,
		nodes: map[string]*Node{}, known: map[string][]string{}, starts: map[string]int{},
		ran: map[string]tree.Generation{}, ghosts: map[string]int{},
		calls: map[uint64]Stimulus{}, last: map[string]tree.Kind{},
	}
	for name, n := range sc.Nodes {
		c := *n
		c.Kids = slices.Clone(n.Kids)
		p.nodes[name] = &c
		p.known[name] = slices.Clone(n.Kids)
	}
	return p
}

// Boot starts the root. A root whose spec is refused is not even made into a
// tree; OTP finds out in the root's init function.
func (p *Play) Boot() {
	spec := p.spec(p.root)
	if len(tree.Check(spec)) > 0 {
		p.say("sup_start " + p.root)
		p.say("sup_stop " + p.root + " bad_spec")
		p.section("> init", "error start_failed")
		return
	}
	p.world = NewWorld(spec, tree.Options{OTP: true})
	if p.Surrounded != nil {
		p.Surrounded(p.world)
	}
	p.step(tree.Boot{})
	p.settle()
	answer := "ok"
	if h := p.world.Halt; h != nil && h.Reason == tree.HaltStartFailed {
		answer = "error start_failed"
	}
	p.section("> init", answer)
}

// spec is a node's present spec with all that is declared below it.
func (p *Play) spec(name string) tree.ChildSpec {
	n := p.nodes[name]
	s := n.Spec
	if n.Template != nil {
		s.Children = []tree.ChildSpec{*n.Template}
	}
	for _, kid := range n.Kids {
		s.Children = append(s.Children, p.spec(kid))
	}
	return s
}

// over says that there is no tree any more, or never was one.
func (p *Play) over() bool { return p.world == nil || p.world.Halt != nil }

// up says whether a supervisor runs.
func (p *Play) up(supervisor string) bool {
	if p.over() {
		return false
	}
	_, ok := p.world.Tree.CountChildren(supervisor)
	return ok
}

// simple says whether a supervisor has dynamic children only.
func (p *Play) simple(supervisor string) bool {
	n := p.nodes[supervisor]
	return n != nil && n.Spec.Flags.Strategy == tree.SimpleOneForOne
}

func (p *Play) depth(name string) int {
	d := 0
	for n := p.nodes[name]; n != nil && n.Parent != ""; n = p.nodes[n.Parent] {
		d++
	}
	return d
}

// later queues a job for the supervisor of a child.
func (p *Play) later(child string, do func()) {
	supervisor := p.nodes[child].Parent
	p.jobs = append(p.jobs, job{supervisor, p.depth(supervisor), do})
}

// news queues an event about a process.
func (p *Play) news(child string, e tree.Event) {
	p.later(child, func() { p.step(e) })
}

// settle does all jobs, and lets time pass where only a timeout is left, until
// nothing is left.
func (p *Play) settle() {
	for range jobsMax {
		if p.wrong != nil {
			return
		}
		if len(p.jobs) > 0 {
			i := p.schedule(p.jobs)
			j := p.jobs[i]
			p.jobs = slices.Delete(p.jobs, i, i+1)
			j.do()
			continue
		}
		due, ok := p.world.Tree.Deadline()
		if !ok {
			return
		}
		p.world.Now = max(p.world.Now, due)
		p.step(tree.Tick{})
	}
	p.fault("the tree does not come to rest")
}

func (p *Play) fault(format string, args ...any) {
	if p.wrong == nil {
		p.wrong = fmt.Errorf(format, args...)
	}
}

// step tells the tree events and takes over what it answers.
func (p *Play) step(events ...tree.Event) {
	out := p.world.Step(events...)
	p.forked = p.forked || p.forks(out.Reports)
	p.haunt(out)
	for _, r := range out.Reports {
		p.hear(r)
	}
	for _, a := range out.Actions {
		switch a := a.(type) {
		case tree.Start:
			p.later(a.ID, func() { p.start(a.Ref) })
		case tree.Stop:
			p.later(a.ID, func() { p.stop(a.Ref) })
		case tree.Kill:
			p.later(a.ID, func() { p.kill(a.Ref) })
		case tree.Reply, tree.Halt:
		default:
			p.fault("%T is not for a scenario", a)
		}
	}
}

// start is one start attempt by the process's script.
func (p *Play) start(ref tree.Ref) {
	proc := p.world.incarnation(ref)
	if proc == nil || proc.Answered {
		p.fault("start of %v, which is no new incarnation", ref)
		return
	}
	p.starts[ref.ID]++
	line := p.nodes[ref.ID].Script.line(p.starts[ref.ID])
	p.push(line.Push)
	switch line.Answer {
	case "fail":
		proc.Answered = true
		p.say("start_fail " + ref.ID)
		p.news(ref.ID, tree.StartFailed{Ref: ref, Cause: "scripted"})
	case "ignore":
		proc.Answered = true
		p.say("start_ignore " + ref.ID)
		p.news(ref.ID, tree.StartIgnored{Ref: ref})
	default:
		p.say("start " + ref.ID)
		p.ran[ref.ID] = ref.Generation
		p.news(ref.ID, p.world.Begin(proc))
		if line.Answer != "ok" {
			p.end(proc, Ending(line.Answer))
		}
	}
}

// stop is what a process does about a stop request.
func (p *Play) stop(ref tree.Ref) {
	proc := p.world.incarnation(ref)
	if proc == nil || !proc.Alive {
		return
	}
	script := p.nodes[ref.ID].Script
	if script.Stop == Ignore {
		return
	}
	p.push(script.OnStop)
	p.end(proc, script.Stop)
}

func (p *Play) kill(ref tree.Ref) {
	if proc := p.world.incarnation(ref); proc != nil && proc.Alive {
		p.end(proc, Killed)
	}
}

// push makes another process end, if it runs.
func (p *Play) push(push *Push) {
	if push == nil {
		return
	}
	if other := p.live(push.Other); other != nil {
		p.end(other, push.How)
	}
}

// live is the process of that name that runs.
func (p *Play) live(name string) *Process {
	if p.over() {
		return nil
	}
	if proc := p.world.Procs[name]; proc != nil && proc.Alive {
		return proc
	}
	return nil
}

// end makes a process end; its supervisor hears of it in its turn.
func (p *Play) end(proc *Process, how Ending) {
	p.stopped(proc.ID, how)
	p.news(proc.ID, p.world.End(proc, exitOf(how)))
}
