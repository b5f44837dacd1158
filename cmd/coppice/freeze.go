package main

import "github.com/spf13/cobra"

func (a *app) freezeCommand() *cobra.Command {
	return a.verbCommand("freeze", "Stops processes from running",
		`Stops all of a process from running, wherever it is in its program (cgroup.freeze):
it keeps its memory and its connections and does nothing. It is no end: no supervisor
hears of it. A stop or restart lets it run again first. It takes a cgroup.`)
}

func (a *app) thawCommand() *cobra.Command {
	return a.verbCommand("thaw", "Lets frozen processes run again", `Lets processes run again that freeze has stopped from running.`)
}
