package process

import (
	"testing"
	"time"
)

// A look at all children during which this process did not run puts the next one off no
// longer than any other.
func TestScanPauseHasALimit(t *testing.T) {
	var s scans
	s.rest(time.Now().Add(-time.Hour))
	if pause := time.Until(s.after); pause > scanPauseMax {
		t.Errorf("the next look is put off by %v", pause)
	}
}

// Who is hinted at first is forgotten first, and nobody is hinted at twice.
func TestHintsHaveALimit(t *testing.T) {
	var s scans
	s.hint(1)
	if len(s.hinted) != 0 {
		t.Error("hints are kept where there is no crowd")
	}
	s.crowded.Store(true)
	for pid := range 2 * hintsMax {
		s.hint(pid + 1)
		s.hint(pid + 1)
	}
	if len(s.hinted) != hintsMax || s.hinted[0] != hintsMax+1 {
		t.Errorf("%d hints from %d on", len(s.hinted), s.hinted[0])
	}
}
