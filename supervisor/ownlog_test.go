package supervisor

import (
	"os"
	"path/filepath"
	"testing"
)

// TestOwnLogIsBounded writes to a log until it is begun anew: what was in it is beside it,
// and whoever has it open goes on behind its new beginning.
func TestOwnLogIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), OwnLog)
	words, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer words.Close()
	for _, step := range []struct{ say, log, old string }{
		{"one ", "one ", ""},
		{"two ", "", "one two "},
		{"three ", "three ", "one two "},
		{"four ", "", "three four "},
	} {
		if _, err := words.WriteString(step.say); err != nil {
			t.Fatal(err)
		}
		if err := trimOwnLog(words, path, 8); err != nil {
			t.Fatal(err)
		}
		log, _ := os.ReadFile(path)
		old, _ := os.ReadFile(path + ".1")
		if string(log) != step.log || string(old) != step.old {
			t.Errorf("after %q the log is %q, and before it was %q", step.say, log, old)
		}
	}
	other := filepath.Join(t.TempDir(), OwnLog)
	if err := os.WriteFile(other, []byte("of another tree"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := words.WriteString("five and six "); err != nil {
		t.Fatal(err)
	}
	if err := trimOwnLog(words, other, 8); err != nil {
		t.Fatal(err)
	}
	if log, _ := os.ReadFile(path); string(log) != "five and six " {
		t.Errorf("a log that is not this tree's is %q", log)
	}
}
