package main

import (
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
		Args: cobra.NoArgs,
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
	file, p, err := a.home()
	if err != nil {
		return err
	}
	config, err := a.loadFile(file)
	if err != nil {
		return err
	}
	switch t, err := a.askTree(ctx, p, false); {
	case err == nil && t.Daemon.Stopping:
		if err := a.awaitEnd(t); err != nil {
			return err
		}
	case err == nil:
		return runsAlready(t.Daemon.PID)
	case !errors.Is(err, ipc.ErrNoDaemon):
		return err
	}
	log := a.foregroundLogger(config)
	defer func() { _ = log.Sync() }() // a terminal cannot be synced
	return a.ended(a.engine.run(daemonOptions{
		config: config, place: p, watch: watch, log: log, foreground: true,
		echo: a.out, colour: a.colour(),
	}))
}

// runsAlready refuses to run a tree twice.
func runsAlready(pid int) error {
	return &ipc.Error{Code: ipc.CodeRefused, Title: fmt.Sprintf(
		"the tree runs already, its daemon is pid %d; use `coppice logs -f` to see its output", pid)}
}

// ended makes an exit code of a daemon's end.
func (a *app) ended(code int, err error) error {
	if held, ok := errors.AsType[*ipc.HeldError](err); ok {
		return runsAlready(held.PID)
	}
	if err != nil && code == exitDone {
		code = exitRefused
	}
	a.say(err)
	return outcome(code)
}
