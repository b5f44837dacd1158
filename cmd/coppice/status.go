package main

import (
	"context"

	"github.com/spf13/cobra"

	"coppice/ipc"
	"coppice/tree"
)

func (a *app) statusCommand() *cobra.Command {
	return a.showsJSON(&cobra.Command{
		Use:   "status [NAME...]",
		Short: "Shows the tree, or some of it",
		Long: `Shows the tree with the state, pid, uptime, restarts, CPU and memory of each node.

With names the exit code is 0 when all of them are running, 3 when one is not,
4 when there is no such name. Without names it is 0 whenever a daemon answers.`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeNames,
		RunE:              runs(a.status),
	})
}

func (a *app) status(ctx context.Context, args []string) error {
	p, err := a.place()
	if err != nil {
		return err
	}
	t, err := a.askTree(ctx, p, true)
	if err != nil {
		return err
	}
	a.noteAnother(t)
	if len(args) > 0 {
		return a.statusOf(t, args)
	}
	if a.json {
		return a.document(t)
	}
	return a.print(a.page().statusPage(t))
}

// askTree fetches the tree and says so when the daemon takes long: after a death
// it answers only when it has adopted what lives.
func (a *app) askTree(ctx context.Context, p place, usage bool) (*ipc.Tree, error) {
	var t *ipc.Tree
	err := a.patiently(func() (err error) {
		t, err = p.client().Tree(ctx, usage)
		return err
	}, notAnswered)
	return t, err
}

func notAnswered() string { return "the daemon has not answered yet" }

// statusOf shows the named nodes; the exit code says whether all of them run.
func (a *app) statusOf(t *ipc.Tree, args []string) error {
	var nodes []ipc.Node
	var result error
	for _, name := range args {
		n := findNode(t, name)
		switch {
		case n == nil:
			err := noSuchName(name, names(t))
			a.say(err)
			result = outcome(exitNoName)
			continue
		case n.State != string(tree.Up) && result == nil:
			result = outcome(exitNone)
		}
		nodes = append(nodes, *n)
	}
	if err := a.printNodes(t, nodes); err != nil {
		return err
	}
	return result
}

func (a *app) printNodes(t *ipc.Tree, nodes []ipc.Node) error {
	switch {
	case a.json:
		return a.document(map[string]any{"name": t.Name, "daemon": t.Daemon, "nodes": nodes})
	case len(nodes) == 0:
		return nil
	default:
		return a.print(a.page().statusOf(nodes))
	}
}
