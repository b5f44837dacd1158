package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"coppice/ipc"
)

func (a *app) downCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "Stops the tree and its daemon",
		Long:  "Stops the tree in order, and its daemon; returns when all of it is gone.",
		Args:  wants(0, 0),
		RunE:  runs(func(ctx context.Context, _ []string) error { return a.down(ctx) }),
	}
}

func (a *app) down(ctx context.Context) error {
	p, err := a.place()
	if err != nil {
		return err
	}
	t, err := a.askTree(ctx, p, false)
	if err != nil {
		return err
	}
	a.noteAnother(t)
	ends, err := openEnds(t.Daemon)
	if err != nil {
		return err
	}
	defer ends.close()
	err = a.patiently(func() error { return p.client().Down(ctx) }, a.unfinished(ctx, p))
	if _, left := errors.AsType[*ipc.Error](err); err != nil && !left && !errors.Is(err, ipc.ErrNoDaemon) { // that one ended between two questions
		return err
	}
	// A daemon that could not end all of its tree ends as well, and says so.
	if err := errors.Join(err, a.awaitEnds(ctx, p, ends)); err != nil && !errors.Is(err, ipc.ErrNoDaemon) {
		return err
	}
	return a.print(fmt.Sprintf("%s is down\n", safe(t.Name)))
}

// awaitEnd waits until a daemon that is stopping its tree is gone.
func (a *app) awaitEnd(ctx context.Context, p place, t *ipc.Tree) error {
	ends, err := openEnds(t.Daemon)
	if err != nil {
		return err
	}
	defer ends.close()
	return a.awaitEnds(ctx, p, ends)
}

func (a *app) awaitEnds(ctx context.Context, p place, e ends) error {
	return a.patiently(func() error { return e.await(ctx, p) }, func() string {
		if e.daemon.PID == 0 {
			return "the daemon of the last tree is ending"
		}
		return fmt.Sprintf("the daemon with pid %d is stopping its tree", e.daemon.PID)
	})
}
