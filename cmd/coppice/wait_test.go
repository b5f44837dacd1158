package main

import (
	"testing"

	"coppice/ipc"
)

// What was in the tree when the wait began and is in it no more has ended and is
// stopped, whether or not that was told already; it is never ready.
func TestWaitForOneThatVanishes(t *testing.T) {
	empty := &ipc.Tree{Root: ipc.Node{Name: "root"}}
	for _, c := range []struct {
		goal   string
		known  bool
		wanted bool
	}{
		{"stopped", true, true},
		{"exited", true, true},
		{"ready", true, false},
		{"stopped", false, false},
	} {
		w := waiter{names: []string{"q"}, goal: c.goal, known: c.known}
		if err := w.present(empty); (err == nil) != c.wanted {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
