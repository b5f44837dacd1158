package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"coppice/ipc"
)

// verbCommand is a command that does one thing to each of several nodes.
func (a *app) verbCommand(verb, short, long string) *cobra.Command {
	noWait := false
	cmd := &cobra.Command{
		Use:               verb + " NAME...",
		Short:             short,
		Long:              long,
		Args:              wants(1, anyNumber),
		ValidArgsFunction: a.completeNames,
		RunE: runs(func(ctx context.Context, args []string) error {
			return a.each(ctx, args, ipc.Command{Verb: verb, NoWait: noWait})
		}),
	}
	cmd.Flags().BoolVar(&noWait, "no-wait", false, "return once the request is taken")
	return a.showsJSON(cmd)
}

// verbResult is what --json says about one name.
type verbResult struct {
	Name string `json:"name"`
	ipc.Result
	Error string `json:"error,omitempty"`
}

// each carries out a verb on every name, in the order given. A refusal does not
// keep the rest from it; the first one is the exit code.
func (a *app) each(ctx context.Context, nodes []string, cmd ipc.Command) error {
	p, err := a.notedPlace(ctx)
	if err != nil {
		return err
	}
	var first error
	results := []verbResult{}
	for _, name := range nodes {
		cmd.Node = name
		result, err := a.do(ctx, p, cmd)
		if errors.Is(err, ipc.ErrNoDaemon) {
			return errors.Join(first, err)
		}
		if err != nil {
			a.say(err)
			results = append(results, verbResult{Name: name, Error: err.Error()})
			if first == nil {
				first = outcome(codeOf(err))
			}
			continue
		}
		results = append(results, verbResult{Name: name, Result: *result})
		if !a.json {
			if err := a.print(safe(result.Message) + "\n" + quoted(result.Output)); err != nil {
				return err
			}
		}
	}
	if a.json {
		return errors.Join(a.document(results), first)
	}
	return first
}

// quoted is what a command wrote, below the message about it.
func quoted(output string) string {
	var text strings.Builder
	for line := range strings.Lines(output) {
		text.WriteString("  " + safe(strings.TrimRight(line, "\n")) + "\n")
	}
	return text.String()
}

// do carries out one verb on one node, and says what it waits for.
func (a *app) do(ctx context.Context, p place, cmd ipc.Command) (*ipc.Result, error) {
	var result *ipc.Result
	err := a.patiently(func() (err error) {
		result, err = p.client().Do(ctx, cmd)
		return err
	}, a.unfinished(ctx, p))
	if isNoNode(err) {
		return nil, a.suggest(ctx, p, cmd.Node, err)
	}
	return result, err
}

// isNoNode says that an error is a name that the tree does not have.
func isNoNode(err error) bool {
	refusal, ok := errors.AsType[*ipc.Error](err)
	return ok && refusal.Code == ipc.CodeNoNode
}

// suggest adds the name that was probably meant.
func (a *app) suggest(ctx context.Context, p place, name string, err error) error {
	t, lost := p.client().Tree(ctx, false)
	if lost != nil {
		return err
	}
	return noSuchName(name, names(t))
}
