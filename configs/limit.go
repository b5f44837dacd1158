package configs

import (
	"fmt"
	"math"
	"slices"

	"coppice/tree"
)

// limit refuses a restart limit that nothing can reach: once the children's
// backoff has grown to its max, their restarts lie so far apart that the window
// never holds one more than the intensity, and the supervisor that should give
// up goes on for ever in silence.
func (g *graph) limit(m *member) {
	flags := m.spec.Flags
	delays := countedDelays(m.spec, leastDelay)
	if flags.Intensity < 0 || len(delays) == 0 || delays[0] == 0 {
		return
	}
	needed := fastest(quickest(m.spec), delays, flags.Intensity+1)
	if needed <= flags.Period {
		return
	}
	// With the period that is offered the limit is reached however chance decides.
	longest := countedDelays(m.spec, func(b tree.Backoff) tree.Time { return b.Max })
	needed = fastest(quickest(m.spec), longest, flags.Intensity+1)
	remedy := `intensity = "infinity" to never give up`
	span := "years"
	if needed <= tree.Time(durationMax) {
		span = Brief(needed)
		remedy = fmt.Sprintf("period = %q or longer, or %s", span, remedy)
	}
	if m.table.loading == nil {
		remedy = "add a [supervisor.root] with its children and " + remedy
	} else {
		remedy = "say " + remedy
	}
	g.fault(g.limitPlace(m), say(remedy),
		"%s can never reach its limit of more than %d restarts in %s: at their longest delays its children need %s for %d",
		m.title, flags.Intensity, Brief(flags.Period), span, flags.Intensity+1)
}

// quickest is the strategy under which a supervisor's restarts are counted fastest:
// with that of an end that chose another one no bound is closer than one_for_one's,
// under which no child waits for another.
func quickest(s tree.ChildSpec) tree.Strategy {
	for _, c := range s.Children {
		for _, v := range c.OnExit {
			if v.Strategy != s.Flags.Strategy {
				return tree.OneForOne
			}
		}
	}
	return s.Flags.Strategy
}

// limitPlace is where a supervisor says its limit; where the file has no such
// supervisor, the backoff of its first child that has one.
func (g *graph) limitPlace(m *member) span {
	for _, key := range []string{"period", "intensity"} {
		if f := m.at.field(key); f != nil {
			return f.value
		}
	}
	if m.table.loading != nil {
		return m.place()
	}
	i := slices.IndexFunc(m.lists, func(entry listing) bool { return g.byName[entry.name].at.field("backoff") != nil })
	return g.byName[m.lists[i].name].table.span("backoff")
}

// leastDelay is the shortest that a delay can be once it has grown to its max: with
// all that its jitter can take off.
func leastDelay(b tree.Backoff) tree.Time { return tree.Time(float64(b.Max) * (1 - b.Jitter)) }

// countedDelays are the delays of the children whose restarts a supervisor counts.
// Those of a template are as many as there may be, and where that is more than the
// limit they can fill any window at once.
func countedDelays(s tree.ChildSpec, of func(tree.Backoff) tree.Time) []tree.Time {
	delays, most := restartDelays(s.Children, of), s.Flags.MaxChildren
	switch {
	case s.Flags.Strategy != tree.SimpleOneForOne || len(delays) == 0:
		return delays
	case most == noLimit || most > s.Flags.Intensity:
		return []tree.Time{0}
	}
	return slices.Repeat(delays, most)
}

// restartDelays are the delays of the children that may be restarted, in their
// order; one 0 alone if some child is restarted without a delay, as every supervisor
// is: such a child fills any window.
func restartDelays(children []tree.ChildSpec, of func(tree.Backoff) tree.Time) []tree.Time {
	var delays []tree.Time
	for _, c := range children {
		switch {
		case c.Restart == tree.Temporary, c.Type == tree.Supervisor && len(c.Children) == 0:
		case c.Type == tree.Supervisor, c.Backoff.Initial == 0, of(c.Backoff) <= 0:
			return []tree.Time{0}
		default:
			delays = append(delays, of(c.Backoff))
		}
	}
	return delays
}

// fastest is the shortest time in which a supervisor can count so many restarts
// of children whose restarts are delayed so long; both ends of a window belong
// to it, so one restart takes no time. It may be too short, never too long.
func fastest(strategy tree.Strategy, delays []tree.Time, restarts int) tree.Time {
	switch strategy {
	case tree.OneForAll:
		return times(shortest(delays), restarts-1)
	case tree.RestForOne:
		return fastestRest(delays, restarts)
	}
	return fastestOne(delays, restarts)
}

// fastestOne: each child waits by itself, so in time p it is counted p/delay + 1
// times; the answer is the first p for which the sum is enough.
func fastestOne(delays []tree.Time, restarts int) tree.Time {
	low, high := tree.Time(0), times(shortest(delays), restarts-1)
	for low < high {
		middle := low + (high-low)/2
		if countedOne(delays, middle, restarts) {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return low
}

func countedOne(delays []tree.Time, p tree.Time, restarts int) bool {
	left := tree.Time(restarts)
	for _, d := range delays {
		if left -= min(left, p/d+1); left == 0 {
			return true
		}
	}
	return false
}

// fastestRest: a child's restart stops those after it and not those before, so
// all can be counted at one moment, the last first; then the first of those that
// died must wait, and all from it on run again. The cheapest mixture of such
// rounds is a knapsack: rounds[k] is the time for k restarts with all running
// again afterwards. The last round need not wait.
func fastestRest(delays []tree.Time, restarts int) tree.Time {
	const stepsMax = 1 << 14
	left := restarts - len(delays)
	if left <= 0 {
		return 0
	}
	if left > stepsMax/len(delays) {
		return leastRest(delays, left)
	}
	rounds := make([]tree.Time, left+1)
	for k := 1; k <= left; k++ {
		rounds[k] = math.MaxInt64
		for first, d := range delays {
			before := rounds[max(0, k-(len(delays)-first))]
			rounds[k] = min(rounds[k], d+min(before, math.MaxInt64-d))
		}
	}
	return rounds[left]
}

// leastRest is a bound from below where the knapsack would take too long: as if
// the round with the best price could be had in part.
func leastRest(delays []tree.Time, left int) tree.Time {
	least := math.Inf(1)
	for first, d := range delays {
		least = min(least, float64(d)/float64(len(delays)-first))
	}
	return tree.Time(min(least*float64(left)*(1-1e-9), math.MaxInt64/2))
}

func shortest(delays []tree.Time) tree.Time {
	least := delays[0]
	for _, d := range delays {
		least = min(least, d)
	}
	return least
}

// times is d * n, or the longest time where that is longer.
func times(d tree.Time, n int) tree.Time {
	if n > 0 && d > math.MaxInt64/tree.Time(n) {
		return math.MaxInt64
	}
	return d * tree.Time(n)
}
