package integration

import "testing"

// `down` from another pid namespace, where the daemon's pid is somebody else's,
// returns when the tree's socket is closed.
func TestDownFromAnotherPIDNamespace(t *testing.T) {
	t.Parallel()
	b := plot(t, `
[process.a]
command = ["sleep", "1000"]
`)
	up := start(t, b.alone("up"))
	b.awaitDaemon()
	b.awaitState("root", "running")
	if d := b.tree().Daemon; d.PIDNamespace == 0 || d.PID > 10 {
		t.Fatalf("the daemon says that its pid is %d of namespace %d", d.PID, d.PIDNamespace)
	}
	b.exits(0, "down")
	up.ended(0)
}
