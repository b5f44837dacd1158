package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"coppice/ipc"
	"coppice/tree"
)

func (a *app) reloadCommand() *cobra.Command {
	dryRun := false
	cmd := &cobra.Command{
		Use:   "reload [NAME...]",
		Short: "Reads the tree file again and changes what differs; or has a process reload",
		Long: `Reads the tree file again, changes only what differs from the file that was loaded
last, and says what it did:

  +  added and started        -  stopped and removed
  ~  changed, nothing touched !  stopped and started again

The children of a template go on; what changed in it holds for their next start.
A file with a fault changes nothing. -f names another file to load.

With names it has these processes read their own configuration again, as their
reload_signal or reload_command does it, and returns when that is done; the tree
file is not read.`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeNames,
		RunE: runs(func(ctx context.Context, args []string) error {
			switch {
			case len(args) == 0:
				return a.reload(ctx, dryRun)
			case dryRun:
				return usagef("--dry-run is for the tree file and goes without names")
			}
			return a.each(ctx, args, ipc.Command{Verb: "reload"})
		}),
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would be done")
	return a.showsJSON(cmd)
}

func (a *app) planCommand() *cobra.Command {
	return a.showsJSON(&cobra.Command{
		Use:   "plan",
		Short: "Says what reload would do",
		Long:  "Says what `coppice reload` would do, and does nothing: it is `coppice reload --dry-run`.",
		Args:  wants(0, 0),
		RunE:  runs(func(ctx context.Context, _ []string) error { return a.reload(ctx, true) }),
	})
}

func (a *app) reload(ctx context.Context, dryRun bool) error {
	p, err := a.place()
	if err != nil {
		return err
	}
	replaced := a.replaced(ctx, p)
	req := ipc.ReloadRequest{DryRun: dryRun}
	if a.file != "" {
		req.File = a.abs(a.file)
	}
	var result *ipc.ReloadResult
	err = a.patiently(func() (err error) {
		result, err = p.client().Reload(ctx, req)
		return err
	}, a.unfinished(ctx, p))
	if err != nil {
		return err
	}
	if a.json {
		err = a.document(result)
	} else {
		err = a.print(changesPage(result.Changes, a.page().brush))
	}
	if err != nil {
		return err
	}
	switch {
	case replaced != "" && dryRun:
		a.note("the tree that runs was loaded from %s; it would be that of %s from then on", replaced, req.File)
	case replaced != "":
		a.note("the tree was that of %s; from now on it is that of %s, which a bare `coppice reload` reads, too", replaced, req.File)
	}
	return a.failedChanges(result.Changes)
}

// failedChanges says on stderr which changes failed.
func (a *app) failedChanges(changes []ipc.Change) error {
	failed := false
	for _, c := range changes {
		if c.Error != "" {
			failed = true
			a.note("%s: %s", c.Name, c.Error)
		}
	}
	if failed {
		return outcome(exitRefused)
	}
	return nil
}

// changesPage says each change in one line.
func changesPage(changes []ipc.Change, b brush) string {
	if len(changes) == 0 {
		return "nothing differs\n"
	}
	var text strings.Builder
	for _, c := range changes {
		mark, p := "~", yellow
		switch tree.ChangeKind(c.Kind) {
		case tree.Added:
			mark, p = "+", green
		case tree.Removed:
			mark, p = "-", red
		case tree.Restarted:
			mark = "!"
		}
		line := fmt.Sprintf("%s %s %s", mark, c.Type, safe(c.Name))
		if c.Supervisor != "" && (mark == "+" || mark == "-") {
			line += " under " + safe(c.Supervisor)
		}
		if len(c.What) > 0 {
			line += ": " + safe(strings.Join(c.What, ", "))
		}
		if mark == "!" {
			line += " (restarts it)"
		}
		if c.Type == "template" && mark == "~" {
			line += " (its children go on, and start so from now on)"
		}
		if c.Error != "" {
			line += " (failed)"
			p = red
		}
		text.WriteString(b.paint(p, line) + "\n")
	}
	return text.String()
}
