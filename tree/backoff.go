package tree

import "math"

// delayRestart is how long the restart of n has to wait, and counts it: the
// next one in a row waits Factor times as long, up to Max.
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

// ranFor lets the backoff fall back after a run of Max and more.
func (n *node) ranFor(span Time) {
	if span >= n.spec.Backoff.Max {
		n.level = 0
	}
}
