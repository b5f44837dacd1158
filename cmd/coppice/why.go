package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"coppice/ipc"
)

func (a *app) whyCommand() *cobra.Command {
	return a.showsJSON(&cobra.Command{
		Use:   "why NAME",
		Short: "Says why a node is in its state",
		Long: `Says in words which events led to a node's present state, from the root cause on,
and what to do when it does not heal by itself. Without a daemon it reads what
the last one left.`,
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
	return a.print(wrap(safe(answer.Text), a.width) + "\n")
}

// known is the tree, nil without a daemon, and the event record.
func (a *app) known(ctx context.Context, p place) (*ipc.Tree, []ipc.Event, error) {
	t, err := a.askTree(ctx, p, false)
	if errors.Is(err, ipc.ErrNoDaemon) {
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
