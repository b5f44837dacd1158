package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"coppice/ipc"
)

func (a *app) upCommand() *cobra.Command {
	detach, watch := false, false
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Runs the tree, here or with -d in the background",
		Long: `Runs the tree in the foreground with the output of all its processes. Ctrl-C stops
it in order, a second Ctrl-C kills it.

With -d it returns once the tree is started, with exit code 1 and the reason when
its start failed. On a running tree -d waits until that one is started.`,
		Args: wants(0, 0),
		RunE: runs(func(ctx context.Context, _ []string) error {
			if detach {
				return a.upDetached(ctx, watch)
			}
			return a.up(ctx, watch)
		}),
	}
	cmd.Flags().BoolVarP(&detach, "detach", "d", false, "return once the tree is started")
	cmd.Flags().BoolVar(&watch, "watch", false, "reload when the tree file changes")
	return cmd
}

// up runs the tree in this process. While another daemon's `down` is under way
// it waits for the end of that.
func (a *app) up(ctx context.Context, watch bool) error {
	run, err := a.wanted()
	if err != nil {
		return err
	}
	if !a.engine.claimed() {
		if err := a.upTurn(ctx, run.place); err != nil {
			return cmp.Or(run.wrong, err)
		}
	}
	run.watch, run.foreground, run.log = watch, true, a.foregroundLogger
	run.echo, run.colour = a.out, a.colour()
	code, err := a.engine.run(run)
	return a.ended(run, code, err)
}

// upTurn returns when the tree may be run here.
func (a *app) upTurn(ctx context.Context, p place) error {
	switch t, err := a.askOther(ctx, p); {
	case err == nil && t.Daemon.Stopping:
		return a.awaitEnd(ctx, p, t)
	case err == nil && a.another(t) != nil:
		return a.another(t)
	case err == nil && t.Daemon.Unattended:
		return a.relieve(ctx, p)
	case err == nil:
		return runsAlready(t.Daemon)
	case ipc.HasEnded(err):
		return a.awaitEnds(ctx, p, ends{})
	case !errors.Is(err, ipc.ErrNoDaemon):
		return err
	}
	return nil
}

// runsAlready refuses to run a tree twice.
func runsAlready(d ipc.Daemon) error {
	kept := ""
	if d.Keeper != 0 {
		kept = fmt.Sprintf(", kept by pid %d", d.Keeper)
	}
	return &ipc.Error{Code: ipc.CodeRefused, Title: fmt.Sprintf(
		"the tree runs already, its daemon is pid %d%s; use `coppice logs -f` to see its output", d.PID, kept)}
}

// ended makes an exit code of a daemon's end.
func (a *app) ended(run daemonOptions, code int, err error) error {
	if held, ok := errors.AsType[*ipc.HeldError](err); ok {
		if run.wrong != nil {
			return run.wrong
		}
		other := ipc.Daemon{PID: held.PID}
		if t, err := a.askTree(context.Background(), run.place, false); err == nil {
			if err := a.another(t); err != nil {
				return err
			}
			other = t.Daemon
		}
		return runsAlready(other)
	}
	if err != nil && (code == exitDone || codeOf(err) == exitUsage) {
		code = codeOf(err)
	}
	a.say(err)
	return outcome(code)
}
