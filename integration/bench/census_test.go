package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCensusKnowsLinesInAnyDress(t *testing.T) {
	line := func(n int) string { return fmt.Sprintf("%010d%s", n, filler) }
	c := newCensus(8)
	text := strings.Join([]string{
		line(0),
		"2026-11-26T03:17:19.265Z [c0] " + line(1),
		`{"level":"info","process":"c0","message":"` + line(2) + `"}`,
		line(3) + "\r",
		line(3),                       // twice
		line(4)[50:],                  // torn: its number is lost
		"the logger's own",            // nobody's
		line(8),                       // more than were written
		"12345678ab" + string(filler), // no number
		line(5),                       // without a newline
	}, "\n")
	if err := c.read(strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	if c.lost() != 3 || c.doubled != 1 || c.strange != 4 {
		t.Errorf("lost %d, doubled %d, strange %d", c.lost(), c.doubled, c.strange)
	}
}

func TestCensusSurvivesLinesWithoutEnd(t *testing.T) {
	c := newCensus(1)
	if err := c.read(strings.NewReader(strings.Repeat("y", 3<<20) + "\n" + fmt.Sprintf("%010d%s\n", 0, filler))); err != nil {
		t.Fatal(err)
	}
	if c.lost() != 0 {
		t.Error("what follows a line that does not fit is lost")
	}
}

func TestCensusPutsTornLinesTogether(t *testing.T) {
	dir, line := t.TempDir(), fmt.Sprintf("%010d%s\n", 0, filler)
	paths := []string{filepath.Join(dir, "log.1"), filepath.Join(dir, "log")}
	for i, text := range []string{line[:40], line[40:] + strings.Replace(line, "0000000000", "0000000001", 1)} {
		if err := os.WriteFile(paths[i], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := newCensus(2)
	if err := c.readFiles(paths); err != nil {
		t.Fatal(err)
	}
	if c.lost() != 0 || c.strange != 0 {
		t.Errorf("lost %d, strange %d", c.lost(), c.strange)
	}
}
