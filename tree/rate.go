package tree

import (
	"container/list"
	"iter"
	"math"
	"strconv"
)

// Rate bounds how fast a whole tree restarts by itself, so that a herd of processes
// that died together does not finish off a host that is sick already. Restarts beyond
// it wait in one queue, first come, first served. The zero value bounds nothing.
type Rate struct {
	// PerSecond is how many processes are started again in a second, in the long
	// run; above 0.
	PerSecond float64
	// Burst is how many are started at once after a quiet time, at least 1. A sweep
	// of more begins when all of it is there, and what is missing is waited for
	// afterwards.
	Burst int
}

// valid says that a rate bounds something, or nothing.
func (r Rate) valid() bool {
	return r == Rate{} || r.PerSecond > 0 && !math.IsInf(r.PerSecond, 0) && r.Burst >= 1
}

// String is the rate in words: "10 processes a second".
func (r Rate) String() string {
	return strconv.FormatFloat(r.PerSecond, 'f', -1, 64) + " processes a second"
}

// span is the time in which the budget for so many processes comes together.
func (r Rate) span(processes int) Time {
	return Time(processes) * max(Time(math.Round(float64(Second)/r.PerSecond)), 1)
}

// budget is what a tree may spend of its Rate, kept as one moment, and who waits for
// it, the first one first.
type budget struct {
	whole Time      // when all of Burst is there again
	queue list.List // of *node
	at    map[*node]*list.Element
}

// wait puts n at the end of the queue.
func (b *budget) wait(n *node) {
	if b.at == nil {
		b.at = map[*node]*list.Element{}
	}
	n.queues, b.at[n] = true, b.queue.PushBack(n)
}

// waiting are those in the queue, the first one first.
func (b *budget) waiting() iter.Seq[*node] {
	return func(yield func(*node) bool) {
		for e := b.queue.Front(); e != nil && yield(e.Value.(*node)); e = e.Next() {
		}
	}
}

// spend says whether the restart of n may begin now, and takes what it costs. Nobody
// overtakes those who wait.
func (t *Tree) spend(n *node) bool {
	if t.root.spec.Rate == (Rate{}) {
		return true
	}
	if t.budget.queue.Len() > 0 || t.turn(n, t.budget.whole) > t.now {
		return false
	}
	t.budget.whole = t.charge(n, t.budget.whole, t.now)
	return true
}

// turn is when n may be restarted, if the budget is whole again then.
func (t *Tree) turn(n *node, whole Time) Time {
	r := t.root.spec.Rate
	if r == (Rate{}) {
		return t.now
	}
	return whole - r.span(r.Burst-min(n.cost(), r.Burst))
}

// charge is when the budget is whole again if n is restarted at a time.
func (t *Tree) charge(n *node, whole, at Time) Time {
	r := t.root.spec.Rate
	if r == (Rate{}) {
		return 0
	}
	return max(whole, at) + r.span(n.cost())
}

// cost is how many processes the restart of n starts.
func (n *node) cost() int {
	sum := 0
	for x := range between(n.parent.span(n)) {
		if x.spec.Restart != Temporary || x == n {
			sum += processes(x.spec)
		}
	}
	return max(sum, 1)
}

// processes counts those that a child starts when it is started.
func processes(s *ChildSpec) int {
	switch {
	case s.Type == Process:
		return 1
	case s.Flags.Strategy == SimpleOneForOne:
		return 0
	}
	sum := 0
	for i := range s.Children {
		sum += processes(&s.Children[i])
	}
	return sum
}

// delayPassed lets a restart go on whose own delay is over.
func (t *Tree) delayPassed(n *node) {
	if !t.spend(n) {
		t.queueUp(n, n.cause)
		return
	}
	t.send(n.parent, message{kind: resume, child: n, generation: n.generation, cause: n.cause})
}

// queueUp lets a restart wait for its turn.
func (t *Tree) queueUp(n *node, because uint64) {
	why := "the tree restarts at most " + t.root.spec.Rate.String()
	before := ""
	if waiting := t.budget.queue.Len(); waiting > 0 {
		before = ", and " + strconv.Itoa(waiting) + " wait before it"
	}
	seq := t.report(Report{Kind: BackoffBegun, Node: n.id(), Because: because, Cause: why + before})
	t.become(n, BackingOff, seq)
	n.waits = why
	t.budget.wait(n)
}

// leaveQueue is for who does not wait any more.
func (t *Tree) leaveQueue(n *node) {
	if !n.queues {
		return
	}
	n.queues = false
	if e := t.budget.at[n]; e != nil { // else the whole tree has ended
		t.budget.queue.Remove(e)
		delete(t.budget.at, n)
	}
}

// admit lets those restarts go on whose turn has come, and says whether there were
// any. Who is the first then has a deadline.
func (t *Tree) admit() bool {
	admitted := false
	for t.budget.queue.Len() > 0 {
		n := t.budget.queue.Front().Value.(*node)
		if at := t.turn(n, t.budget.whole); at > t.now {
			t.setDeadline(n, at)
			break
		}
		t.budget.whole = t.charge(n, t.budget.whole, t.now)
		t.leaveQueue(n)
		t.setDeadline(n, 0)
		t.send(n.parent, message{kind: resume, child: n, generation: n.generation, cause: n.cause})
		admitted = true
	}
	return admitted
}

// place is where one stands in the queue: 1 is the first.
type place struct {
	number int
	until  Time
}

// places are all places in the queue, and when their turns come if nobody leaves.
func (t *Tree) places() map[*node]place {
	if t.budget.queue.Len() == 0 {
		return nil
	}
	places := make(map[*node]place, t.budget.queue.Len())
	whole, at := t.budget.whole, t.now
	for n := range t.budget.waiting() {
		at = max(at, t.turn(n, whole))
		places[n] = place{len(places) + 1, at}
		whole = t.charge(n, whole, at)
	}
	return places
}

// reprice makes another rate the tree's: its budget is whole then.
func (t *Tree) reprice(r Rate) {
	if t.root.spec.Rate != r {
		spec := *t.root.spec
		spec.Rate = r
		t.root.spec, t.budget.whole = &spec, 0
	}
}
