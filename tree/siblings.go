package tree

import "iter"

// siblings are nodes below one supervisor, in their order. A node is in one such list at
// most, and knows its neighbours: to find its place, to add one and to take one out
// takes the same time however many there are. The zero value is empty.
type siblings struct {
	first, last *node
	size        int
}

// has says whether c, which may be nil, is one of them.
func (l *siblings) has(c *node) bool { return c != nil && c.list == l }

// append makes c the last of them. It leaves the list that it was in.
func (l *siblings) append(c *node) {
	if c.list != nil {
		c.list.remove(c)
	}
	c.list, c.prev = l, l.last
	if l.last == nil {
		l.first = c
	} else {
		l.last.next = c
	}
	l.last = c
	l.size++
}

// remove takes c out, if it is one of them.
func (l *siblings) remove(c *node) {
	if c.list != l {
		return
	}
	if c.prev == nil {
		l.first = c.next
	} else {
		c.prev.next = c.next
	}
	if c.next == nil {
		l.last = c.prev
	} else {
		c.next.prev = c.prev
	}
	c.list, c.prev, c.next = nil, nil, nil
	l.size--
}

// take empties the list and returns who was in it.
func (l *siblings) take() []*node {
	nodes := l.slice()
	for _, c := range nodes {
		l.remove(c)
	}
	return nodes
}

// set makes them the list, in this order.
func (l *siblings) set(nodes []*node) {
	l.take()
	for _, c := range nodes {
		l.append(c)
	}
}

// slice is a copy, for who changes the list on the way.
func (l *siblings) slice() []*node {
	nodes := make([]*node, 0, l.size)
	for c := l.first; c != nil; c = c.next {
		nodes = append(nodes, c)
	}
	return nodes
}

// between visits the nodes from first to last, which is behind it or the same one.
func between(first, last *node) iter.Seq[*node] {
	return func(yield func(*node) bool) {
		for c := first; c != nil && yield(c) && c != last; c = c.next {
		}
	}
}

// all visits them in order, and backward from the last to the first. The list must stay
// as it is meanwhile.
func (l *siblings) all() iter.Seq[*node] {
	return func(yield func(*node) bool) {
		for c := l.first; c != nil && yield(c); c = c.next {
		}
	}
}

func (l *siblings) backward() iter.Seq[*node] {
	return func(yield func(*node) bool) {
		for c := l.last; c != nil && yield(c); c = c.prev {
		}
	}
}
