package main

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"coppice/ipc"
	"coppice/tree"
)

// page is how a page is to look.
type page struct {
	width int
	brush brush
	now   time.Time
}

// statusPage draws the tree as a tree: a line that says how it is, and a table.
func (p page) statusPage(t *ipc.Tree) string {
	var b strings.Builder
	b.WriteString(p.headline(t))
	p.writeTable(&b, &t.Root)
	return b.String()
}

// statusOf draws some nodes, each with what is below it.
func (p page) statusOf(nodes []ipc.Node) string {
	tops := make([]*ipc.Node, len(nodes))
	for i := range nodes {
		tops[i] = &nodes[i]
	}
	var b strings.Builder
	p.writeTable(&b, tops...)
	return b.String()
}

// headline says how the tree is, and what needs a person.
func (p page) headline(t *ipc.Tree) string {
	running, finished, processes := 0, 0, 0
	t.Root.Each(func(n *ipc.Node) {
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
	if needsAttention(n) {
		troubled = append(troubled, n.Name+" ("+n.State+")")
	} else if isMoving(n) {
		moving = append(moving, n.Name+" ("+n.State+")")
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

// cell appends what one column says of a node.
func (p page) cell(to []byte, n *ipc.Node, col int) []byte {
	switch col {
	case colName:
		return append(to, safe(n.Name)...)
	case colState:
		return append(to, safe(n.State)...)
	case colPID:
		if n.PID != 0 {
			return strconv.AppendInt(to, int64(n.PID), 10)
		}
	case colUptime:
		if n.State == string(tree.Up) {
			return append(to, ago(p.now, n.Since)...)
		}
	case colRestarts:
		if n.Kind == "process" || n.Restarts > 0 {
			return strconv.AppendInt(to, int64(n.Restarts), 10)
		}
	case colCPU:
		if n.CPUPercent != nil {
			return append(strconv.AppendFloat(to, *n.CPUPercent, 'f', 1, 64), '%')
		}
	case colMemory:
		if n.Memory != nil {
			return append(to, byteSize(*n.Memory)...)
		}
	case colNote:
		return append(to, safe(p.note(n))...)
	}
	return to
}

// paintOf is how a cell is to look.
func paintOf(n *ipc.Node, col int) paint {
	switch {
	case col == colState:
		return statePaint(n)
	case col == colNote && n.Kind == "supervisor" && n.State == string(tree.Up):
		return dim
	}
	return plainText
}

func statePaint(n *ipc.Node) paint {
	switch tree.State(n.State) {
	case tree.Up:
		return green
	case tree.Starting, tree.Stopping, tree.IsFrozen:
		return yellow
	case tree.Restarting, tree.BackingOff, tree.Failed, tree.IsUnkillable:
		return red
	case tree.Stopped:
		if needsAttention(n) {
			return red
		}
	}
	return dim
}

// note is what a person wants to know beside the numbers.
func (p page) note(n *ipc.Node) string {
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
func (p page) stateNote(n *ipc.Node) string {
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

func (p page) until(n *ipc.Node, lead string) string {
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
func strategyNote(n *ipc.Node) string {
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
