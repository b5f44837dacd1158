package keeper

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// BenchmarkDeath is from the death of a daemon, or of a keeper, until the next
// daemon has been given everything; it prints what a keeper costs, in KiB.
func BenchmarkDeath(b *testing.B) {
	for _, many := range []int{0, 1000, 5000} {
		for _, whose := range []string{"daemon", "keeper"} {
			b.Run(fmt.Sprintf("descriptors=%d/%s", many, whose), func(b *testing.B) {
				var kib float64
				for b.Loop() {
					b.StopTimer()
					p := startPair(b, setup{how: "owner"})
					p.awaitDaemon()
					p.do("many %d", many)
					victim := map[string]int{"daemon": p.daemon, "keeper": p.keeper}[whose]
					b.StartTimer()
					kill(b, victim)
					said := p.awaitDaemon()
					b.StopTimer()
					keeper, _ := strconv.Atoi(said["keeper"])
					kib = proportionalKiB(b, keeper)
					p.end()
					b.StartTimer()
				}
				b.ReportMetric(kib, "PSS-KiB")
			})
		}
	}
}

// proportionalKiB is the proportional set size of a process.
func proportionalKiB(b *testing.B, pid int) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	check(b, err)
	var kib float64
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
			_, err := fmt.Sscan(rest, &kib)
			check(b, err)
		}
	}
	return kib
}
