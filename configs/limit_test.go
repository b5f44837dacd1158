package configs

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"coppice/tree"
)

// slowest finds by trying, event by event, how many restarts a supervisor can
// count in a period: any child that runs may die at any time, and its restart
// comes after its delay.
type slowest struct {
	strategy tree.Strategy
	delays   []tree.Time
	most     int
}

// count tries all that may happen from now on: waits[i] is until when child i
// does not run.
func (s slowest) count(now, period tree.Time, waits []tree.Time, counted int) int {
	if counted == s.most {
		return counted
	}
	best := counted
	for i, d := range s.delays {
		at := max(now, waits[i])
		if at > period {
			continue
		}
		after := append([]tree.Time(nil), waits...)
		for j := range s.delays {
			if i == j || s.strategy == tree.OneForAll || s.strategy == tree.RestForOne && j > i {
				after[j] = at + d
			}
		}
		best = max(best, s.count(at, period, after, counted+1))
	}
	return best
}

func TestFastestIsWhatTryingFinds(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		delays := make([]tree.Time, 1+random.IntN(3))
		for i := range delays {
			delays[i] = tree.Time(1 + random.IntN(6))
		}
		strategy := []tree.Strategy{tree.OneForOne, tree.OneForAll, tree.RestForOne}[random.IntN(3)]
		restarts := 1 + random.IntN(6)
		needed := fastest(strategy, delays, restarts)
		s := slowest{strategy, delays, restarts}
		if got := s.count(0, needed, make([]tree.Time, len(delays)), 0); got < restarts {
			t.Fatalf("%v %v: %d restarts in %d, trying finds %d", strategy, delays, restarts, needed, got)
		}
		if needed > 0 {
			if got := s.count(0, needed-1, make([]tree.Time, len(delays)), 0); got >= restarts {
				t.Fatalf("%v %v: %d restarts need %d, trying finds them before", strategy, delays, restarts, needed)
			}
		}
	}
}

func TestFastestOfMany(t *testing.T) {
	many := make([]tree.Time, 1000)
	for i := range many {
		many[i] = tree.Time(1+i%7) * tree.Second
	}
	for _, test := range []struct {
		strategy tree.Strategy
		delays   []tree.Time
		restarts int
		want     tree.Time
	}{
		{tree.OneForOne, many, 1000, 0},
		{tree.OneForOne, many, 1001, tree.Second},
		{tree.OneForAll, many, 1001, 1000 * tree.Second},
		{tree.RestForOne, many, 1000, 0},
		{tree.RestForOne, many, 1001, tree.Second},
		{tree.RestForOne, many[:10], 20, tree.Second},
		{tree.RestForOne, many[:10], 21, 2 * tree.Second},
		{tree.OneForOne, []tree.Time{math.MaxInt64 / 2}, 4, math.MaxInt64},
		{tree.OneForAll, []tree.Time{math.MaxInt64 / 2}, 4, math.MaxInt64},
		{tree.RestForOne, []tree.Time{math.MaxInt64 / 2}, 4, math.MaxInt64},
		{tree.OneForOne, []tree.Time{1}, 1_000_001, 1_000_000},
	} {
		if got := fastest(test.strategy, test.delays, test.restarts); got != test.want {
			t.Errorf("%v, %d children, %d restarts: got %d, want %d", test.strategy, len(test.delays), test.restarts, got, test.want)
		}
	}
	// Where the exact answer takes too long, the bound is below and close.
	bound, exact := fastest(tree.RestForOne, []tree.Time{tree.Second}, 1_000_001), 1_000_000*tree.Second
	if bound > exact || bound < exact-tree.Second {
		t.Errorf("got %d, want about %d", bound, exact)
	}
}

// A child that restarts without a delay, or a supervisor, fills any window; a
// temporary one and an empty supervisor are never restarted.
func TestRestartDelays(t *testing.T) {
	slow := tree.ChildSpec{Backoff: tree.Backoff{Initial: 1, Max: 9, Factor: 2}}
	temporary := tree.ChildSpec{Restart: tree.Temporary}
	empty := tree.ChildSpec{Type: tree.Supervisor}
	full := tree.ChildSpec{Type: tree.Supervisor, Children: []tree.ChildSpec{slow}}
	for _, test := range []struct {
		children []tree.ChildSpec
		want     []tree.Time
	}{
		{nil, nil},
		{[]tree.ChildSpec{temporary, empty}, nil},
		{[]tree.ChildSpec{slow, temporary, empty, slow}, []tree.Time{9, 9}},
		{[]tree.ChildSpec{slow, {}}, []tree.Time{0}},
		{[]tree.ChildSpec{slow, {Backoff: tree.Backoff{Initial: 4, Max: 8, Factor: 2, Jitter: 0.25}}}, []tree.Time{9, 6}},
		{[]tree.ChildSpec{slow, {Backoff: tree.Backoff{Initial: 4, Max: 8, Factor: 2, Jitter: 1}}}, []tree.Time{0}},
		{[]tree.ChildSpec{slow, full}, []tree.Time{0}},
	} {
		if got := restartDelays(test.children, leastDelay); !slices.Equal(got, test.want) {
			t.Errorf("got %v, want %v", got, test.want)
		}
	}
}

func TestBrief(t *testing.T) {
	for d, want := range map[tree.Time]string{
		3 * 60 * tree.Second: "3m", 3600 * tree.Second: "1h", 10 * tree.Second: "10s", 0: "0s", 5 * tree.Second: "5s",
		60 * tree.Second: "1m", 250e6: "250ms", 3660 * tree.Second: "1h1m",
		90 * tree.Second: "1m30s", 3610 * tree.Second: "1h0m10s", 36000 * tree.Second: "10h", 5e6: "5ms",
	} {
		if got := Brief(d); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
