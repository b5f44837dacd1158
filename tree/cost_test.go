package tree_test

import (
	"testing"

	"coppice/tree"
)

// TestCostOfARestart holds what one crash and its restart allocate to the same few pieces,
// however many processes there are: events, answers, one operation and one end.
func TestCostOfARestart(t *testing.T) {
	for _, size := range []int{10, 10_000} {
		f := plant(shape{}.spec(size, nil))
		i := 0
		got := testing.AllocsPerRun(1000, func() {
			f.crash(f.next(i))
			i++
		})
		if most := 12.0; got > most {
			t.Errorf("%d processes: a restart allocates %.0f times, and should %.0f times at most", size, got, most)
		}
	}
}

// TestDeadlinesAreForgotten wants no entry of the queue of times to outlive its state: a
// process with a long start timeout that crashes again and again leaves none behind.
func TestDeadlinesAreForgotten(t *testing.T) {
	f := plant(shape{}.spec(1, func(_ int, c *tree.ChildSpec) { c.Ready, c.StartTimeout = tree.AtNotice, 3600*tree.Second }))
	before := heap()
	for range 50_000 {
		f.step(tree.Ready{Ref: f.refs[0]})
		f.crash(f.ids[0])
	}
	if after := heap(); after > before+1<<20 {
		t.Errorf("the heap has grown by %d bytes in 50,000 restarts", after-before)
	}
	f.step(tree.Ready{Ref: f.refs[0]})
	if at, ok := f.tree.Deadline(); ok {
		t.Errorf("all are up, and something is due at %v", at)
	}
}
