package trampoline_test

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"coppice/supervisor/trampoline"
)

// bounce starts a trampoline; what it says to a daemon that lives, to stderr, and how it
// ended.
func bounce(t *testing.T, spec trampoline.Spec, alive bool) (said, stdout, stderr string, code int) {
	t.Helper()
	packed, err := trampoline.Pack(&spec)
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	daemon, status, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if !alive {
		daemon.Close()
	}
	var out, errs bytes.Buffer
	cmd := exec.Command(trampoline.Program)
	cmd.Env = []string{trampoline.Variable(3, 4)}
	cmd.ExtraFiles = []*os.File{packed, status}
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	status.Close()
	_ = cmd.Wait()
	if alive {
		text, err := io.ReadAll(daemon)
		if said = string(text); err != nil {
			t.Error(err)
		}
		daemon.Close()
	}
	return said, out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func TestExecutes(t *testing.T) {
	for _, alive := range []bool{true, false} {
		spec := trampoline.Spec{Argv: []string{"sh", "-c", "echo $A; pwd; exit 3"}, Env: []string{"A=b", "PATH=/bin:/usr/bin"}, Dir: "/usr"}
		said, stdout, stderr, code := bounce(t, spec, alive)
		if alive && said != string(trampoline.Ready) || stdout != "b\n/usr\n" || stderr != "" || code != 3 {
			t.Errorf("%q %q %q %d", said, stdout, stderr, code)
		}
	}
}

// A failure is told to the daemon, and to stderr where there is none any more.
func TestTellsFailures(t *testing.T) {
	for want, spec := range map[string]trampoline.Spec{
		"cannot set cpu_affinity to [1000]":                         {Argv: []string{"true"}, CPUs: []int{1000}},
		`cannot execute "nowhere": no such program; looked in /bin`: {Argv: []string{"nowhere"}, Env: []string{"PATH=/bin"}},
		"cannot execute: the command is empty":                      {},
	} {
		said, _, stderr, code := bounce(t, spec, true)
		var f trampoline.Failure
		if err := json.Unmarshal([]byte(said), &f); err != nil || !strings.HasPrefix(f.Cause, want) || stderr != "" || code != trampoline.ExitCode {
			t.Errorf("%q %q %d: %v, expected %s", said, stderr, code, err, want)
		}
		if _, _, stderr, code := bounce(t, spec, false); !strings.HasPrefix(stderr, "coppice: "+want) || code != trampoline.ExitCode {
			t.Errorf("%q %d: expected %s", stderr, code, want)
		}
	}
	if said, _, _, _ := bounce(t, trampoline.Spec{Argv: []string{"/"}}, true); !strings.Contains(said, `"file":"/"`) || said[0] != trampoline.Ready {
		t.Errorf("it said %q", said)
	}
}

// Who finds the variable set by somebody else is told, and nothing is executed.
func TestVariableOfOthers(t *testing.T) {
	for _, value := range []string{"x", "3", "3:x", "-1:-1", "77:78"} {
		cmd := exec.Command(trampoline.Program)
		name, _, _ := strings.Cut(trampoline.Variable(0, 0), "=")
		cmd.Env = []string{name + "=" + value}
		out, _ := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != trampoline.ExitCode || !strings.HasPrefix(string(out), "coppice: ") {
			t.Errorf("%s: %d %q", value, cmd.ProcessState.ExitCode(), out)
		}
	}
}

func TestCapability(t *testing.T) {
	if n, ok := trampoline.Capability("CAP_NET_BIND_SERVICE"); n != 10 || !ok {
		t.Error(n, ok)
	}
	if n, ok := trampoline.Capability("net_bind_service"); ok {
		t.Error(n, ok)
	}
}
