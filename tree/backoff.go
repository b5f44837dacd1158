package tree

import "math"

// delayRestart is how long the restart of n has to wait before chance takes a part
// of it off, and counts it: the next one in a row waits Factor times as long, up to
// Max.
func (n *node) delayRestart() Time {
	b := n.spec.Backoff
	if b.Initial <= 0 {
		return 0
	}
	delay := float64(b.Initial) * math.Pow(max(b.Factor, 1), float64(n.level))
	if delay >= float64(b.Max) {
		return max(b.Max, b.Initial)
	}
	n.level++
	return Time(delay)
}

// ranFor lets the backoff fall back in a run, level by level: there is no moment
// before which nothing and after which everything is forgotten. Each level takes
// Decay; where that is not given it is chosen so that a run of Max takes all that
// there are now: Max divided by the level. A run of Max always does.
func (n *node) ranFor(span Time) {
	b := n.spec.Backoff
	if span >= b.Max || n.level <= 0 {
		n.level = 0
		return
	}
	decay := b.Decay
	if decay <= 0 {
		decay = max(b.Max/Time(n.level), 1)
	}
	n.level -= int(min(max(span, 0)/decay, Time(n.level)))
}

// stoppedAfter lets the backoff fall back in a run that somebody ends at a time: an
// operator, a sweep or a reload. A process that is being stopped as it is unhealthy ends
// no less by that.
func (n *node) stoppedAfter(at Time) {
	if !n.isSupervisor() && n.alive && (n.state == Up || n.state == Stopping && n.ailing) {
		n.ranFor(at - n.upAt)
	}
}

// backOff begins the delay of a restart. Where chance has a part in it the core asks
// for a number, as it has none of its own: Drawn goes on.
func (t *Tree) backOff(n *node, delay Time, because uint64) {
	if n.spec.Backoff.Jitter > 0 {
		t.become(n, BackingOff, because)
		n.undrawn = delay
		t.act(Draw{n.ref()})
		return
	}
	seq := t.report(Report{Kind: BackoffBegun, Node: n.id(), Because: because, Delay: delay})
	t.become(n, BackingOff, seq)
	t.after(n, delay)
}

// drawn: chance has said how much of a delay it takes off.
func (t *Tree) drawn(e Drawn) {
	n := t.incarnation(e.Ref)
	if n == nil || n.undrawn <= 0 {
		return
	}
	off := 0.0
	if e.Number >= 0 && e.Number < 1 { // which NaN is not
		off = min(n.spec.Backoff.Jitter, 1) * e.Number * float64(n.undrawn)
	}
	// Whole milliseconds are as good, and can be read.
	delay := max(n.undrawn-Time(off)/millisecond*millisecond, 1)
	seq := t.report(Report{Kind: BackoffBegun, Node: n.id(), Because: n.cause, Delay: delay})
	t.become(n, BackingOff, seq)
	t.after(n, delay)
}
