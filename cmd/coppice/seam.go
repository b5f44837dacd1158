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
	// charged is what a daemon has to go on with that its keeper started after an
	// earlier one; false: this process is none.
	charged func() (place, bool)
	// claimed says that the keeper of this process has the state folder already.
	claimed func() bool
	// giveUp makes the keeper of this process, if there is one, try again with another.
	giveUp func()
	// plan is what this program would do as the next daemon of a tree.
	plan func(place) (*supervisor.Plan, error)
	// events reads the event record that a daemon has left in a state folder;
	// fs.ErrNotExist: there is none.
	events func(stateDir string, emit func(ipc.Event) error) error
	// readLogs reads captured output from a folder of logs, without a daemon. A
	// name that it does not know is an *ipc.Error with CodeNoNode.
	readLogs func(logsDir string, q ipc.LogQuery, emit func(ipc.LogLine) error) error
}

// daemonOptions are what a command line says to a daemon.
type daemonOptions struct {
	// load reads the tree file. It is called if a fresh tree is to be started.
	load  func() (*configs.Config, error)
	wrong error // what load will say, if it is known
	place place
	// detached: nobody waits for the daemon.
	detached bool
	echo     io.Writer // what the children write; nil: nowhere
	colour   bool
	watch    bool // reload when the tree file changes
	// noCgroups: there are to be none, COPPICE_CGROUP=off.
	noCgroups bool
	// foreground: a terminal that hangs up stops the tree.
	foreground bool
	log        func(*configs.Config) *zap.Logger
	started    func(error) // called once: the start is complete, or why it failed
}

// realEngine is the engine of the installed program.
func realEngine() engine {
	return engine{run: runTree, charged: charged, claimed: supervisor.Claimed, giveUp: supervisor.GiveUp, plan: planFor, events: leftEvents, readLogs: supervisor.ReadLogs}
}

func planFor(p place) (*supervisor.Plan, error) { return supervisor.PlanFor(folders(p), version) }

func folders(p place) supervisor.Folders {
	return supervisor.Folders{Run: p.run, Record: p.state, Logs: p.logs}
}

func runTree(o daemonOptions) (int, error) {
	return supervisor.Run(supervisor.Options{
		Load: o.load, Detached: o.detached,
		Folders: folders(o.place),
		Echo:    o.echo, Colour: o.colour, Watch: o.watch, Foreground: o.foreground,
		NoCgroups: o.noCgroups,
		Log:       o.log, Version: version, Started: o.started,
	})
}

func charged() (place, bool) {
	c, ok := supervisor.Charged()
	return place{run: c.Folders.Run, state: c.Folders.Record, logs: c.Folders.Logs}, ok
}

func leftEvents(stateDir string, emit func(ipc.Event) error) error {
	return supervisor.ReadEvents(stateDir, 0, emit)
}
