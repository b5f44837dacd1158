package logs

import "container/heap"

// heads are the sources that have a piece, as a heap by its time.
type heads []*source

// newHeads finds those that have one.
func newHeads(sources []*source, final bool) (heads, error) {
	var h heads
	for _, c := range sources {
		more, err := c.next(final)
		if err != nil {
			return nil, err
		}
		if more {
			h = append(h, c)
		}
	}
	heap.Init(&h)
	return h, nil
}

// next takes the earliest piece.
func (h *heads) next(final bool) error {
	more, err := (*h)[0].next(final)
	switch {
	case err != nil:
		return err
	case more:
		heap.Fix(h, 0)
	default:
		heap.Pop(h)
	}
	return nil
}

func (h heads) Len() int { return len(h) }
func (h heads) Less(i, j int) bool {
	if c := h[i].head.Time.Compare(h[j].head.Time); c != 0 {
		return c < 0
	}
	return h[i].order < h[j].order
}
func (h heads) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *heads) Push(x any)   { *h = append(*h, x.(*source)) }
func (h *heads) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}
