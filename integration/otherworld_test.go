package integration

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"coppice/ipc"
)

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
	if d := b.tree().Daemon; d.PIDNamespace == ipc.PIDNamespace() || !slices.ContainsFunc(living(b.dir), func(pid int) bool { return isNumbered(pid, d) }) {
		t.Fatalf("the daemon says that its pid is %d of namespace %d", d.PID, d.PIDNamespace)
	}
	b.exits(0, "down")
	up.ended(0)
}

// isNumbered says whether a process is the daemon, by the number and the namespace that
// that has told.
func isNumbered(pid int, d ipc.Daemon) bool {
	var namespace unix.Stat_t
	err := unix.Stat(fmt.Sprintf("/proc/%d/ns/pid", pid), &namespace)
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, numbers, _ := strings.Cut(string(status), "\nNSpid:")
	numbers, _, _ = strings.Cut(numbers, "\n")
	inner := strings.Fields(numbers)
	return err == nil && namespace.Ino == d.PIDNamespace && comm(pid) == "coppice-daemon" && inner[len(inner)-1] == strconv.Itoa(d.PID)
}

// What runs on after daemon and keeper were killed is gone on with, whatever file is
// named: that it is another one's is told.
func TestUpGoesOnWithAnotherFilesTree(t *testing.T) {
	b := newBed(t, "name = \"shop\"\n[process.a]\ncommand = [\"sleep\", \"1000\"]\n")
	b.write("other.toml", "name = \"other\"\n[process.b]\ncommand = [\"sleep\", \"1000\"]\n")
	b.up()
	b.fell()
	r := b.exits(1, "up", "-d", "-f", "other.toml")
	has(t, "stderr", r.errors, "what runs here is shop, loaded from")
	b.exits(0, "status", "a")
}
