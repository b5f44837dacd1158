package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"coppice/ipc"
)

// completionPatience is how long a person at a prompt waits for names.
const completionPatience = 500 * time.Millisecond

// completeNames offers the names of the tree, where a daemon tells them.
func (a *app) completeNames(_ *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
	return a.completeIf(given, func(*ipc.Node) bool { return true })
}

// completeIf offers the names of some nodes.
func (a *app) completeIf(given []string, may func(*ipc.Node) bool) ([]string, cobra.ShellCompDirective) {
	p, err := a.place()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(context.Background(), completionPatience)
	defer cancel()
	t, err := p.client().Tree(ctx, false)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	taken := map[string]bool{}
	for _, name := range given {
		taken[name] = true
	}
	var offers []string
	for _, name := range names(t) {
		if n := findNode(t, name); !taken[name] && may(n) {
			offers = append(offers, name+"\t"+n.State)
		}
	}
	return offers, cobra.ShellCompDirectiveNoFileComp
}

// completeFlags says what the values of flags look like. cobra adds the command
// `completion` itself.
func (a *app) completeFlags(root *cobra.Command) {
	_ = root.MarkPersistentFlagDirname("state") // the flag is ours and exists
	for _, cmd := range root.Commands() {
		if cmd.ValidArgsFunction == nil {
			cmd.ValidArgsFunction = cobra.NoFileCompletions
		}
	}
}
