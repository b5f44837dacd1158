package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"coppice/ipc"
	"coppice/tree"
)

// eventQuery says which events are shown.
type eventQuery struct {
	names  []string  // of these nodes; none: of all
	since  time.Time // from then on
	last   int       // so many of them at most, the last ones; negative: all
	follow bool
}

// wants says whether an event is one of those, if there is no limit.
func (q *eventQuery) wants(e ipc.Event) bool {
	return !e.Time.Before(q.since) && (len(q.names) == 0 || slices.Contains(q.names, e.Node))
}

func (a *app) eventsCommand() *cobra.Command {
	q, since := eventQuery{last: -1}, ""
	cmd := &cobra.Command{
		Use:   "events [NAME...]",
		Short: "Shows the event record",
		Long: `Shows what happened to the tree, or to the named nodes, and by which earlier event each
one was caused. Without a daemon it reads what the last one left.`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeNames,
		RunE: runs(func(ctx context.Context, args []string) (err error) {
			q.names = args
			if q.since, err = sinceTime(since, a.now()); err != nil {
				return err
			}
			return a.events(ctx, q)
		}),
	}
	cmd.Flags().BoolVarP(&q.follow, "follow", "f", false, "go on with what happens from now on")
	cmd.Flags().IntVarP(&q.last, "lines", "n", q.last, "only the last `N` events (default: all)")
	cmd.Flags().StringVar(&since, "since", "", "only what happened since `T`: 10m ago, or 2026-01-02T15:04:05Z")
	return a.showsJSON(cmd)
}

func (a *app) events(ctx context.Context, q eventQuery) error {
	p, err := a.notedPlace(ctx)
	if err != nil {
		return err
	}
	page := a.page()
	emit := func(e ipc.Event) error {
		switch {
		case !q.wants(e):
			return nil
		case a.json:
			return a.ndjson(e)
		}
		return a.print(page.eventLine(e) + "\n")
	}
	if q.last < 0 && len(q.names) == 0 {
		if err := p.client().Events(ctx, 0, q.follow, emit); !errors.Is(err, ipc.ErrNoDaemon) {
			return err
		}
	}
	t, events, err := a.known(ctx, p)
	if err != nil {
		return err
	}
	if err := happenedOrThere(q.names, t, events); err != nil {
		if q.follow {
			err = a.meantFile(q.names, err)
		}
		return err
	}
	seen := uint64(0)
	if len(events) > 0 {
		seen = events[len(events)-1].Seq
	}
	if err := emitLast(events, q, emit); err != nil || !q.follow {
		return err
	}
	if t != nil {
		err = p.client().Events(ctx, seen, true, emit)
	}
	if t == nil || errors.Is(err, ipc.ErrNoDaemon) {
		a.note("no daemon runs: there is nothing to follow")
		return nil
	}
	return err
}

// happenedOrThere refuses names that are neither in the tree nor in the event record.
func happenedOrThere(wanted []string, t *ipc.Tree, events []ipc.Event) error {
	for _, name := range wanted {
		happened := slices.ContainsFunc(events, func(e ipc.Event) bool { return e.Node == name })
		if !happened && (t == nil || findNode(t, name) == nil) {
			return noSuchName(name, knownNames(t, events))
		}
	}
	return nil
}

// emitLast shows the last of those that are wanted.
func emitLast(events []ipc.Event, q eventQuery, emit func(ipc.Event) error) error {
	events = slices.DeleteFunc(events, func(e ipc.Event) bool { return !q.wants(e) })
	if q.last >= 0 {
		events = events[max(0, len(events)-q.last):]
	}
	for _, e := range events {
		if err := emit(e); err != nil {
			return err
		}
	}
	return nil
}

// leftEvents is the record that the last daemon left; without one there never
// was a daemon.
func (a *app) leftEvents(p place) ([]ipc.Event, error) {
	var events []ipc.Event
	err := a.engine.events(p.state, func(e ipc.Event) error {
		events = append(events, e)
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ipc.ErrNoDaemon
	}
	return events, err
}

// eventLine is one event for people: when, its number, who, what, and the number
// of its cause.
func (p page) eventLine(e ipc.Event) string {
	text := fmt.Sprintf("%s %6d  %-14s %s",
		p.brush.paint(dim, stamp(p.now, e.Time)), e.Seq,
		safe(e.Node), p.brush.paint(kindPaint(e.Kind), safe(e.Kind)))
	if about := eventDetails(e); about != "" {
		text += ": " + safe(about)
	}
	if e.Because != 0 {
		text += p.brush.paint(dim, fmt.Sprintf("  (because of %d)", e.Because))
	}
	return text
}

func kindPaint(kind string) paint {
	switch tree.Kind(kind) {
	case tree.ExitSeen, tree.StartFailure, tree.GaveUp, tree.HookFailed, tree.ReloadFailed, tree.OutputDropped, tree.OOMKilled, tree.CannotBeKilled, "unhealthy":
		return red
	case tree.RestartBegun, tree.BackoffBegun:
		return yellow
	case tree.StartDone, tree.BecameReady, "healthy":
		return green
	}
	return plainText
}

// eventDetails is what an event tells beside its kind.
func eventDetails(e ipc.Event) string {
	text := ""
	add := func(part string) {
		if part != "" {
			text = join2(text, part)
		}
	}
	add(e.Request)
	add(endWords(e.Code, e.Signal))
	if e.Lost {
		add("nobody saw how")
	}
	if e.Bytes != 0 {
		add(fmt.Sprintf("%d bytes", e.Bytes))
	}
	add(e.Cause)
	if e.Child != "" {
		add("over " + e.Child)
	}
	if e.Intensity != nil {
		add(tooMany(e))
	}
	if e.Strategy != "" {
		add("by " + e.Strategy + ", as its end chose")
	}
	if e.Delay != "" {
		add("for " + e.Delay)
	}
	if e.PID != 0 {
		add(fmt.Sprintf("pid %d", e.PID))
	}
	return text
}

func join2(a, b string) string {
	if a == "" {
		return b
	}
	return a + ", " + b
}
