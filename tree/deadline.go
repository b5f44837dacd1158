package tree

import "container/heap"

// timer is an entry of the queue of deadlines.
type timer struct {
	at    Time
	cause uint64 // the report behind the state
	node  *node
}

// timers is a heap by time, with one entry for each node that has a deadline; of states
// that end together the older one comes first. A node knows its entry: slot is that plus 1.
type timers []timer

func (q timers) Len() int { return len(q) }
func (q timers) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].cause < q[j].cause
}

func (q timers) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].node.slot, q[j].node.slot = i+1, j+1
}

// Push takes a node.
func (q *timers) Push(x any) {
	n := x.(*node)
	n.slot = len(*q) + 1
	*q = append(*q, timer{n.deadline, n.cause, n})
}

func (q *timers) Pop() any {
	old := *q
	n := old[len(old)-1].node
	n.slot = 0
	old[len(old)-1] = timer{}
	*q = old[:len(old)-1]
	return n
}

// drop empties the queue.
func (q *timers) drop() {
	for _, entry := range *q {
		entry.node.slot = 0
	}
	*q = nil
}

// setDeadline says when the present state of n ends by itself; 0: never.
func (t *Tree) setDeadline(n *node, at Time) {
	if n.deadline == at {
		return
	}
	n.deadline = at
	if n.slot != 0 {
		heap.Remove(&t.timers, n.slot-1)
	}
	if at != 0 {
		heap.Push(&t.timers, n)
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
	if len(t.timers) == 0 {
		return 0, false
	}
	return t.timers[0].at, true
}

// expire ends every state whose time has come.
func (t *Tree) expire() {
	for {
		at, ok := t.Deadline()
		if !ok || at > t.now || t.ended != nil {
			return
		}
		n := t.timers[0].node
		t.setDeadline(n, 0)
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
			heap.Push(&t.timers, n)
		}
	})
}
