package treetest

import (
	"math/rand/v2"
	"slices"

	"coppice/tree"
)

// Schedule picks the next job by its place. It must not pick one before an
// older one of the same supervisor; front gives those that it may pick.
type Schedule func(jobs []job) int

// FirstCome does the oldest job first.
func FirstCome([]job) int { return 0 }

// DeepestFirst lets the lower supervisors finish before the upper ones go on.
func DeepestFirst(jobs []job) int {
	best := 0
	for _, i := range front(jobs) {
		if jobs[i].depth > jobs[best].depth {
			best = i
		}
	}
	return best
}

// HighestFirst lets the upper supervisors finish before the lower ones go on.
func HighestFirst(jobs []job) int {
	best := 0
	for _, i := range front(jobs) {
		if jobs[i].depth < jobs[best].depth {
			best = i
		}
	}
	return best
}

// AnyOrder picks by chance; the same seed picks the same.
func AnyOrder(seed uint64) Schedule {
	r := rand.New(rand.NewPCG(seed, 1))
	return func(jobs []job) int {
		f := front(jobs)
		return f[r.IntN(len(f))]
	}
}

// front are the oldest jobs of each supervisor.
func front(jobs []job) []int {
	var places []int
	seen := map[string]bool{}
	for i, j := range jobs {
		if !seen[j.supervisor] {
			seen[j.supervisor] = true
			places = append(places, i)
		}
	}
	return places
}

// forks says whether the reports of one Step tell of two supervisors that go on
// side by side: one whose start is complete and finds something in its queue, or
// soon will, and its parent that goes on with the next child. Which of the two is
// seen first is chance in OTP, and no schedule of jobs can show the other order
// because the parent goes on in the same Step.
func (p *Play) forks(reports []tree.Report) bool {
	for i, r := range reports {
		if r.Kind != tree.StartDone || !p.isSupervisor(r.Node) {
			continue
		}
		above := false
		below := slices.ContainsFunc(p.jobs, func(j job) bool { return p.within(j.supervisor, r.Node) })
		for _, next := range reports[i+1:] {
			switch actor := p.actor(next); {
			case actor == "":
			case p.within(actor, r.Node):
				below = true
			default:
				above = true
			}
		}
		if below && above {
			return true
		}
	}
	return false
}

// actor is the supervisor that does what a report tells; empty if the report
// leaves no line in a trace.
func (p *Play) actor(r tree.Report) string {
	n := p.nodes[r.Node]
	switch r.Kind {
	case tree.GaveUp:
		return r.Node
	case tree.StartBegun, tree.StopBegun:
		return n.Parent
	case tree.StopDone, tree.ExitSeen, tree.StartFailure:
		if p.isSupervisor(r.Node) {
			return n.Parent
		}
	}
	return ""
}

func (p *Play) isSupervisor(name string) bool {
	n := p.nodes[name]
	return n != nil && n.Spec.Type == tree.Supervisor
}

// within says whether a node is a supervisor or stands somewhere below it.
func (p *Play) within(name, supervisor string) bool {
	for name != supervisor {
		n := p.nodes[name]
		if n == nil || n.Parent == "" {
			return false
		}
		name = n.Parent
	}
	return true
}
