package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain lets scripts run this test binary as `coppice`, with an engine that
// plays a daemon.
func TestMain(m *testing.M) {
	switch filepath.Base(os.Args[0]) {
	case "coppice", "coppice-daemon": // which is what the keeper calls it
		os.Exit(execute(os.Args[1:], processWorld(), playedEngine()))
	}
	os.Exit(m.Run())
}

// TestScripts runs each script of testdata/script in a folder of its own, with
// the words of prelude.sh. A script that hangs is killed with all it started.
func TestScripts(t *testing.T) {
	scripts, err := filepath.Glob("testdata/script/*.sh")
	if err != nil || len(scripts) == 0 {
		t.Fatal("no scripts", err)
	}
	prelude, err := filepath.Abs("testdata/prelude.sh")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".sh"), func(t *testing.T) {
			t.Parallel()
			script, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			runScript(t, ". "+prelude+"\n"+string(script))
		})
	}
}

func runScript(t *testing.T, script string) {
	bin, dir := t.TempDir(), t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Link(self, filepath.Join(bin, "coppice")); err != nil {
		if err := os.Symlink(self, filepath.Join(bin, "coppice")); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "TMPDIR="+bin, "PLAY=", "GORACE=atexit_sleep_ms=0", "COPPICE_STATE=", "COPPICE_SOCKET=")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second // a daemon in its own session may hold the output
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		log, _ := os.ReadFile(filepath.Join(dir, stateName, daemonLog))
		t.Errorf("%v\n%s%s", err, output.Bytes(), log)
	}
}
