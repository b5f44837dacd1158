package logs

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// readAll reads what a query selects; the positions are those behind each entry,
// the first ones where the view began.
func readAll(t *testing.T, dir string, q Query) (all []entry, behind []map[output]Position) {
	t.Helper()
	q.Announce = true
	at := map[output]Position{}
	err := Read(dir, q, func(l Line) error {
		o := output{l.Name, l.Stderr}
		if l.Name == "" {
			return nil
		}
		if at[o] = l.At; l.Time.IsZero() {
			return nil
		}
		if all = append(all, entryOf(l)); len(behind) == 0 {
			behind = append(behind, nil) // below
		}
		copied := map[output]Position{}
		for o, p := range at {
			copied[o] = p
		}
		behind = append(behind, copied)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(behind) > 0 {
		behind = behind[1:]
	}
	return all, behind
}

func same(t *testing.T, what string, got, want []entry) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	i := 0
	for i < len(got) && i < len(want) && got[i] == want[i] {
		i++
	}
	t.Errorf("%s: %d entries, want %d; they differ from entry %d on", what, len(got), len(want), i)
	for j := max(0, i-1); j < i+3; j++ {
		if j < len(got) {
			t.Logf("got  %d: %v", j, got[j])
		}
		if j < len(want) {
			t.Logf("want %d: %v", j, want[j])
		}
	}
}

// lastOf are the last n lines and the notes between and behind them.
func lastOf(all []entry, n int) []entry {
	for i := len(all) - 1; i >= 0; i-- {
		if !all[i].note() {
			if n--; n == 0 {
				return all[i:]
			}
		}
	}
	for len(all) > 0 && all[0].note() {
		all = all[1:]
	}
	return all
}

func sinceOf(all []entry, since time.Time) []entry {
	var late []entry
	for _, e := range all {
		if e.time >= since.UnixNano() {
			late = append(late, e)
		}
	}
	return late
}

// Whatever was written, however it lies in files, and wherever reading begins: it
// is what a naive reader of the whole bytes sees.
func TestReadIsTheNaiveReading(t *testing.T) {
	seeds := uint64(30)
	if testing.Short() {
		seeds = 10
	}
	for seed := range seeds {
		random := rand.New(rand.NewPCG(seed, 7))
		dir := t.TempDir()
		scribes := scribble(t, random, dir, func(string) {})
		want := merged(scribes)
		all, behind := readAll(t, dir, Query{Last: -1})
		same(t, "all", all, want)
		checkEnds(t, random, dir, want)
		checkPositions(t, random, dir, want, behind)
		for _, s := range scribes {
			checkRaw(t, random, dir, s)
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func checkEnds(t *testing.T, random *rand.Rand, dir string, want []entry) {
	t.Helper()
	for range 10 {
		n := 1 + random.IntN(len(want)+3)
		got, _ := readAll(t, dir, Query{Last: n})
		same(t, "last", got, lastOf(want, n))
		since := time.Unix(0, want[random.IntN(len(want))].time+random.Int64N(3)-1)
		got, _ = readAll(t, dir, Query{Last: -1, Since: since})
		same(t, "since", got, sinceOf(want, since))
		got, _ = readAll(t, dir, Query{Last: n, Since: since})
		same(t, "last and since", got, lastOf(sinceOf(want, since), n))
	}
	if got, _ := readAll(t, dir, Query{Last: 0}); len(got) > 0 {
		t.Errorf("the last 0 lines are %v", got)
	}
}

// checkPositions goes on behind any entry, also of a view that does not begin at
// the beginning.
func checkPositions(t *testing.T, random *rand.Rand, dir string, want []entry, behind []map[output]Position) {
	t.Helper()
	for i, at := range behind {
		got, _ := readAll(t, dir, Query{Last: 3, From: positions(t, at)})
		same(t, "from", got, want[i+1:])
	}
	n := 1 + random.IntN(len(want))
	tail, behind := readAll(t, dir, Query{Last: n})
	for i, at := range behind {
		got, _ := readAll(t, dir, Query{Last: -1, From: positions(t, at)})
		same(t, "from, after last", got, tail[i+1:])
	}
}

func positions(t *testing.T, at map[output]Position) []Position {
	t.Helper()
	var all []Position
	for _, p := range at {
		again, err := ParsePosition(p.String())
		if err != nil || again != p {
			t.Fatalf("%v is read as %v: %v", p, again, err)
		}
		all = append(all, again)
	}
	return all
}

func checkRaw(t *testing.T, random *rand.Rand, dir string, s *scribe) {
	t.Helper()
	q := Query{Names: []string{s.name}, Raw: true, Stderr: s.stderr, Last: -1}
	raw := func(q Query) (data []byte) {
		all, _ := readAll(t, dir, q)
		for _, e := range all {
			data = append(data, e.text...)
		}
		return data
	}
	want := s.raw()
	if got := raw(q); !bytes.Equal(got, want) {
		t.Errorf("raw %v: %q\nwant %q", s.output, got, want)
	}
	all, behind := readAll(t, dir, q)
	for i, at := range behind {
		q.From = positions(t, at)
		if got, want := raw(q), want[len(textOf(all[:i+1])):]; !bytes.Equal(got, want) {
			t.Errorf("raw %v behind %v: %q\nwant %q", s.output, at, got, want)
		}
	}
	q.From, q.Last = nil, random.IntN(5)
	if got := raw(q); !bytes.Equal(got, lastRaw(want, q.Last)) {
		t.Errorf("raw last %d of %v: %q\nwant %q", q.Last, s.output, got, lastRaw(want, q.Last))
	}
}

// lastRaw are the last n lines.
func lastRaw(data []byte, n int) []byte {
	if n == 0 {
		return nil
	}
	for i := len(data) - 2; i >= 0; i-- {
		if data[i] == '\n' {
			if n--; n == 0 {
				return data[i+1:]
			}
		}
	}
	return data
}
