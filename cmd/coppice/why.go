package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"coppice/ipc"
	"coppice/tree"
)

func (a *app) whyCommand() *cobra.Command {
	return a.showsJSON(&cobra.Command{
		Use:   "why NAME",
		Short: "Says why a node is in its state",
		Long: `Says in words which events led to a node's present state, from the root cause on,
and what to do when it does not heal by itself; of a process that has failed, the last
lines that it wrote, too. Without a daemon it reads what the last one left.`,
		Args:              wants(1, 1),
		ValidArgsFunction: a.completeNames,
		RunE:              runs(func(ctx context.Context, args []string) error { return a.why(ctx, args[0]) }),
	})
}

func (a *app) why(ctx context.Context, name string) error {
	p, err := a.notedPlace(ctx)
	if err != nil {
		return err
	}
	t, events, err := a.known(ctx, p)
	if err != nil {
		return err
	}
	answer, found := why(name, t, events, a.now())
	if !found {
		return noSuchName(name, knownNames(t, events))
	}
	if a.json {
		return a.document(answer)
	}
	text := wrap(safe(answer.Text), a.width) + "\n"
	if endedBadly(t, events, name) {
		text += a.lastWords(ctx, p, name)
	}
	return a.print(text)
}

// endedBadly says that a process has ended by itself, not with 0, and that there is no other
// incarnation.
func endedBadly(t *ipc.Tree, events []ipc.Event, name string) (bad bool) {
	if t != nil {
		if n := findNode(t, name); n == nil || n.PID != 0 {
			return false
		}
	}
	for _, e := range events {
		if e.Node != name {
			continue
		}
		switch tree.Kind(e.Kind) {
		case tree.ExitSeen, tree.StartFailure:
			bad = e.PID != 0 && (e.Code == nil || *e.Code != 0)
		case tree.StartDone, tree.StopDone:
			bad = false
		}
	}
	return bad
}

// lastWordsLines is how many lines say mostly what was wrong.
const lastWordsLines = 3

// lastWords are the last lines that a process wrote; empty: there are none, or nobody knows.
func (a *app) lastWords(ctx context.Context, p place, name string) string {
	var text strings.Builder
	q := ipc.LogQuery{Names: []string{name}, Last: lastWordsLines}
	lines := newLogLines(a.page(), q.Names)
	err := a.oldLogs(ctx, p, q, func(l ipc.LogLine) error {
		text.WriteString(lines.text(l))
		return nil
	})
	if err != nil || text.Len() == 0 {
		return ""
	}
	return "The last that it wrote:\n" + text.String()
}

// known is the tree, nil without a daemon, and the event record.
func (a *app) known(ctx context.Context, p place) (*ipc.Tree, []ipc.Event, error) {
	t, err := a.askTree(ctx, p, false)
	if hasNoTree(err) {
		events, err := a.leftEvents(p)
		return nil, events, err
	}
	if err != nil {
		return nil, nil, err
	}
	var events []ipc.Event
	err = p.client().Events(ctx, 0, false, func(e ipc.Event) error {
		events = append(events, e)
		return nil
	})
	return t, events, err
}

// knownNames are the names of the tree, else those of the record.
func knownNames(t *ipc.Tree, events []ipc.Event) []string {
	if t != nil {
		return names(t)
	}
	var known []string
	seen := map[string]bool{}
	for _, e := range events {
		if !seen[e.Node] {
			seen[e.Node] = true
			known = append(known, e.Node)
		}
	}
	return known
}

// wrap breaks a paragraph at blanks.
func wrap(text string, width int) string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return strings.Join(append(lines, line), "\n")
}
