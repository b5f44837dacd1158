package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"coppice/ipc"
)

func (a *app) logsCommand() *cobra.Command {
	q := ipc.LogQuery{Last: -1}
	since := ""
	cmd := &cobra.Command{
		Use:   "logs [NAME...]",
		Short: "Shows what the processes wrote",
		Long: `Shows the captured output of all processes or of the named ones, merged in time
order. --raw NAME gives every byte as the process wrote it, oldest first.
Without a daemon it reads what the last one left.`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeNames,
		RunE: runs(func(ctx context.Context, args []string) (err error) {
			q.Names = args
			if q.Since, err = sinceTime(since, a.now()); err != nil {
				return err
			}
			return a.logs(ctx, q)
		}),
	}
	flags := cmd.Flags()
	flags.BoolVarP(&q.Follow, "follow", "f", false, "go on with what is written from now on")
	flags.IntVarP(&q.Last, "lines", "n", q.Last, "only the last `N` lines (default: all)")
	flags.StringVar(&since, "since", "", "only what was written since `T`: 10m ago, or 2026-01-02T15:04:05Z")
	flags.BoolVar(&q.Raw, "raw", false, "every byte of one process")
	flags.BoolVar(&q.Stderr, "stderr", false, "with --raw: stderr, where the log is split")
	return a.showsJSON(cmd)
}

// sinceTime reads a moment: how long ago, or when. Empty text is the zero time.
func sinceTime(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}, usagef("cannot read --since %s: use how long ago (10m, 1h30m) or a time (2026-01-02T15:04:05Z)", safe(text))
	}
	return t, nil
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
	p, err := a.notedPlace(ctx)
	if err != nil {
		return err
	}
	if q.Follow {
		return a.meantFile(q.Names, a.followLogs(ctx, p, q))
	}
	emit, flush := a.logPrinter(q), func() error { return nil }
	if q.Last >= 0 && !q.Raw && !a.json {
		emit, flush = a.lastLines(q)
	}
	return cmp.Or(a.oldLogs(ctx, p, q, emit), flush())
}

// oldLogs shows what was written until now.
func (a *app) oldLogs(ctx context.Context, p place, q ipc.LogQuery, emit func(ipc.LogLine) error) error {
	err := p.client().Logs(ctx, q, emit)
	if hasNoTree(err) {
		return a.leftLogs(p, q, emit)
	}
	return a.suggestForLogs(ctx, p, q, err)
}

// lastLines prints the last lines, coppice's own between them included, when flush
// is called.
func (a *app) lastLines(q ipc.LogQuery) (emit func(ipc.LogLine) error, flush func() error) {
	var kept []string
	lines := newLogLines(a.page(), q.Names)
	emit = func(l ipc.LogLine) error {
		kept = slices.AppendSeq(kept, strings.Lines(lines.text(l)))
		kept = kept[max(0, len(kept)-q.Last):]
		return nil
	}
	return emit, func() error { return a.print(strings.Join(kept, "")) }
}

// meantFile adds what was meant where the name of a tree file stands behind -f.
func (a *app) meantFile(wanted []string, err error) error {
	refusal, ok := errors.AsType[*ipc.Error](err)
	if !ok || refusal.Code != ipc.CodeNoNode {
		return err
	}
	for _, name := range wanted {
		if _, wrong := os.Stat(a.abs(name)); wrong == nil || strings.Contains(name, "/") || strings.HasSuffix(name, ".toml") {
			return &ipc.Error{Code: refusal.Code, Title: refusal.Title + "; " + fileLetter(name)}
		}
	}
	return err
}

// fileLetter says what -f is where it is to follow.
func fileLetter(name string) string {
	return fmt.Sprintf("-f is to follow here; a tree file is named by --file %s", safe(name))
}

// followLogs shows what is written, whichever daemon runs, until none does; then
// what the last one left.
func (a *app) followLogs(ctx context.Context, p place, q ipc.LogQuery) error {
	var cursor ipc.Cursor
	show := a.logPrinter(q)
	emit := func(l ipc.LogLine) error {
		if !cursor.Note(l) {
			return nil
		}
		return show(l)
	}
	q.Positions = true
	err := p.client().Logs(ctx, q, emit)
	switch {
	case hasNoTree(err):
		if err := a.leftLogs(p, q, emit); err != nil {
			return err
		}
		a.note("no daemon runs: there is nothing to follow")
		return nil
	case cursor.Began() && (err == nil || errors.Is(err, ipc.ErrDaemonGone)):
		left := a.leftLogs(p, cursor.Resume(q), emit)
		if refusal, ok := errors.AsType[*ipc.Error](left); ok && refusal.Code == ipc.CodeNoNode || errors.Is(left, ipc.ErrNoDaemon) {
			left = nil // what never wrote has left nothing
		}
		return errors.Join(left, err)
	}
	return a.suggestForLogs(ctx, p, q, err)
}

func (a *app) suggestForLogs(ctx context.Context, p place, q ipc.LogQuery, err error) error {
	if refusal, ok := errors.AsType[*ipc.Error](err); ok && refusal.Code == ipc.CodeNoNode && len(q.Names) > 0 {
		return a.suggestOne(ctx, p, q.Names, err)
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
	q.Follow = false
	return a.engine.readLogs(p.logs, q, emit)
}

// logPrinter prints lines as they come.
func (a *app) logPrinter(q ipc.LogQuery) func(ipc.LogLine) error {
	switch {
	case q.Raw:
		return a.printRaw
	case a.json:
		return func(l ipc.LogLine) error {
			l.Bytes, l.At = nil, "" // Text says it, and who follows knows
			return a.ndjson(l)
		}
	}
	lines := newLogLines(a.page(), q.Names)
	return func(l ipc.LogLine) error { return a.print(lines.text(l)) }
}

// printRaw writes bytes as they are; what is missing is told beside them.
func (a *app) printRaw(l ipc.LogLine) error {
	if missing := missingWords(l); missing != "" {
		a.note("%s: %s", safe(l.Node), missing)
		return nil
	}
	if len(l.Bytes) == 0 {
		return nil
	}
	if _, err := a.out.Write(l.Bytes); err != nil {
		return fmt.Errorf("cannot write: %w", err)
	}
	return nil
}
