package main

import "github.com/spf13/cobra"

func (a *app) restartCommand() *cobra.Command {
	return a.verbCommand("restart", "Stops and starts nodes",
		`Stops each node and starts it again, as one request. It never counts against a
restart limit and touches no sibling.`)
}
