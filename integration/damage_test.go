package integration

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"coppice/ipc"
)

// fell kills keeper and daemon and waits for their end. They are stopped before, so
// that the one that is killed last does not take the other one's place meanwhile.
func (b *bed) fell() ipc.Daemon {
	b.t.Helper()
	d := b.tree().Daemon
	for _, sig := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGKILL} {
		for _, pid := range []int{d.Keeper, d.PID} {
			if err := syscall.Kill(pid, sig); err != nil {
				b.t.Fatal(err)
			}
		}
	}
	for _, pid := range []int{d.Keeper, d.PID} {
		awaitGone(b.t, pid)
	}
	return d
}

// TestDamagedJournal damages a journal between two daemons, by cutting it or by
// flipping a bit, at many places: whatever the next daemon makes of it, it says so in
// words, and no process is touched and none is started a second time.
func TestDamagedJournal(t *testing.T) {
	for _, how := range []string{"cut", "flip"} {
		t.Run(how, func(t *testing.T) {
			b := newBed(t, "")
			w := newWitnesses(t, b.dir)
			b.write("coppice.toml", w.process("a", "-", "")+w.process("b", "-", ""))
			b.up()
			b.must("restart", "a")
			before := pids(b.tree().Root)
			b.fell()
			journal := b.path(".coppice/journal")
			whole, err := os.ReadFile(journal)
			if err != nil {
				t.Fatal(err)
			}
			step := max(len(whole)/kills(12), 1)
			for at := 0; at < len(whole); at += step {
				damaged := append([]byte(nil), whole...)
				if how == "cut" {
					damaged = damaged[:at]
				} else {
					damaged[at] ^= 1 << (at % 8)
				}
				if err := os.WriteFile(journal, damaged, 0o600); err != nil {
					t.Fatal(err)
				}
				outlives(t, b, w, before, fmt.Sprintf("%s at %d of %d", how, at, len(whole)))
			}
			if err := os.WriteFile(journal, whole, 0o600); err != nil {
				t.Fatal(err)
			}
			b.up()
			if now := pids(b.tree().Root); fmt.Sprint(now) != fmt.Sprint(before) {
				t.Errorf("with the whole journal back the processes are %v, not %v", now, before)
			}
		})
	}
}

// outlives runs `up -d` on a damaged journal, and ends what it starts by killing.
func outlives(t *testing.T, b *bed, w *witnesses, before map[string]int, what string) {
	t.Helper()
	r := b.run("up", "-d")
	log := r.out + r.errors + b.read(".coppice/daemon.log")
	if strings.Contains(log, "panic") || strings.Contains(log, "goroutine ") {
		t.Fatalf("%s: it panics:\n%s", what, log)
	}
	switch r.code {
	case 0:
		if now := pids(b.tree().Root); fmt.Sprint(now) != fmt.Sprint(before) {
			t.Errorf("%s: the processes are %v, not %v", what, now, before)
		}
		b.fell()
	case 1:
		if !strings.Contains(r.errors, "journal") {
			t.Errorf("%s: it is refused without a clear word: %q", what, r.errors)
		}
	default:
		t.Errorf("%s: exit code %d: %s", what, r.code, r.errors)
	}
	for name, pid := range before {
		if !isAlive(pid) {
			t.Fatalf("%s: %s has ended", what, name)
		}
	}
	w.single("a", "b")
}
