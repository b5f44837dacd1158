package main

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"coppice/ipc"
)

func (a *app) startChildCommand() *cobra.Command {
	req := ipc.ChildRequest{}
	var env []string
	cmd := &cobra.Command{
		Use:   "start-child SUPERVISOR NAME [-- COMMAND...]",
		Short: "Starts a child of a template",
		Long: `Adds a child to the supervisor of a [template.SUPERVISOR] (OTP:
supervisor:start_child, simple_one_for_one) and returns when its start is complete.

What stands behind -- comes behind the template's command; where the template has
none, it is the command. NAME must be free in the whole tree.

The child is what its template says: how it is restarted, how it is stopped, its
environment. It is in no tree file, so it is gone for good when it is stopped, when
it ends and is not restarted, and when its supervisor ends or is restarted.`,
		Args:              wants(2, anyNumber),
		ValidArgsFunction: a.completeTemplates,
	}
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		dash := cmd.ArgsLenAtDash()
		switch {
		case dash == 0 || dash == 1:
			return usagef("a supervisor and a name stand before --; usage: %s", cmd.UseLine())
		case dash < 0 && len(args) > 2, dash > 2:
			return usagef("%q is one word too many; a command stands behind --; usage: %s", args[2], cmd.UseLine())
		}
		req.Supervisor, req.Name, req.Args = args[0], args[1], args[2:]
		return runs(func(ctx context.Context, _ []string) error { return a.startChild(ctx, req, env) })(cmd, args)
	}
	cmd.Flags().StringArrayVarP(&env, "env", "e", nil, "`NAME=VALUE` over the template's environment; may be repeated")
	cmd.Flags().BoolVar(&req.NoWait, "no-wait", false, "return once the request is taken")
	return a.showsJSON(cmd)
}

// childResult is what --json says of a child that was started.
type childResult struct {
	Name       string `json:"name"`
	Supervisor string `json:"supervisor"`
	*ipc.Result
}

func (a *app) startChild(ctx context.Context, req ipc.ChildRequest, env []string) error {
	for _, arg := range append(env, req.Args...) {
		if !utf8.ValidString(arg) {
			return usagef("%q is not UTF-8, and a child is started by text alone", arg)
		}
	}
	req.Env = make(map[string]string, len(env))
	for _, entry := range env {
		name, value, found := strings.Cut(entry, "=")
		if !found || name == "" {
			return usagef("--env takes NAME=VALUE, not %q", entry)
		}
		req.Env[name] = value
	}
	p, err := a.notedPlace(ctx)
	if err != nil {
		return err
	}
	result := childResult{Name: req.Name, Supervisor: req.Supervisor}
	err = a.patiently(func() (err error) {
		result.Result, err = p.client().StartChild(ctx, req)
		return err
	}, a.unfinished(ctx, p))
	switch {
	case isNoNode(err):
		return a.suggest(ctx, p, req.Supervisor, err)
	case err != nil:
		return err
	case a.json:
		return a.document(result)
	}
	return a.print(safe(result.Message) + "\n")
}

// completeTemplates offers the supervisors that take children by name.
func (a *app) completeTemplates(cmd *cobra.Command, given []string, text string) ([]string, cobra.ShellCompDirective) {
	if len(given) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.completeIf(given, func(n *ipc.Node) bool { return n.Strategy == "simple_one_for_one" })
}

func (a *app) deleteChildCommand() *cobra.Command {
	noWait := false
	cmd := &cobra.Command{
		Use:   "delete-child NAME...",
		Short: "Stops children of a template and forgets them",
		Long: `Stops each child that was started by start-child, if it runs, and forgets it; it
returns when nothing of it is left. Its output stays in the log folder.

What stands in the tree file is taken out there, and ` + "`coppice reload`" + ` stops it.`,
		Args: wants(1, anyNumber),
		ValidArgsFunction: func(_ *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
			return a.completeIf(given, func(n *ipc.Node) bool { return n.Dynamic })
		},
		RunE: runs(func(ctx context.Context, args []string) error {
			return a.each(ctx, args, ipc.Command{Verb: "delete", NoWait: noWait})
		}),
	}
	cmd.Flags().BoolVar(&noWait, "no-wait", false, "return once the request is taken")
	return a.showsJSON(cmd)
}
