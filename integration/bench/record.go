package main

import (
	"cmp"
	"encoding/json"
	"os"
	"slices"
	"time"
)

// record is everything that one run of the bench has found: what -json writes, and what tables are made of.
type record struct {
	Began    time.Time     `json:"began"`
	Took     time.Duration `json:"took_ns"`
	Rounds   int           `json:"rounds"`
	Idle     time.Duration `json:"idle_ns"` // how long idleness was watched; the values are scaled to 30 s
	Machine  machine       `json:"machine"`
	Entrants []entrant     `json:"peers"`
	Samples  []sample      `json:"samples"`
	Troubles []trouble     `json:"troubles,omitempty"`
}

// entrant is a peer as this run found it.
type entrant struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	Missing string `json:"missing,omitempty"` // why it could not be had
	Delay   string `json:"delay,omitempty"`   // what it waits before a restart, whatever it was asked for
}

// subject is what a value is about.
type subject struct {
	Peer    string  `json:"peer"`
	Measure measure `json:"measure"`
	// Children is the column that the value belongs to; Had, how many there were, where the peer cannot take so many.
	Children int `json:"children"`
	Had      int `json:"had,omitempty"`
}

// sample is one value of one round: milliseconds, but for those that metricUnits names.
type sample struct {
	subject
	Metric string  `json:"metric"`
	Round  int     `json:"round"`
	Value  float64 `json:"value"`
}

// trouble is why something has no value.
type trouble struct {
	subject
	Round  int    `json:"round"`
	Reason string `json:"reason"`
}

// cell is what all rounds say of one thing.
type cell struct {
	median, least, most float64
	rounds              int // 0: it was not measured
	had                 int // as in subject
}

// cell finds the values of a metric.
func (r *record) cell(peer string, m measure, children int, metric string) cell {
	var values []float64
	var c cell
	for _, s := range r.Samples {
		if s.Peer == peer && s.Measure == m && s.Children == children && s.Metric == metric {
			values, c.had = append(values, s.Value), s.Had
		}
	}
	if len(values) == 0 {
		return c
	}
	c.median, c.least, c.most, c.rounds = median(values), slices.Min(values), slices.Max(values), len(values)
	return c
}

// counts are the numbers of children with which a measure was taken, in order.
func (r *record) counts(m measure) []int {
	var all []int
	for _, s := range r.Samples {
		if s.Measure == m && !slices.Contains(all, s.Children) {
			all = append(all, s.Children)
		}
	}
	slices.Sort(all)
	return all
}

// usual is the number of children that a measure is shown with where a table has but one: the largest up to a thousand.
func (r *record) usual(m measure) int {
	usual := 0
	for _, n := range r.counts(m) {
		if n <= usualChildren || usual == 0 {
			usual = n
		}
	}
	return usual
}

// usualChildren is the crowd that is measured most closely.
const usualChildren = 1000

// distinctTroubles are the troubles without what later rounds repeat.
func (r *record) distinctTroubles() []trouble {
	var all []trouble
	for _, t := range r.Troubles {
		if !slices.ContainsFunc(all, func(o trouble) bool { return o.subject == t.subject }) {
			all = append(all, t)
		}
	}
	slices.SortStableFunc(all, func(a, b trouble) int { return cmp.Compare(a.Peer, b.Peer) })
	return all
}

func (r *record) writeJSON(path string) error {
	b, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}
