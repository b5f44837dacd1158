package main

import "github.com/spf13/cobra"

func (a *app) startCommand() *cobra.Command {
	return a.verbCommand("start", "Starts nodes that do not run",
		`Starts each node (OTP: supervisor:restart_child) and returns when its start is
complete. It never counts against a restart limit and starts no sibling.

A node that runs is so already, which is exit code 0. It is refused while the
node is being restarted, and when its supervisor does not run.`)
}
