package integration

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"coppice/ipc"
)

// TestExitsWhileNobodyWatches lets processes end in all ways there are while the
// daemon is stopped and then killed, so that the keeper alone can see how, and wants
// each to be told once and exactly.
func TestExitsWhileNobodyWatches(t *testing.T) {
	var tables strings.Builder
	ends := map[string]string{} // by name, as the event tells it
	for code := 0; code < 256; code += 255 / kills(15) {
		name := fmt.Sprintf("code%03d", code)
		ends[name] = fmt.Sprintf("code %d", code)
		fmt.Fprintf(&tables, "[process.%s]\ncommand = \"while ! test -e go; do sleep 0.01; done; exit %d\"\nrestart = \"temporary\"\n", name, code)
	}
	for _, sig := range []string{"TERM", "KILL", "SEGV", "ABRT", "USR1", "HUP", "PIPE"} {
		name := "sig" + sig
		ends[name] = "signal SIG" + sig
		fmt.Fprintf(&tables, "[process.%s]\ncommand = \"ulimit -c 0; while ! test -e go; do sleep 0.01; done; kill -%s $$\"\nrestart = \"temporary\"\n", name, sig)
	}
	b := newBed(t, tables.String())
	b.up()
	d := b.tree().Daemon
	running := pids(b.tree().Root)
	if err := syscall.Kill(d.PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	b.write("go", "")
	for _, pid := range running {
		awaitGone(t, pid) // a zombie, for its parent is stopped
	}
	if err := syscall.Kill(d.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for name := range ends {
		b.awaitKind(0, name, "exited")
	}
	seen := map[string]string{}
	for _, e := range b.events() {
		if e.Kind != "exited" {
			continue
		}
		if _, twice := seen[e.Node]; twice {
			t.Errorf("the end of %s is told twice", e.Node)
		}
		seen[e.Node] = endOf(e)
	}
	for name, want := range ends {
		if seen[name] != want {
			t.Errorf("%s ended with %s, told is %q", name, want, seen[name])
		}
	}
}

func endOf(e ipc.Event) string {
	switch {
	case e.Signal != nil:
		return "signal " + *e.Signal
	case e.Code != nil:
		return fmt.Sprintf("code %d", *e.Code)
	}
	return "nobody knows"
}

// TestExitsOfTheAdopted does the same with a daemon that has adopted them.
func TestExitsOfTheAdopted(t *testing.T) {
	b := newBed(t, "")
	var tables strings.Builder
	for code := range 8 {
		fmt.Fprintf(&tables, "[process.p%d]\ncommand = \"while ! test -e go%d; do sleep 0.01; done; exit %d\"\nrestart = \"temporary\"\n", code, code, 31*code)
	}
	b.write("coppice.toml", tables.String())
	b.up()
	for code := range 8 {
		d := b.tree().Daemon
		victim := d.PID
		if code%2 == 1 {
			victim = d.Keeper
		}
		if err := syscall.Kill(victim, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if _, err := askUntil(b.client()); err != nil {
			t.Fatal(err)
		}
		b.write(fmt.Sprintf("go%d", code), "")
		e := b.awaitKind(0, fmt.Sprintf("p%d", code), "exited")
		if want := fmt.Sprintf("code %d", 31*code); endOf(e) != want {
			t.Errorf("an adopted process ended with %s, told is %s", want, endOf(e))
		}
	}
}
