package integration

import (
	"strings"
	"testing"
)

// An end that ends the whole tree is an end that was waited for.
func TestWaitForTheEndOfTheTree(t *testing.T) {
	t.Parallel()
	for _, goal := range []string{"exited", "stopped"} {
		t.Run(goal, func(t *testing.T) {
			t.Parallel()
			b := plot(t, `
[supervisor.root]
auto_shutdown = "any_significant"
children = ["db", "job"]
[process.db]
command = "sleep 1000"
[process.job]
command = "while [ ! -e go ]; do sleep 0.02; done; exit 3"
restart = "temporary"
significant = true
`)
			b.up()
			daemon := b.tree().Daemon.PID
			done := make(chan result, 1)
			go func() { done <- b.run("wait", "job", "--for", goal) }()
			b.write("go", "")
			// 3 is right where the tree has ended before the wait began.
			if r := <-done; r.code != 0 && r.code != 3 || strings.Contains(r.errors, "went away") {
				t.Errorf("exit code %d: %s", r.code, r.errors)
			}
			awaitGone(t, daemon)
		})
	}
}

// A supervisor without children says so in JSON: an empty list, not none.
func TestNoChildrenIsAList(t *testing.T) {
	t.Parallel()
	b := plot(t, `
[supervisor.root]
children = ["idle", "a"]
[supervisor.idle]
children = []
[process.a]
command = "sleep 1000"
`)
	b.up()
	if _, body := b.get("/v1/tree"); strings.Count(body, `"children":[]`) != 1 {
		t.Errorf("%s", body)
	}
}
