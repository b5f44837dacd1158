package main

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
)

// table is what people read of one or several measures: a row for each peer that has a value in it.
type table struct {
	title   string
	note    string // how it was measured, and what is included
	columns []column
}

// column is one metric, with so many children.
type column struct {
	head     string
	measure  measure
	metric   string
	children int
	ratio    bool // also to the Go floor
}

// grid is a table as words: heads, and rows of as many.
type grid struct {
	title, note string
	heads       []string
	rows        [][]string
}

// grid fills a table; one without any row has nothing to say.
func (r *record) grid(t table) grid {
	g := grid{title: t.title, note: t.note, heads: []string{"supervisor"}}
	for _, c := range t.columns {
		g.heads = append(g.heads, c.head)
	}
	for _, e := range r.Entrants {
		row, any := []string{e.Name}, false
		for _, c := range t.columns {
			v := r.cell(e.Name, c.measure, c.children, c.metric)
			any = any || v.rounds > 0
			floor := cell{}
			if c.ratio {
				floor = r.cell(floorGo, c.measure, c.children, c.metric)
			}
			row = append(row, v.text(floor))
		}
		if any {
			g.rows = append(g.rows, row)
		}
	}
	return g
}

// text is a median, its spread over the rounds, and its ratio to the floor: "0.82 (0.79–0.95) 1.3×". A peer that has fewer
// children than the column says them in brackets.
func (c cell) text(floor cell) string {
	if c.rounds == 0 {
		return "–"
	}
	words := []string{number(c.median)}
	if c.least != c.most {
		words = append(words, fmt.Sprintf("(%s–%s)", number(c.least), number(c.most)))
	}
	if floor.median > 0 && c.had == 0 {
		words = append(words, number(c.median/floor.median)+"×")
	}
	if c.had > 0 {
		words = append(words, fmt.Sprintf("[%d]", c.had))
	}
	return strings.Join(words, " ")
}

// number is a value with as many digits as mean something.
func number(v float64) string {
	switch {
	case v == float64(int64(v)) || v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// text are all tables for a terminal, and what is missing in them.
func (r *record) text() string {
	var b strings.Builder
	for _, t := range r.tables() {
		g := r.grid(t)
		if len(g.rows) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n%s\n\n", g.title)
		w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		for _, row := range slices.Concat([][]string{g.heads}, g.rows) {
			fmt.Fprintln(w, strings.Join(row, "\t"))
		}
		_ = w.Flush() // into memory
		fmt.Fprintf(&b, "\n%s\n", g.note)
	}
	for _, line := range r.gaps() {
		fmt.Fprintf(&b, "\n%s", line)
	}
	return b.String() + "\n"
}

// gaps say why something has no value.
func (r *record) gaps() []string {
	var all []string
	for _, e := range r.Entrants {
		if e.Missing != "" {
			all = append(all, fmt.Sprintf("%s is missing: %s", e.Name, e.Missing))
		}
	}
	for _, t := range r.distinctTroubles() {
		all = append(all, fmt.Sprintf("%s, %s with %d: %s", t.Peer, t.Measure, t.children(), t.Reason))
	}
	if !r.Machine.Root {
		all = append(all, "not run as root: peers that need it, cgroups and what belongs to others were not measured")
	}
	return all
}

// children are how many there were.
func (s subject) children() int {
	if s.Had > 0 {
		return s.Had
	}
	return s.Children
}
