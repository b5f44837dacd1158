package treetest

import (
	"strings"
	"testing"
)

func TestScenarioFaults(t *testing.T) {
	for _, c := range []struct{ text, fault string }{
		{"", "the first line is not"},
		{"sup root", "the first line is not"},
		{"otp-scenario 1\ndo", "no supervisor is without a parent"},
		{"otp-scenario 1\nsup root\nsup other", `no supervisor "" to stand under`},
		{"otp-scenario 1\nsup root\nworker a parent=root\nworker a parent=root", "a is declared twice"},
		{"otp-scenario 1\nsup root\nworker a parent=b", `no supervisor "b" to stand under`},
		{"otp-scenario 1\nsup root\nthing a", "thing is no kind of declaration"},
		{"otp-scenario 1\nsup root strategy=none", "none is not one of"},
		{"otp-scenario 1\nsup root intensity=many", "intensity is not a number"},
		{"otp-scenario 1\nsup root colour=red", "nobody knows the key colour"},
		{"otp-scenario 1\nsup root colour", "is not key=value"},
		{"otp-scenario 1\nsup root\nworker a parent=root starts=ok,maybe", "maybe is no way to start"},
		{"otp-scenario 1\nsup root\nworker a parent=root starts=ok+hit:b", "hit:b pushes nobody"},
		{"otp-scenario 1\nsup root\nworker a parent=root stop=never", "never is no way to stop"},
		{"otp-scenario 1\nsup root\nworker a parent=root shutdown=-1", "no number of milliseconds"},
		{"otp-scenario 1\nsup root\ndo\nexit a", "exit with 2 words is no stimulus"},
		{"otp-scenario 1\nsup root\ndo\nexit a softly", "softly is no ending"},
		{"otp-scenario 1\nsup root\ndo\nbatch\nexit a crash", "there is no end"},
		{"otp-scenario 1\nsup root\ndo\nupgrade root\nthing a\nend", "is no child"},
	} {
		_, err := ParseScenario(c.text)
		if err == nil || !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%q: %v, want a fault with %q", c.text, err, c.fault)
		}
	}
}

// TestGenerate makes a seed's scenario twice, and reads what it has made.
func TestGenerate(t *testing.T) {
	for seed := range uint64(20) {
		one, two := Generate(seed, seed%5 == 0), Generate(seed, seed%5 == 0)
		if one.Err != nil || one != two {
			t.Fatalf("seed %d gives\n%+v\nthen\n%+v", seed, one, two)
		}
		if _, err := ParseScenario(one.Text); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
}
