package keeper

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// BenchmarkRestart is from the death of a daemon that has lived its time until the
// next one speaks; it prints what a keeper costs, in KiB.
func BenchmarkRestart(b *testing.B) {
	for _, many := range []int{0, 1000, 5000} {
		b.Run(fmt.Sprintf("descriptors=%d", many), func(b *testing.B) {
			p := startPair(b, setup{how: "owner"})
			p.awaitDaemon()
			p.do("many %d", many)
			for b.Loop() {
				kill(b, p.daemon)
				p.awaitDaemon()
			}
			b.ReportMetric(proportionalKiB(b, p.keeper), "PSS-KiB")
		})
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
