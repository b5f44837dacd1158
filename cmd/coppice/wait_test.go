package main

import (
	"context"
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

// A daemon that has nothing left to run and says so is as good as none: how it went, the
// rest of the events says.
func TestWaitOutlastsTheTree(t *testing.T) {
	w := waiter{names: []string{"q"}, goal: "stopped", known: true, ended: map[string]bool{}}
	news, ended := make(chan ipc.Event), make(chan error)
	go func() {
		news <- ipc.Event{Seq: 7, Node: "q", Kind: "exited"}
		ended <- nil
	}()
	look := func(context.Context) (*ipc.Tree, error) { return nil, &ipc.Error{Code: ipc.CodeEnded} }
	if _, err := w.follow(context.Background(), look, nil, 0, news, ended); err != nil {
		t.Error(err)
	}
}
