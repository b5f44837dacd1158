package integration

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coppice/ipc"
)

func isExit(e ipc.Event) bool { return e.Kind == "exited" }

// ends are all ways to end: every exit code, and every signal of the first 31 that
// ends a process; by the shell command that does it and as the record tells it.
func ends() map[string]string {
	all := map[string]string{}
	for code := range 256 {
		all[fmt.Sprintf("exit %d", code)] = fmt.Sprintf("code %d", code)
	}
	for number := syscall.Signal(1); number < 32; number++ {
		switch number {
		case syscall.SIGCHLD, syscall.SIGCONT, syscall.SIGURG, syscall.SIGWINCH: // ignored
		case syscall.SIGSTOP, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU: // halted
		default:
			all[fmt.Sprintf("kill -%d $$", number)] = "signal " + unix.SignalName(number)
		}
	}
	return all
}

// TestEveryEnd lets processes end in all ways there are, one half as children of the
// daemon that started them, the other half as those of a daemon that has adopted
// them, and wants each end to be told once and exactly.
func TestEveryEnd(t *testing.T) {
	var tables strings.Builder
	want := map[string]string{}
	for _, half := range []string{"own", "adopted"} {
		for command, end := range ends() {
			name := half + "-" + strings.ReplaceAll(end, " ", "-")
			want[name] = end
			fmt.Fprintf(&tables, "[process.%s]\ncommand = \"ulimit -c 0; read go < %s; %s\"\nrestart = \"temporary\"\n", name, half, command)
		}
	}
	b := plot(t, tables.String())
	release := map[string]*os.File{}
	for _, half := range []string{"own", "adopted"} {
		if err := syscall.Mkfifo(b.path(half), 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := os.OpenFile(b.path(half), os.O_RDWR, 0) // which waits for nobody
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		release[half] = file
	}
	b.up()
	told := map[string]string{}
	for i, half := range []string{"own", "adopted"} {
		if half == "adopted" {
			if err := syscall.Kill(b.tree().Daemon.PID, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			if _, err := askUntil(b.client()); err != nil {
				t.Fatal(err)
			}
		}
		events := b.follow()
		if _, err := release[half].WriteString(strings.Repeat("\n", len(want)/2)); err != nil { // a line for each
			t.Fatal(err)
		}
		for len(told) < (i+1)*len(want)/2 {
			e := next(t, events, "all have ended", isExit)
			if _, twice := told[e.Node]; twice {
				t.Errorf("the end of %s is told twice", e.Node)
			}
			told[e.Node] = endOf(e)
		}
	}
	for name, end := range want {
		if told[name] != end {
			t.Errorf("%s ended with %s, told is %q", name, end, told[name])
		}
	}
}

// TestStopAtTheMomentOfItsEnd stops processes within two milliseconds of an end of
// their own, some hundred times: whoever is first, the process is stopped, nothing of
// it is left, and the end that is told is the one that it had.
func TestStopAtTheMomentOfItsEnd(t *testing.T) {
	t.Parallel()
	const hands, rounds, life = 4, 50, 20 * time.Millisecond
	tables := "[supervisor.root]\nintensity = \"infinity\"\nchildren = [\"p0\", \"p1\", \"p2\", \"p3\"]\n"
	for i := range hands {
		tables += fmt.Sprintf("[process.p%d]\ncommand = \"sleep 0.02; exit 7\"\n", i)
	}
	b := plot(t, tables)
	b.up()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	var own, asked atomic.Int32
	var all sync.WaitGroup
	for i := range hands {
		all.Go(func() {
			name := fmt.Sprintf("p%d", i)
			for round := range rounds {
				if _, err := b.client().Do(ctx, ipc.Command{Verb: "restart", Node: name}); err != nil {
					t.Error(err)
					return
				}
				// Around the end of its life, and not a wait for anything.
				time.Sleep(life + time.Duration(round%9-4)*time.Millisecond/2)
				if _, err := b.client().Do(ctx, ipc.Command{Verb: "stop", Node: name}); err != nil {
					t.Error(err)
					return
				}
				now, err := b.client().Tree(ctx, false)
				if err != nil {
					t.Error(err)
					return
				}
				n, _ := findNode(now.Root, name)
				switch {
				case n.State != "stopped" || n.PID != 0 || n.LastExit == nil:
					t.Errorf("after its stop %s is %s, pid %d", name, n.State, n.PID)
				case n.LastExit.Code != nil && *n.LastExit.Code == 7:
					own.Add(1)
				case n.LastExit.Signal != nil && *n.LastExit.Signal == "SIGTERM" && n.LastExit.Reason == "stopped":
					asked.Add(1)
				default:
					t.Errorf("the end of %s is told as %+v", name, n.LastExit)
				}
			}
		})
	}
	all.Wait()
	t.Logf("%d ended by themselves, %d were stopped", own.Load(), asked.Load())
	for _, pid := range living(b.dir) {
		if strings.HasPrefix(cmdline(pid), "sleep") {
			t.Errorf("%d runs on", pid)
		}
	}
}
