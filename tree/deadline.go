package tree

import "container/heap"

// timer is an entry of the queue of deadlines. It is stale when its node has
// another deadline by now.
type timer struct {
	at    Time
	cause uint64 // the report behind the state
	node  *node
}

// timers is a heap by time; of states that end together the older one comes
// first. Entries are not searched for when a deadline is
// dropped; they are skipped when they come up.
type timers []timer

func (q timers) Len() int { return len(q) }
func (q timers) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].cause < q[j].cause
}
func (q timers) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *timers) Push(x any)   { *q = append(*q, x.(timer)) }
func (q *timers) Pop() any {
	old := *q
	last := old[len(old)-1]
	old[len(old)-1] = timer{}
	*q = old[:len(old)-1]
	return last
}

// setDeadline says when the present state of n ends by itself; 0: never.
func (t *Tree) setDeadline(n *node, at Time) {
	if n.deadline == at {
		return
	}
	n.deadline = at
	if at != 0 {
		heap.Push(&t.timers, timer{at, n.cause, n})
	}
}

// after sets the deadline of n's state a span from now; Infinity is none.
func (t *Tree) after(n *node, span Time) {
	if span == Infinity {
		t.setDeadline(n, 0)
		return
	}
	// A deadline of 0 means none, and a clock may begin at 0.
	t.setDeadline(n, max(t.now+span, 1))
}

// Deadline is when the next Step is due if no event comes before; false: never.
func (t *Tree) Deadline() (Time, bool) {
	for len(t.timers) > 0 {
		first := t.timers[0]
		if first.node.deadline == first.at && first.node.cause == first.cause {
			return first.at, true
		}
		heap.Pop(&t.timers)
	}
	return 0, false
}

// expire ends every state whose time has come.
func (t *Tree) expire() {
	for {
		at, ok := t.Deadline()
		if !ok || at > t.now || t.ended != nil {
			return
		}
		n := t.timers[0].node
		heap.Pop(&t.timers)
		n.deadline = 0
		switch {
		case n.state == Starting:
			t.startOverdue(n)
		case n.state == Stopping && n.killing && !n.isSupervisor():
			t.inspect(n)
		case n.state == Stopping:
			t.kill(n)
		case n.state == BackingOff && n.isPutOff():
			t.startPutOff(n)
		case n.queues: // its turn may have come, see admit
		case n.state == BackingOff:
			t.delayPassed(n)
		default:
			panic("tree: " + n.id() + " has a deadline while it is " + string(n.state))
		}
	}
}

// remember fills the queue from the deadlines of all nodes.
func (t *Tree) remember() {
	t.each(func(n *node) {
		if n.deadline != 0 {
			heap.Push(&t.timers, timer{n.deadline, n.cause, n})
		}
	})
}
