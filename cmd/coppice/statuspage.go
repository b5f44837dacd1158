package main

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"coppice/ipc"
	"coppice/tree"
)

// page is how a page is to look.
type page struct {
	width int
	brush brush
	now   time.Time
}

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

// row is one node of the table; branch is the drawing before its name.
type row struct {
	branch string
	cells  [colCount]string
	paints [colCount]paint
}

// statusPage draws the tree as a tree: a line that says how it is, and a table.
func (p page) statusPage(t *ipc.Tree) string {
	return p.headline(t) + p.table(p.rows(nil, t.Root, "", ""))
}

// statusOf draws some nodes, each with what is below it.
func (p page) statusOf(nodes []ipc.Node) string {
	var rows []row
	for _, n := range nodes {
		rows = p.rows(rows, n, "", "")
	}
	return p.table(rows)
}

// headline says how the tree is, and what needs a person.
func (p page) headline(t *ipc.Tree) string {
	running, finished, processes := 0, 0, 0
	eachNode(&t.Root, func(n *ipc.Node) {
		if n.Kind != "process" {
			return
		}
		processes++
		switch tree.State(n.State) {
		case tree.Up:
			running++
		case tree.Finished:
			finished++
		}
	})
	troubled, moving := remarkable(nil, nil, &t.Root)
	text := fmt.Sprintf(": %d of %d running, ", running, processes)
	if finished > 0 {
		text += fmt.Sprintf("%d finished, ", finished)
	}
	since := t.Daemon.StartedAt
	if root := t.Root.Since; !root.IsZero() && root.Before(since) {
		since = root // the tree is older than this daemon
	}
	text += fmt.Sprintf("up %s, daemon pid %d", ago(p.now, since), t.Daemon.PID)
	text = p.brush.paint(bold, cut(safe(t.Name), max(p.width-len(text), 8))) + text
	if t.Daemon.Stopping {
		text += "\n" + p.brush.paint(yellow, "being stopped")
	}
	if len(troubled) > 0 {
		text += "\n" + p.brush.paint(red, "attention: "+p.list(troubled, len("attention: "))) + "; `coppice why NAME` tells more"
	} else if len(moving) > 0 {
		text += "\n" + p.brush.paint(yellow, p.list(moving, 0))
	}
	return text + "\n\n"
}

// remarkable appends the nodes that need attention and those that are on their
// way. What failed with its supervisor is not named beside it.
func remarkable(troubled, moving []string, n *ipc.Node) ([]string, []string) {
	word := n.Name + " (" + n.State + ")"
	if needsAttention(n) {
		troubled = append(troubled, word)
	} else if isMoving(n) {
		moving = append(moving, word)
	}
	if n.State == string(tree.Failed) {
		return troubled, moving
	}
	for i := range n.Children {
		troubled, moving = remarkable(troubled, moving, &n.Children[i])
	}
	return troubled, moving
}

// namesMax is how many nodes a headline names at most.
const namesMax = 10

// list joins as many texts as fit beside a lead and the hint, and counts the
// rest.
func (p page) list(texts []string, lead int) string {
	room := p.width - lead - len("; `coppice why NAME` tells more") - len(" and 1000 more")
	shown, length := 0, 0
	for shown < min(len(texts), namesMax) && (shown == 0 || length+2+len(texts[shown]) <= room) {
		length += 2 + len(texts[shown])
		shown++
	}
	text := safe(strings.Join(texts[:shown], ", "))
	if rest := len(texts) - shown; rest > 0 {
		text += fmt.Sprintf(" and %d more", rest)
	}
	return text
}

// needsAttention: it will not run without a person, or it has trouble to.
func needsAttention(n *ipc.Node) bool {
	switch tree.State(n.State) {
	case tree.Failed, tree.Restarting, tree.BackingOff, tree.IsUnkillable, tree.IsFrozen:
		return true
	case tree.Stopped:
		return !n.Held && n.LastExit != nil && tree.EndReason(n.LastExit.Reason) != tree.EndStopped
	}
	return false
}

// rows appends a node and all below it, with the branches that lead there.
func (p page) rows(to []row, n ipc.Node, branch, below string) []row {
	to = append(to, p.row(n, branch))
	for i, child := range n.Children {
		if i == len(n.Children)-1 {
			to = p.rows(to, child, below+"└─ ", below+"   ")
		} else {
			to = p.rows(to, child, below+"├─ ", below+"│  ")
		}
	}
	return to
}

func (p page) row(n ipc.Node, branch string) row {
	r := row{branch: branch}
	r.cells[colName] = safe(n.Name)
	r.cells[colState] = safe(n.State)
	r.paints[colState] = statePaint(n)
	if n.PID != 0 {
		r.cells[colPID] = strconv.Itoa(n.PID)
	}
	if n.State == string(tree.Up) {
		r.cells[colUptime] = ago(p.now, n.Since)
	}
	if n.Kind == "process" || n.Restarts > 0 {
		r.cells[colRestarts] = strconv.Itoa(n.Restarts)
	}
	if n.CPUPercent != nil {
		r.cells[colCPU] = strconv.FormatFloat(*n.CPUPercent, 'f', 1, 64) + "%"
	}
	if n.Memory != nil {
		r.cells[colMemory] = byteSize(*n.Memory)
	}
	r.cells[colNote] = safe(p.note(n))
	if n.Kind == "supervisor" && n.State == string(tree.Up) {
		r.paints[colNote] = dim
	}
	return r
}

func statePaint(n ipc.Node) paint {
	switch tree.State(n.State) {
	case tree.Up:
		return green
	case tree.Starting, tree.Stopping, tree.IsFrozen:
		return yellow
	case tree.Restarting, tree.BackingOff, tree.Failed, tree.IsUnkillable:
		return red
	case tree.Stopped:
		if needsAttention(&n) {
			return red
		}
	}
	return dim
}

// note is what a person wants to know beside the numbers.
func (p page) note(n ipc.Node) string {
	var parts []string
	if about := p.stateNote(n); about != "" {
		parts = append(parts, about)
	}
	if n.Phase != "" {
		parts = append(parts, "says that it is "+n.Phase)
	}
	if n.Status != "" {
		parts = append(parts, strconv.Quote(n.Status))
	}
	if n.FDStore > 0 {
		parts = append(parts, fmt.Sprintf("fd store %d", n.FDStore))
	}
	if n.State == string(tree.Up) && n.Health == string(tree.Healthy) && n.Trouble == "" {
		parts = append([]string{n.Health}, parts...)
	}
	if n.Kind == "supervisor" {
		parts = append(parts, strategyNote(n))
	}
	return strings.Join(parts, ", ")
}

// stateNote says what is special about a node's state.
func (p page) stateNote(n ipc.Node) string {
	end := ""
	if n.LastExit != nil {
		end = lastExitWords(n.LastExit) + ", " + ago(p.now, n.LastExit.At) + " ago"
	}
	switch tree.State(n.State) {
	case tree.Up:
		switch {
		case n.Trouble != "":
			return join("a check failed: "+n.Trouble, end)
		case n.Waits != "":
			return join("waits for "+n.Waits, end)
		}
		if n.LastExit != nil && tree.EndReason(n.LastExit.Reason) == tree.EndStopped {
			return "" // somebody restarted it: nothing is special about that
		}
		return end
	case tree.Starting:
		return join("since "+ago(p.now, n.Since)+p.until(n, ", gives up in "), n.Trouble)
	case tree.Stopping:
		why := n.Trouble
		if n.Waits != "" {
			why = "waits for " + n.Waits
		}
		return join("since "+ago(p.now, n.Since)+p.until(n, ", killed in "), why)
	case tree.IsFrozen:
		return "`coppice thaw " + n.Name + "` lets it run again"
	case tree.IsUnkillable:
		return join("cannot be killed", n.Trouble)
	case tree.BackingOff:
		place := ""
		if n.Place > 0 {
			place = fmt.Sprintf(", number %d in the queue", n.Place)
		}
		return join("again"+p.until(n, " in ")+place, cmp.Or(n.Waits, end))
	case tree.Restarting:
		if n.Waits != "" {
			return join("waits for "+n.Waits, end)
		}
		return join("tried again", end)
	case tree.Stopped:
		if n.Held {
			return "stopped by hand; the next sweep starts it again"
		}
	case tree.Failed:
		if n.Kind == "supervisor" {
			return "gave up " + ago(p.now, n.Since) + " ago"
		}
	}
	return end
}

func (p page) until(n ipc.Node, lead string) string {
	if n.Until == nil {
		return ""
	}
	return lead + span(n.Until.Sub(p.now).Round(time.Second))
}

func join(a, b string) string {
	if b == "" {
		return a
	}
	return a + ", " + b
}

// strategyNote is a supervisor's strategy and limit: "rest_for_one 3/5s".
func strategyNote(n ipc.Node) string {
	limit := fmt.Sprintf("%v/%s", n.Intensity, n.Period)
	if n.Intensity == "infinity" {
		limit = "no limit"
	}
	text := n.Strategy + " " + limit
	if n.MaxChildren > 0 {
		text = fmt.Sprintf("%d of %d children, %s", len(n.Children), n.MaxChildren, text)
	}
	if n.AutoShutdown != "" && n.AutoShutdown != "never" {
		text += " auto_shutdown " + n.AutoShutdown
	}
	return text
}

// table lays out the rows for the page's width: where they do not fit it gives
// up first the figures that are looked at least, then the ends of long names,
// then the ends of notes. It never wraps.
func (p page) table(rows []row) string {
	widths := columnWidths(rows)
	fit(&widths, p.width)
	var b strings.Builder
	b.WriteString(p.brush.paint(dim, line(widths, titles(widths), nil, false)) + "\n")
	for _, r := range rows {
		b.WriteString(line(widths, r.fitted(widths), &r.paints, p.brush) + "\n")
	}
	return b.String()
}

func columnWidths(rows []row) [colCount]int {
	var widths [colCount]int
	for _, r := range rows {
		for col, text := range r.cells {
			widths[col] = max(widths[col], utf8.RuneCountInString(text)+indent(r, col))
		}
	}
	for col, title := range statusTitles {
		if widths[col] > 0 {
			widths[col] = max(widths[col], len(title))
		}
	}
	return widths
}

func indent(r row, col int) int {
	if col == colName {
		return utf8.RuneCountInString(r.branch)
	}
	return 0
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

// fitted are the cells as far as the columns are wide.
func (r row) fitted(widths [colCount]int) [colCount]string {
	cells := r.cells
	cells[colName] = r.branch + cells[colName]
	for col := range cells {
		cells[col] = cut(cells[col], widths[col])
	}
	return cells
}

// line puts cells beside each other; numbers stand at the right of theirs.
func line(widths [colCount]int, cells [colCount]string, paints *[colCount]paint, br brush) string {
	var b strings.Builder
	for col, text := range cells {
		if widths[col] == 0 {
			continue
		}
		blanks := strings.Repeat(" ", widths[col]-utf8.RuneCountInString(text))
		if paints != nil {
			text = br.paint(paints[col], text)
		}
		if col >= colPID && col <= colMemory {
			text = blanks + text
		} else {
			text += blanks
		}
		b.WriteString(text + "  ")
	}
	return strings.TrimRight(b.String(), " ")
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

// eachNode calls visit for a node and all below it, in start order.
func eachNode(n *ipc.Node, visit func(*ipc.Node)) {
	visit(n)
	for i := range n.Children {
		eachNode(&n.Children[i], visit)
	}
}
