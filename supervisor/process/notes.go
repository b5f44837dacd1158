package process

import (
	"time"

	"coppice/tree"
)

// Notes is where the reaper writes down what must outlive it. It is called by
// whoever works, and what was noted is safe when the call returns.
type Notes interface {
	// Spawned says who a new child is: after the fork, before Started is told.
	Spawned(ref tree.Ref, id Identity)
	// Reaped says how the main process of a child ended, and when that was
	// found: once, before anything that shows it. If the process is a child of
	// this one, it is still a zombie. Of an adopted child whose end was handed
	// over with it, nothing is noted again.
	Reaped(ref tree.Ref, exit tree.Exit, at time.Time)
	// Signalled says that a signal of Stop was sent, or SIGKILL of Kill. It does
	// not come for a signal that could not be sent, nor for Signal.
	Signalled(ref tree.Ref, kill bool)
}

// noNotes are those of a reaper of which nothing needs to outlive it.
type noNotes struct{}

// Spawned does nothing.
func (noNotes) Spawned(tree.Ref, Identity) {}

// Reaped does nothing.
func (noNotes) Reaped(tree.Ref, tree.Exit, time.Time) {}

// Signalled does nothing.
func (noNotes) Signalled(tree.Ref, bool) {}
