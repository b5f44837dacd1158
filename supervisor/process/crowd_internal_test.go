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

// All are looked at soon after a SIGCHLD for which nobody was found, and late after one that
// is explained, for it may stand for two.
func TestScanIsPutOffForWhatIsExplained(t *testing.T) {
	var s scans
	now := time.Now()
	if due := s.heard(now); due != now.Add(hintWait) || s.putOff(due) {
		t.Errorf("it is due %v after a SIGCHLD, and may be put off", due.Sub(now))
	}
	first := s.heard(now).Add(-hintWait)
	s.ends++
	if !s.putOff(s.at) || s.at != first.Add(scanLate) {
		t.Errorf("it is due %v after one that is explained", s.at.Sub(first))
	}
	later := now.Add(scanLate / 2)
	if due := s.heard(later); due != later.Add(hintWait) || s.putOff(due) {
		t.Errorf("it is due %v after another one that is not", due.Sub(later))
	}
	s.heard(now)
	s.ends++
	if s.putOff(now.Add(scanLate)) {
		t.Error("it is put off for ever")
	}
}
