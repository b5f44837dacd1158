package main

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"coppice/ipc"
)

// The columns of the status table, in their order.
const (
	colName = iota
	colState
	colPID
	colUptime
	colRestarts
	colCPU
	colMemory
	colNote
	colCount
)

var statusTitles = [colCount]string{"NAME", "STATE", "PID", "UPTIME", "RESTARTS", "CPU", "MEM", ""}

// noteWanted is what a narrow page gives up figures and the ends of names for,
// nameWanted what it leaves of a name, noteLeast what it gives up more for.
const (
	noteWanted = 30
	nameWanted = 14
	noteLeast  = 18
)

// restartsShort is the title of that column where every letter counts.
const restartsShort = "RST"

// statusTable is what the table is made of. It is as small as its text: of a large tree
// most of the time goes into memory that was never used before.
type statusTable struct {
	rows []statusRow
	text []byte // of all cells, one behind the other
}

// statusRow is one node; branch is the drawing before its name.
type statusRow struct {
	node   *ipc.Node
	branch string
	ends   [colCount]int32 // of its cells in the text
}

// writeTable draws nodes, each with what is below it, and lays the rows out for the page's width: where they do not fit it gives
// up first the figures that are looked at least, then the ends of long names,
// then the ends of notes. It never wraps.
func (p page) writeTable(b *strings.Builder, tops ...*ipc.Node) {
	nodes := 0
	for _, n := range tops {
		n.Each(func(*ipc.Node) { nodes++ })
	}
	t := statusTable{rows: make([]statusRow, 0, nodes), text: make([]byte, 0, nodes*rowBytes)}
	for _, n := range tops {
		t.add(p, n, "", "")
	}
	widths := t.widths()
	fit(&widths, p.width)
	b.Grow((nodes + 1) * min(total(widths)+len("├─ "), lineBytesMax))
	head := titles(widths)
	text := layOut(nil, widths, &head, nil, false)
	b.WriteString(p.brush.paint(dim, string(text)) + "\n")
	all := string(t.text)
	at := int32(0)
	for i := range t.rows {
		r := &t.rows[i]
		var cells [colCount]string
		var paints [colCount]paint
		for col, end := range r.ends {
			cells[col], paints[col] = all[at:end], paintOf(r.node, col)
			at = end
		}
		cells[colName] = r.branch + cells[colName]
		for col := range cells {
			cells[col] = cut(cells[col], widths[col])
		}
		text = layOut(text[:0], widths, &cells, &paints, p.brush)
		b.Write(append(text, '\n'))
	}
}

// What a row's text, and a line, take nearly always.
const (
	rowBytes     = 64
	lineBytesMax = 256
)

// add appends a node and all below it, with the branches that lead there.
func (t *statusTable) add(p page, n *ipc.Node, branch, below string) {
	r := statusRow{node: n, branch: branch}
	for col := range colCount {
		t.text = p.cell(t.text, n, col)
		r.ends[col] = int32(len(t.text))
	}
	t.rows = append(t.rows, r)
	if len(n.Children) == 0 {
		return
	}
	last := len(n.Children) - 1
	middle, between := below+"├─ ", below+"│  "
	for i := range last {
		t.add(p, &n.Children[i], middle, between)
	}
	t.add(p, &n.Children[last], below+"└─ ", below+"   ")
}

// widths are those of the columns where there is room for everything; 0: nothing
// stands in it.
func (t *statusTable) widths() [colCount]int {
	var widths [colCount]int
	at := int32(0)
	for i := range t.rows {
		r := &t.rows[i]
		for col, end := range r.ends {
			width := utf8.RuneCount(t.text[at:end])
			if col == colName {
				width += utf8.RuneCountInString(r.branch)
			}
			widths[col] = max(widths[col], width)
			at = end
		}
	}
	for col, title := range statusTitles {
		if widths[col] > 0 {
			widths[col] = max(widths[col], len(title))
		}
	}
	return widths
}

// fit makes widths no wider than width, as far as it goes.
func fit(widths *[colCount]int, width int) {
	over := func(note int) int {
		return total(*widths) - max(0, widths[colNote]-note) - width
	}
	if over(widths[colNote]) > 0 && widths[colRestarts] == len(statusTitles[colRestarts]) {
		widths[colRestarts] = len(restartsShort) + 2 // figures of five digits fit too
	}
	for _, col := range []int{colCPU, colMemory} {
		if over(noteWanted) > 0 {
			widths[col] = 0
		}
	}
	if excess := over(noteWanted); excess > 0 {
		widths[colName] = max(widths[colName]-excess, min(widths[colName], nameWanted))
	}
	for _, col := range []int{colUptime, colRestarts, colPID} {
		if over(noteLeast) > 0 {
			widths[col] = 0
		}
	}
	widths[colNote] = max(0, widths[colNote]-max(0, over(widths[colNote])))
}

// total is the width of a line: the columns that are left, two blanks between.
func total(widths [colCount]int) int {
	sum := -2
	for _, w := range widths {
		if w > 0 {
			sum += w + 2
		}
	}
	return sum
}

func titles(widths [colCount]int) [colCount]string {
	cells := statusTitles
	if widths[colRestarts] < len(cells[colRestarts]) {
		cells[colRestarts] = restartsShort
	}
	for col := range cells {
		cells[col] = cut(cells[col], widths[col])
	}
	return cells
}

// layOut puts cells beside each other; numbers stand at the right of theirs.
func layOut(to []byte, widths [colCount]int, cells *[colCount]string, paints *[colCount]paint, br brush) []byte {
	for col, text := range cells {
		if widths[col] == 0 {
			continue
		}
		blanks := widths[col] - utf8.RuneCountInString(text)
		if paints != nil {
			text = br.paint(paints[col], text)
		}
		if col >= colPID && col <= colMemory {
			to = append(appendBlanks(to, blanks), text...)
		} else {
			to = appendBlanks(append(to, text...), blanks)
		}
		to = append(to, "  "...)
	}
	return bytes.TrimRight(to, " ")
}

func appendBlanks(to []byte, n int) []byte {
	for range n {
		to = append(to, ' ')
	}
	return to
}

// cut shortens a text to a width; what is missing is an ellipsis.
func cut(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	if width <= 0 {
		return ""
	}
	return string([]rune(text)[:width-1]) + "…"
}
