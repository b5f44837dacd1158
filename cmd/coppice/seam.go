package main

import (
	"io"

	"go.uber.org/zap"

	"coppice/configs"
	"coppice/ipc"
	"coppice/supervisor"
)

// engine is the daemon's side of this program: what it takes to run a tree, and
// to read what an earlier daemon left.
type engine struct {
	// run is a daemon's whole life; the code is that of the process.
	run func(daemonOptions) (code int, err error)
	// readLogs reads captured output from a folder of logs, without a daemon. A
	// name that it does not know is an *ipc.Error with CodeNoNode.
	readLogs func(logsDir string, q ipc.LogQuery, emit func(ipc.LogLine) error) error
}

// daemonOptions are what a command line says to a daemon.
type daemonOptions struct {
	config *configs.Config
	place  place
	echo   io.Writer // what the children write; nil: nowhere
	colour bool
	watch  bool // reload when the tree file changes
	// foreground: a terminal that hangs up stops the tree.
	foreground bool
	log        *zap.Logger
	started    func(error) // called once: the start is complete, or why it failed
}

// realEngine is the engine of the installed program.
func realEngine() engine {
	return engine{run: runTree, readLogs: supervisor.ReadLogs}
}

func runTree(o daemonOptions) (int, error) {
	return supervisor.Run(supervisor.Options{
		Config:  o.config,
		Folders: supervisor.Folders{Run: o.place.run, Record: o.place.state, Logs: o.place.logs},
		Echo:    o.echo, Colour: o.colour, Watch: o.watch, Foreground: o.foreground,
		Log: o.log, Version: version, Started: o.started,
	})
}
