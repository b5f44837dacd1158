package configs

import (
	"math/rand/v2"
	"testing"
)

func TestNearest(t *testing.T) {
	known := []string{"command", "env", "env_file", "restart", "start_timeout", "stop_signal", "stop_to", "worker-1", "worker-2"}
	for wanted, want := range map[string]string{
		"comand": "command", "commnad": "command", "Command": "command", "commands": "command", "cmd": "",
		"evn": "env", "environment": "env", "envfile": "env_file", "retsart": "restart", "start": "start_timeout",
		"stopto": "stop_to", "stop-signal": "stop_signal", "worker": "worker-1", "worker-3": "worker-1", "x": "", "": "", "zzzzzzzz": "",
	} {
		if want != "" {
			want = "did you mean \"" + want + "\"?"
		}
		if got := nearest(wanted, known, "")(); got != want {
			t.Errorf("%q: got %q, want %q", wanted, got, want)
		}
	}
	if got := nearest("zzz", known, "none")(); got != "none" {
		t.Errorf("got %q", got)
	}
}

// plainDistance is the distance without bounds, table and cleverness.
func plainDistance(a, b string) int {
	if a == "" || b == "" {
		return len(a) + len(b)
	}
	change := 1
	if a[0] == b[0] {
		change = 0
	}
	best := min(plainDistance(a[1:], b[1:])+change, plainDistance(a[1:], b)+1, plainDistance(a, b[1:])+1)
	if len(a) > 1 && len(b) > 1 && a[0] == b[1] && a[1] == b[0] {
		best = min(best, plainDistance(a[2:], b[2:])+1)
	}
	return best
}

func TestDistanceIsThePlainOne(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	word := func() string {
		letters := make([]byte, random.IntN(7))
		for i := range letters {
			letters[i] = "abc"[random.IntN(3)]
		}
		return string(letters)
	}
	for range 5000 {
		a, b, limit := word(), word(), 1+random.IntN(8)
		if got, want := distance(a, b, limit), min(plainDistance(a, b), limit); got != want {
			t.Fatalf("%q and %q below %d: got %d, want %d", a, b, limit, got, want)
		}
	}
}
