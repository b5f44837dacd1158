package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// otherBuild is another version of coppice.
func otherBuild(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "coppice-next")
	build := exec.Command("go", "build", "-ldflags", "-X main.version=9.9.9", "-o", path, "../cmd/coppice")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

func TestUpgrade(t *testing.T) {
	g := newGrove(t, 6, "5ms", "")
	was := g.tree().Daemon
	said := g.must("upgrade", otherBuild(t))
	now := g.tree().Daemon
	if now.Version != "9.9.9" || now.PID == was.PID || now.Keeper != was.Keeper {
		t.Errorf("the daemon was %+v and is %+v", was, now)
	}
	if !strings.Contains(said, "9.9.9") || !strings.Contains(said, "6 processes") {
		t.Errorf("it says %q", said)
	}
	g.unchanged()
	// What it is now, it stays over a crash.
	if after := g.kill(true, false); after.Daemon.Version != "9.9.9" {
		t.Errorf("after a crash it is %s", after.Daemon.Version)
	}
	g.unchanged()
	g.checkLogs()
}

func TestUpgradeThatFails(t *testing.T) {
	script := func(text string) string {
		path := filepath.Join(t.TempDir(), "other")
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
		return path
	}
	g := newGrove(t, 3, "5ms", "")
	// It plans well, and then it ends, or does not answer.
	plans := "#!/bin/sh\n[ \"$1\" = upgrade ] && exec " + binary + " \"$@\"\n"
	for what, c := range map[string]struct{ binary, says string }{
		"none":            {"/no/such/file", "cannot execute"},
		"another program": {"/bin/true", "is it coppice?"},
		"ends at once":    {script(plans + "exit 3\n"), "is back"},
		"is killed":       {script(plans + "kill -9 $$\n"), "is back"},
	} {
		r := g.run("upgrade", c.binary)
		if r.code != 1 || !strings.Contains(r.errors, c.says) {
			t.Errorf("%s: exit code %d: %s%s", what, r.code, r.out, r.errors)
		}
		if v := g.soon().Daemon.Version; v == "9.9.9" {
			t.Errorf("%s: version %s", what, v)
		}
		g.unchanged()
	}
	g.checkLogs()
}

// TestUpgradeIsRefused: a build that would not go on with the tree is refused
// before anything happens.
func TestUpgradeIsRefused(t *testing.T) {
	g := newGrove(t, 3, "5ms", "")
	was := g.tree().Daemon
	path := filepath.Join(t.TempDir(), "other")
	text := "#!/bin/sh\necho '{\"version\":\"7\",\"adopt\":[],\"otherwise\":[\"it would start w00 anew\"]}'\n"
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	r := g.run("upgrade", path)
	if r.code != 1 || !strings.Contains(r.errors, "it would start w00 anew") {
		t.Errorf("exit code %d: %s", r.code, r.errors)
	}
	if now := g.tree().Daemon; now.PID != was.PID {
		t.Errorf("the daemon was %+v and is %+v", was, now)
	}
	g.unchanged()
	g.checkLogs()
}
