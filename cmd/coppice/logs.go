package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"coppice/ipc"
)

func (a *app) logsCommand() *cobra.Command {
	q := ipc.LogQuery{Last: -1}
	cmd := &cobra.Command{
		Use:   "logs [NAME...]",
		Short: "Shows what the processes wrote",
		Long: `Shows the captured output of all processes or of the named ones, merged in time
order. --raw NAME gives every byte as the process wrote it, oldest first.
Without a daemon it reads what the last one left.`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeNames,
		RunE: runs(func(ctx context.Context, args []string) error {
			q.Names = args
			return a.logs(ctx, q)
		}),
	}
	flags := cmd.Flags()
	flags.BoolVarP(&q.Follow, "follow", "f", false, "go on with what is written from now on")
	flags.IntVarP(&q.Last, "lines", "n", q.Last, "only the last `N` lines (default: all)")
	flags.BoolVar(&q.Raw, "raw", false, "every byte of one process")
	flags.BoolVar(&q.Stderr, "stderr", false, "with --raw: stderr, where the log is split")
	return a.showsJSON(cmd)
}

func (a *app) logs(ctx context.Context, q ipc.LogQuery) error {
	switch {
	case q.Raw && len(q.Names) != 1:
		return usagef("--raw is for one process; name exactly one")
	case q.Raw && a.json:
		return usagef("--raw is bytes and --json is not; use one of them")
	case q.Stderr && !q.Raw:
		return usagef("--stderr goes with --raw")
	}
	p, err := a.place()
	if err != nil {
		return err
	}
	emit := a.logPrinter(q)
	err = p.client().Logs(ctx, q, emit)
	if refusal, ok := errors.AsType[*ipc.Error](err); ok && refusal.Code == ipc.CodeNoNode && len(q.Names) > 0 {
		return a.suggestOne(ctx, p, q.Names, err)
	}
	if errors.Is(err, ipc.ErrNoDaemon) {
		return a.leftLogs(p, q, emit)
	}
	return err
}

// suggestOne says which of several names is unknown.
func (a *app) suggestOne(ctx context.Context, p place, wanted []string, err error) error {
	t, lost := p.client().Tree(ctx, false)
	if lost != nil {
		return err
	}
	for _, name := range wanted {
		if findNode(t, name) == nil {
			return noSuchName(name, names(t))
		}
	}
	return err
}

// leftLogs shows what the last daemon left.
func (a *app) leftLogs(p place, q ipc.LogQuery, emit func(ipc.LogLine) error) error {
	if _, err := os.Stat(p.logs); err != nil {
		return ipc.ErrNoDaemon
	}
	follow := q.Follow
	q.Follow = false
	if err := a.engine.readLogs(p.logs, q, emit); err != nil {
		return err
	}
	if follow {
		a.note("no daemon runs: there is nothing to follow")
	}
	return nil
}

// logPrinter prints lines as they come; names are padded to the longest so far.
func (a *app) logPrinter(q ipc.LogQuery) func(ipc.LogLine) error {
	if q.Raw {
		return func(l ipc.LogLine) error {
			_, err := a.out.Write(l.Bytes)
			return err
		}
	}
	if a.json {
		return func(l ipc.LogLine) error {
			l.Bytes = nil // Text says it
			return a.ndjson(l)
		}
	}
	page := a.page()
	width := 0
	for _, name := range q.Names {
		width = max(width, len(name))
	}
	return func(l ipc.LogLine) error {
		width = max(width, utf8.RuneCountInString(safe(l.Node)))
		return a.print(page.logLine(l, width) + "\n")
	}
}

// logLine is a line of output behind its time and its name.
func (p page) logLine(l ipc.LogLine, width int) string {
	name := safe(l.Node)
	blanks := strings.Repeat(" ", max(0, width-utf8.RuneCountInString(name)))
	return p.brush.paint(dim, l.Time.In(p.now.Location()).Format("15:04:05.000")) + " " +
		p.brush.paint(ofName(l.Node), name+blanks+" |") + " " + safe(l.Text)
}
