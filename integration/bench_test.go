package integration

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// BenchmarkKeeping prints what keeper and daemon take with so many idle children
// (PSS, which counts what they share once), and how long it takes from a kill to the
// next answer. `make gobench` runs it.
func BenchmarkKeeping(b *testing.B) {
	for _, children := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("children=%d", children), func(b *testing.B) {
			var tables strings.Builder
			for i := range children {
				fmt.Fprintf(&tables, "[process.p%d]\ncommand = [\"sleep\", \"100000\"]\n", i)
			}
			bed := newBed(b, tables.String())
			bed.up()
			d := bed.tree().Daemon
			keeper, daemon := pss(d.Keeper), pss(d.PID)
			kills := map[string]time.Duration{}
			for b.Loop() {
				kills["daemon"] += bed.killAndAsk(false)
				kills["keeper"] += bed.killAndAsk(true)
			}
			for what, took := range kills {
				b.ReportMetric(float64(took.Microseconds())/1000/float64(b.N), what+"-killed-ms")
			}
			b.ReportMetric(keeper, "keeper-PSS-MB")
			b.ReportMetric(daemon, "daemon-PSS-MB")
			b.ReportMetric(0, "ns/op") // which says nothing here
		})
	}
}

// BenchmarkStart prints how long a process takes from the tree's decision to the execution
// of its program, by the record: with what a fork can do, and set up by a trampoline.
func BenchmarkStart(b *testing.B) {
	for name, keys := range map[string]string{"plain": "", "trampoline": "umask = \"022\"\n"} {
		b.Run(name, func(b *testing.B) {
			bed := newBed(b, "[process.p]\ncommand = [\"sleep\", \"100000\"]\n"+keys)
			bed.up()
			for b.Loop() {
				bed.must("restart", "p")
			}
			var began time.Time
			took, starts := time.Duration(0), 0
			for _, e := range bed.events() {
				switch {
				case e.Node == "p" && e.Kind == "starting":
					began = e.Time
				case e.Node == "p" && e.Kind == "started":
					took, starts = took+e.Time.Sub(began), starts+1
				}
			}
			b.ReportMetric(float64(took.Microseconds())/1000/float64(starts), "start-ms")
			b.ReportMetric(0, "ns/op") // a command, a stop and a start
		})
	}
}

// killAndAsk kills daemon or keeper and returns the time until another daemon
// answers.
func (b *bed) killAndAsk(keeper bool) time.Duration {
	b.t.Helper()
	was, err := askUntil(b.client())
	if err != nil {
		b.t.Fatal(err)
	}
	pid := was.Daemon.PID
	if keeper {
		pid = was.Daemon.Keeper
	}
	began := time.Now()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		b.t.Fatal(err)
	}
	for {
		now, err := askUntil(b.client())
		if err != nil {
			b.t.Fatal(err)
		}
		if now.Daemon.PID != was.Daemon.PID && now.Daemon.Keeper != 0 {
			return time.Since(began)
		}
	}
}

// pss is the proportional set size of a process in MB, proc_pid_smaps(5).
func pss(pid int) float64 {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(content)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "Pss:" {
			kb, _ := strconv.ParseFloat(fields[1], 64)
			return kb / 1024
		}
	}
	return 0
}
