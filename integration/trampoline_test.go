package integration

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// trampoline waits for a process of the bed that is being set up, and halts it. On a busy
// machine the set-up may have failed before it was seen: then again begins another.
func (b *bed) trampoline(again func()) int {
	b.t.Helper()
	begun := time.Now()
	for until := begun.Add(patience); time.Now().Before(until); time.Sleep(time.Millisecond) {
		if time.Since(begun) > time.Second && b.node("p").State == "stopped" {
			again()
			begun = time.Now()
		}
		all, err := filepath.Glob("/proc/[0-9]*/stat")
		if err != nil {
			b.t.Fatal(err)
		}
		for _, file := range all {
			pid, _ := strconv.Atoi(strings.Split(file, "/")[2])
			environ, _ := os.ReadFile(filepath.Dir(file) + "/environ") // it may have ended
			if bytes.Contains(environ, []byte("COPPICE_TRAMPOLINE=")) && b.started(pid) {
				if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
					b.t.Fatal(err)
				}
				return pid
			}
		}
	}
	b.t.Fatal("nothing is set up")
	return 0
}

// started says whether the daemon of the bed is the parent of a process.
func (b *bed) started(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	return fields[1] == strconv.Itoa(b.lasting().Daemon.PID)
}

// Who is being set up when the daemon is killed runs once its program is executed, and
// has failed to start if that cannot be. (A file that is open for writing cannot.)
func TestSetupOutlivesItsDaemon(t *testing.T) {
	for _, executable := range []bool{true, false} {
		t.Run(strconv.FormatBool(executable), func(t *testing.T) {
			t.Parallel()
			b := newBed(t, "[process.p]\ncommand = [\"./prog\", \"1000\"]\nnice = 1\n")
			program, err := os.ReadFile("/bin/sleep")
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(b.path("prog"), program, 0o755); err != nil {
				t.Fatal(err)
			}
			b.up()
			b.must("stop", "p")
			busy, err := os.OpenFile(b.path("prog"), os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer busy.Close()
			var seq uint64
			begin := func() {
				seq = b.lastSeq()
				b.must("start", "p", "--no-wait")
			}
			begin()
			pid := b.trampoline(begin)
			old := b.lasting().Daemon.PID
			if err := syscall.Kill(old, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			for b.lasting().Daemon.PID == old {
				time.Sleep(time.Millisecond)
			}
			if n := b.node("p"); n.State != "starting" {
				t.Errorf("while it is set up it is %s, pid %d", n.State, n.PID)
			}
			if executable {
				busy.Close()
			}
			if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			if !executable {
				// One that said so to the daemon that was killed has been tried again.
				e := b.awaitKind(seq, "p", "start_failed")
				if e.Cause != "its set-up failed; see its log" && !strings.Contains(e.Cause, "open for writing") {
					t.Errorf("%+v", e)
				}
				return
			}
			if e := b.awaitKind(seq, "p", "started"); e.PID != pid {
				t.Errorf("%+v", e)
			}
			b.must("stop", "p")
		})
	}
}
