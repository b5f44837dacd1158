package treetest

import "coppice/tree"

// Watch looks at every Step.
type Watch struct{ world *World }

func newWatch(w *World, spec tree.ChildSpec) *Watch { return &Watch{world: w} }

func (w *Watch) step(events []tree.Event, out tree.Output) {}

// Err is the first thing that went wrong.
func (w *Watch) Err() error { return nil }
