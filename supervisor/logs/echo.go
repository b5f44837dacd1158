package logs

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Bounds of the echo: what may wait for the terminal, and the longest line that
// is shown whole.
const (
	echoBytesMax = 1 << 20
	echoItemsMax = 16 << 10
	echoLineMax  = 8 << 10
)

// echoEndWait is how long the end of the store waits for a terminal that does
// not take what is left (somebody has pressed Ctrl-S).
const echoEndWait = time.Second

// Echo shows captured output as it arrives, in whole lines with the process's
// name before them:
//
//	api    | listening on :8080
//
// It never holds up the capture: what the terminal does not take in time is left
// out, with a note that says how many lines. A line that has no end is shown
// after half a second, and when its process ends. Control characters are made
// visible; of escape sequences only colours are let through. Set the fields,
// give it to Open, and leave it alone from then on.
type Echo struct {
	// Out is where it writes. The first error of it ends the echo.
	Out io.Writer
	// Colour colours the names and lets the colours of the output through.
	Colour bool
	// Width is that of the column of names, in characters; longer names stick out.
	Width int

	queueMu sync.Mutex
	queue   []echoItem
	queued  int            // bytes in queue
	lost    map[string]int // lines left out, by name, since the queue was taken
	ending  bool

	wake chan struct{} // holds one: the queue is no longer empty
	done chan struct{} // closed when the last line was written
}

// echoItem is a chunk of output; without data it says that a process has ended.
type echoItem struct {
	pipe *pipe
	data []byte
}

func (e *Echo) start() {
	e.lost = map[string]int{}
	e.wake = make(chan struct{}, 1)
	e.done = make(chan struct{})
	go e.run()
}

// add queues a copy of what was read from a pipe.
func (e *Echo) add(p *pipe, data []byte) {
	if e == nil {
		return
	}
	e.queueMu.Lock()
	defer e.queueMu.Unlock()
	// Once something of a name is left out, so is all that follows it, until the
	// note about it is due: nothing is shown out of order.
	lost, losing := e.lost[p.sink.name]
	if losing || e.queued+len(data) > echoBytesMax || len(e.queue) >= echoItemsMax {
		e.lost[p.sink.name] = lost + bytes.Count(data, []byte("\n"))
		return
	}
	e.put(echoItem{p, bytes.Clone(data)})
}

// flush shows what there is of a pipe's last line. When the queue is full that
// happens later by itself.
func (e *Echo) flush(p *pipe) {
	if e == nil {
		return
	}
	e.queueMu.Lock()
	defer e.queueMu.Unlock()
	if len(e.queue) < echoItemsMax {
		e.put(echoItem{pipe: p})
	}
}

func (e *Echo) put(item echoItem) {
	e.queue = append(e.queue, item)
	e.queued += len(item.data)
	e.signal()
}

func (e *Echo) signal() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// end shows what is queued and ends the echo, or leaves it to itself when the
// terminal does not take it.
func (e *Echo) end() {
	if e == nil {
		return
	}
	e.queueMu.Lock()
	e.ending = true
	e.signal()
	e.queueMu.Unlock()
	select {
	case <-e.done:
	case <-time.After(echoEndWait):
	}
}

// take empties the queue.
func (e *Echo) take() (items []echoItem, lost map[string]int, ending bool) {
	e.queueMu.Lock()
	defer e.queueMu.Unlock()
	items, lost, ending = e.queue, e.lost, e.ending
	e.queue, e.queued = nil, 0
	if len(lost) > 0 {
		e.lost = map[string]int{}
	}
	return items, lost, ending
}

// run is the goroutine that writes.
func (e *Echo) run() {
	defer close(e.done)
	w := &echoWriter{echo: e, partials: map[*pipe]*partial{}, prefixes: map[string]string{}}
	for {
		select {
		case <-e.wake:
		case <-w.partialDue():
		}
		items, lost, ending := e.take()
		for _, item := range items {
			w.show(item)
		}
		w.noteLost(lost)
		w.showPartials(ending)
		w.write()
		if ending {
			return
		}
	}
}

// echoWriter is what the writing goroutine remembers.
type echoWriter struct {
	echo     *Echo
	partials map[*pipe]*partial
	prefixes map[string]string // by name, in the order of their first lines
	out      []byte
	failed   bool
}

// partial is the beginning of a line.
type partial struct {
	text  []byte // at most echoLineMax bytes
	more  int    // bytes of the line that are not in text
	since time.Time
}

// show adds a chunk's whole lines to out and keeps the rest.
func (w *echoWriter) show(item echoItem) {
	if item.data == nil {
		w.showPartial(item.pipe)
		return
	}
	for data := item.data; len(data) > 0; {
		line, rest, ended := bytes.Cut(data, []byte("\n"))
		w.extend(item.pipe, line)
		if ended {
			w.showPartial(item.pipe)
		}
		data = rest
	}
}

// extend adds to the line that a pipe has begun.
func (w *echoWriter) extend(p *pipe, text []byte) {
	begun := w.partials[p]
	if begun == nil {
		begun = &partial{since: time.Now()}
		w.partials[p] = begun
	}
	fits := min(len(text), echoLineMax-len(begun.text))
	begun.text = append(begun.text, text[:fits]...)
	begun.more += len(text) - fits
}

// showPartial ends the line that a pipe has begun.
func (w *echoWriter) showPartial(p *pipe) {
	begun := w.partials[p]
	if begun == nil {
		return
	}
	delete(w.partials, p)
	w.begin(p.sink.name)
	text := begun.text
	if begun.more == 0 {
		text = bytes.TrimSuffix(text, []byte("\r"))
	}
	w.out = appendVisible(w.out, text, w.echo.Colour)
	if begun.more > 0 {
		w.out = fmt.Appendf(w.out, " ... (%d bytes more, they are in the log)", begun.more)
	}
	w.endLine()
}

// noteLost tells what was left out.
func (w *echoWriter) noteLost(lost map[string]int) {
	for _, name := range slices.Sorted(maps.Keys(lost)) {
		for p := range w.partials {
			if p.sink.name == name {
				w.showPartial(p)
			}
		}
		w.begin(name)
		// Part of a line counts as one: whoever looks finds that something is missing.
		w.out = fmt.Appendf(w.out, "... %d lines not shown here, they are in the log", max(1, lost[name]))
		w.endLine()
	}
}

// showPartials shows the lines that have waited for their end long enough.
func (w *echoWriter) showPartials(all bool) {
	var due []*pipe
	for p, begun := range w.partials {
		if all || time.Since(begun.since) >= partialAfter {
			due = append(due, p)
		}
	}
	slices.SortFunc(due, func(a, b *pipe) int { return w.partials[a].since.Compare(w.partials[b].since) })
	for _, p := range due {
		w.showPartial(p)
	}
}

// partialDue delivers when the oldest line without an end is to be shown.
func (w *echoWriter) partialDue() <-chan time.Time {
	if len(w.partials) == 0 {
		return nil
	}
	oldest := time.Now()
	for _, begun := range w.partials {
		if begun.since.Before(oldest) {
			oldest = begun.since
		}
	}
	return time.After(time.Until(oldest.Add(partialAfter)))
}

// colours are the ones for names: no red, which looks like an error, and none
// that is hard to read on black or white.
var colours = []string{"36", "33", "32", "35", "34", "96", "93", "92", "95", "94"}

// begin adds the prefix of a name.
func (w *echoWriter) begin(name string) {
	prefix, known := w.prefixes[name]
	if !known {
		prefix = name + strings.Repeat(" ", max(0, w.echo.Width-len(name)))
		if w.echo.Colour {
			prefix = "\x1b[" + colours[len(w.prefixes)%len(colours)] + "m" + prefix + "\x1b[0m"
		}
		prefix += " | "
		w.prefixes[name] = prefix
	}
	w.out = append(w.out, prefix...)
}

// endLine ends the line in out, and writes when enough has come together.
func (w *echoWriter) endLine() {
	w.out = append(w.out, '\n')
	if len(w.out) > 64<<10 {
		w.write()
	}
}

// write writes out. After an error there is nobody left to show anything to.
func (w *echoWriter) write() {
	if len(w.out) > 0 && !w.failed {
		_, err := w.echo.Out.Write(w.out)
		w.failed = err != nil
	}
	w.out = w.out[:0]
}
