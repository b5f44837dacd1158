package main

import (
	"strings"
	"testing"
	"time"
)

// played is a record of two rounds.
func played() *record {
	r := &record{
		Began: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Took: 90 * time.Second, Rounds: 2, Idle: 20 * time.Second,
		Machine:  machine{CPU: "a CPU", Cores: 2, Kernel: "6.1", System: "a system", Go: "go1.26", Root: true},
		Entrants: []entrant{{Name: floorGo, Version: "1"}, {Name: "coppice", Version: "0.1.0"}, {Name: "small", Version: "3", Delay: "1 s"}, {Name: "absent", Missing: "no such package"}},
		Troubles: []trouble{
			{subject{"small", measureMass, 1000, 100}, 1, "its time is over"},
			{subject{"small", measureMass, 1000, 100}, 2, "its time is over"},
		},
	}
	add := func(peer string, had, round int, p50, p99 float64) {
		of := subject{peer, measureRestart, 1000, had}
		r.Samples = append(r.Samples, sample{of, "p50", round, p50}, sample{of, "p99", round, p99})
	}
	add(floorGo, 0, 1, 0.5, 1)
	add(floorGo, 0, 2, 0.5, 2)
	add("coppice", 0, 1, 0.6, 3)
	add("coppice", 0, 2, 0.7, 4)
	add("small", 100, 1, 1001.4, 1002)
	return r
}

func TestTextOfATable(t *testing.T) {
	text := played().text()
	for _, line := range []string{
		"Restart, with 1000 children",
		"coppice     0.65 (0.60–0.70) 1.30×  –    3.50 (3–4) 2.33×",
		"small       1001 [100]              –    1002 [100]",
		"absent is missing: no such package",
		"small, mass with 100: its time is over",
	} {
		if strings.Count(text, line) != 1 {
			t.Errorf("expected once %q in\n%s", line, text)
		}
	}
	if strings.Contains(text, "Bring-up") {
		t.Error("a table without rows is shown")
	}
}

func TestPageKeepsWhatStandsAroundTheSection(t *testing.T) {
	page, err := replaceSection("# Title\n"+pageBegin+"\nold\n"+pageEnd+"\n## Findings\n", played().markdown("performance.svg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		"# Title\n" + pageBegin + "\nMeasured 2026-01-02 03:04 UTC on a CPU, 2 cores, Linux 6.1,",
		"![restart latencies, one row for each supervisor](performance.svg)",
		"| supervisor | p50 | p90 | p99 | max | CPU µs | dies young: p50 | its CPU µs |\n| --- | ---: |",
		"| small | 1001 [100] | – | 1002 [100] |",
		"| small | 3 | 1 s |",
		"- absent is missing: no such package\n",
		pageEnd + "\n## Findings\n",
	} {
		if !strings.Contains(page, part) {
			t.Errorf("expected %q in\n%s", part, page)
		}
	}
	again, err := replaceSection(page, played().markdown("performance.svg"))
	if err != nil || again != page {
		t.Errorf("the same section again is another page: %v", err)
	}
	for _, broken := range []string{"", pageBegin, pageEnd + pageBegin} {
		if _, err := replaceSection(broken, ""); err == nil {
			t.Errorf("%q has no two markers", broken)
		}
	}
}

func TestDotsAreSortedByLatency(t *testing.T) {
	var names []string
	for _, d := range played().dots() {
		names = append(names, d.name)
	}
	if got := strings.Join(names, " "); got != "small coppice "+floorGo {
		t.Errorf("from the slowest: %s", got)
	}
}
