package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"coppice/ipc"
	"coppice/tree"
)

func (a *app) eventsCommand() *cobra.Command {
	follow, last := false, -1
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Shows the event record",
		Long: `Shows what happened to the tree, and by which earlier event each one was caused.
Without a daemon it reads what the last one left.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if follow && len(args) > 0 {
				return errors.New(fileLetter(args[0]))
			}
			return wants(0, 0)(cmd, args)
		},
		RunE: runs(func(ctx context.Context, _ []string) error { return a.events(ctx, follow, last) }),
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what happens from now on")
	cmd.Flags().IntVarP(&last, "lines", "n", last, "only the last `N` events (default: all)")
	return a.showsJSON(cmd)
}

// events shows the last events, all of them if last is negative.
func (a *app) events(ctx context.Context, follow bool, last int) error {
	p, err := a.notedPlace(ctx)
	if err != nil {
		return err
	}
	page := a.page()
	emit := func(e ipc.Event) error {
		if a.json {
			return a.ndjson(e)
		}
		return a.print(page.eventLine(e) + "\n")
	}
	if last < 0 {
		err = p.client().Events(ctx, 0, follow, emit)
	} else {
		err = lastEvents(ctx, p, follow, last, emit)
	}
	if !errors.Is(err, ipc.ErrNoDaemon) {
		return err
	}
	events, err := a.leftEvents(p)
	if err != nil {
		return err
	}
	if last >= 0 {
		events = events[max(0, len(events)-last):]
	}
	for _, e := range events {
		if err := emit(e); err != nil {
			return err
		}
	}
	if follow {
		a.note("no daemon runs: there is nothing to follow")
	}
	return nil
}

// lastEvents are so many, and with follow what happens after them.
func lastEvents(ctx context.Context, p place, follow bool, last int, emit func(ipc.Event) error) error {
	var kept []ipc.Event
	seen := uint64(0)
	err := p.client().Events(ctx, 0, false, func(e ipc.Event) error {
		seen = e.Seq
		if kept = append(kept, e); len(kept) > last {
			kept = kept[1:]
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, e := range kept {
		if err := emit(e); err != nil {
			return err
		}
	}
	if !follow {
		return nil
	}
	return p.client().Events(ctx, seen, true, emit)
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
		p.brush.paint(dim, e.Time.In(p.now.Location()).Format("15:04:05.000")), e.Seq,
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
