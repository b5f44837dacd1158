package procfs

import (
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// A process that executes one program after the other has its environment all the time:
// a look between two of them is not taken for a process without any.
func TestEnvironOfWhoExecutes(t *testing.T) {
	t.Run("small", func(t *testing.T) { wantUnitAlways(t, nil) })
	t.Run("large", func(t *testing.T) { wantUnitAlways(t, []string{"LARGE=" + strings.Repeat("x", 3*EnvironBytes)}) })
}

// wantUnitAlways looks at such a process that has other variables before its mark.
func wantUnitAlways(t *testing.T, others []string) {
	again := `exec /bin/sh -c "$0" "$0"`
	child := exec.Command("/bin/sh", "-c", again, again)
	child.Env = append(others, "MARK=tree:name:1")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { child.Process.Kill(); child.Wait() })
	var buffer []byte
	for until := time.Now().Add(300 * time.Millisecond); time.Now().Before(until); {
		var err error
		buffer, err = Environ(child.Process.Pid, buffer[:0])
		if errors.Is(err, ErrExecuting) {
			continue // for want of a processor
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := Variable(buffer, "MARK"); got != "tree:name:1" {
			t.Fatalf("the variable is %q in %d bytes", got, len(buffer))
		}
	}
}

// Whoever was given no environment has none, and is not waited for.
func TestEnvironOfNothing(t *testing.T) {
	child := exec.Command("/bin/sleep", "1000")
	child.Env = []string{}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { child.Process.Kill(); child.Wait() })
	if environ, err := Environ(child.Process.Pid, nil); err != nil || len(environ) != 0 {
		t.Errorf("%q, %v", environ, err)
	}
}

// A variable is what stands before the first equals sign behind a NUL.
func TestVariable(t *testing.T) {
	for environ, want := range map[string]string{
		"": "", "N=mine": "mine", "M=1\x00N=mine\x00N=other\x00": "mine", "N=": "",
		"X=N=N=stranger\x00N=mine\x00": "mine", "XN=N=stranger\x00": "", "NN=1\x00": "",
	} {
		if got := Variable([]byte(environ), "N"); got != want {
			t.Errorf("%q: %q, want %q", environ, got, want)
		}
	}
}
