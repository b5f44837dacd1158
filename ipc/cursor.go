package ipc

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Cursor is how far somebody has read in the logs: a query with Positions that was
// cut off goes on there. The zero value is the beginning; it belongs to one query
// and one goroutine.
type Cursor struct {
	began bool              // where all outputs begin is known
	at    map[string]string // positions by output
}

// Note takes over the position of a line; false: the line says nothing else and
// is not to be shown. A line without a node is the end of those that say where the
// outputs begin.
func (c *Cursor) Note(l LogLine) (shown bool) {
	if l.Node == "" {
		c.began = true
		return false
	}
	if output, _, ok := strings.Cut(l.At, "@"); ok {
		if c.at == nil {
			c.at = map[string]string{}
		}
		c.at[output] = l.At
	}
	return !l.Time.IsZero()
}

// Began says that Resume can go on: it is known where each output began.
func (c *Cursor) Began() bool { return c.began }

// Resume is the query for what is left of q.
func (c *Cursor) Resume(q LogQuery) LogQuery {
	q.Positions = true
	if !c.began {
		clear(c.at) // nothing was shown
		return q
	}
	q.Last = -1
	q.From = slices.Sorted(maps.Values(c.at))
	return q
}

// fromParameters is how many positions go into the parameters of a request; more
// would not fit into its header and are its body.
const fromParameters = 100

// fields writes the query as the parameters of a request, and its body.
func (q LogQuery) fields() (pairs []string, body any) {
	for _, name := range q.Names {
		pairs = append(pairs, "name", name)
	}
	if len(q.From) > fromParameters {
		body = map[string]any{"from": q.From}
		q.From = nil
	}
	for _, position := range q.From {
		pairs = append(pairs, "from", position)
	}
	if q.Last >= 0 {
		pairs = append(pairs, "n", strconv.Itoa(q.Last))
	}
	if !q.Since.IsZero() {
		pairs = append(pairs, "since", q.Since.Format(time.RFC3339Nano))
	}
	return pairs, body
}
