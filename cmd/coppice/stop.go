package main

import "github.com/spf13/cobra"

func (a *app) stopCommand() *cobra.Command {
	return a.verbCommand("stop", "Stops nodes",
		`Stops each node (OTP: supervisor:terminate_child), a supervisor with all below it,
and returns when nothing of it is left. No sibling is touched.

A child of a template is gone then. Every other one is not disabled: the next sweep that has it in range, or a new incarnation of
its supervisor, starts it again. The root is stopped by `+"`coppice down`.")
}
