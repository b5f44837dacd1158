package main

import "slices"

// turn is one life that is to be lived in every round.
type turn struct {
	peer     peer
	children int // the column; the peer may be able to take fewer
	measures []measure
}

// inRound are the measures of a turn that are taken in a round: idleness, and the memory of a supervisor with one child, take long
// and come out the same, so the first round has them alone.
func (t turn) inRound(round int) []measure {
	var all []measure
	for _, m := range t.measures {
		if round == 1 || m != measureIdle && (m != measureMemory || t.children > 1) {
			all = append(all, m)
		}
	}
	return all
}

// turnsOf are the turns of a round, in order: for each measure of one child and for each crowd, one peer after the other, so
// that what is compared was measured in the same minute.
func turnsOf(o *options, peers []peer) []turn {
	var all []turn
	add := func(children int, measures []measure) {
		for _, p := range peers {
			t := turn{peer: p, children: children}
			for _, m := range measures {
				if o.wants(m) && p.terms().takes(m) {
					t.measures = append(t.measures, m)
				}
			}
			if len(t.measures) > 0 && t.had() > 0 {
				all = append(all, t)
			}
		}
	}
	for _, m := range soloMeasures {
		add(1, []measure{m})
	}
	for _, n := range o.counts {
		for _, measures := range livesOf(n, o.counts) {
			add(n, measures)
		}
	}
	return all
}

// livesOf are the measures that n children are for, life by life: one child alone shows the memory of a supervisor with nothing
// to do, and what is not about the crowd itself is measured in the usual one only. A supervisor that has been killed goes on
// with children that it has adopted, so that has a life of its own.
func livesOf(n int, counts []int) [][]measure {
	usual := 0
	for _, c := range counts {
		if c <= usualChildren || usual == 0 {
			usual = c
		}
	}
	switch {
	case n == usual:
		return [][]measure{crowdMeasures, {measureDaemon}}
	case n == 1:
		return [][]measure{{measureMemory}}
	}
	return [][]measure{{measureUp, measureMemory, measureRestart, measureMass, measureStop}}
}

// takes says whether a measure is for a peer at all. Those that make no sense for it are, to be told.
func (t terms) takes(m measure) bool {
	if (m == measureDaemon || m == measureLogKill) && !t.survives {
		return false // it would take its children with it, or leave them behind
	}
	return t.only == nil || slices.Contains(t.only, m)
}

// about is what a value of a turn is about.
func (t turn) about(m measure) subject {
	about := subject{Peer: t.peer.name(), Measure: m, Children: t.children}
	if had := t.had(); had != t.children {
		about.Had = had
	}
	return about
}

// had is how many children a peer has in its turn: fewer than the usual crowd where it cannot take that, and no
// turn (0) where it could not take a larger one.
func (t turn) had() int {
	most := t.peer.terms().most
	switch {
	case most == 0 || t.children <= most:
		return t.children
	case t.children <= usualChildren:
		return most
	}
	return 0
}
