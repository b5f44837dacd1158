package integration

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"coppice/tree/treetest"
)

// TestOTPFreshSeeds plays scenarios that nobody has seen before on the
// installed Erlang's own supervisor and on the tree, and wants one trace.
//
//	SEEDS=1000 go test ./integration -run OTP     how many
//	SEED=4711 SEEDS=1 go test ./integration ...   where to begin; fresh without it
func TestOTPFreshSeeds(t *testing.T) {
	erlang := findErlang(t)
	count := fromEnv(t, "SEEDS", 200)
	first := fromEnv(t, "SEED", uint64(time.Now().UnixNano()/1e6))
	t.Logf("seeds %d to %d", first, first+count-1)
	made := map[string]treetest.Generated{}
	files := map[bool][]string{} // by whether they need real time
	dir := t.TempDir()
	rejected := 0
	for seed := first; seed < first+count; seed++ {
		timed := seed%100 == 0
		g := treetest.Generate(seed, timed)
		rejected += g.Rejected
		file := filepath.Join(dir, strconv.FormatUint(seed, 10)+".scn")
		write(t, file, g.Text)
		if g.Err != nil {
			t.Errorf("seed %d: %v\n%s", seed, g.Err, keep(t, g))
			continue
		}
		made[file] = g
		files[timed] = append(files[timed], file)
	}
	racy := 0
	for file, trace := range erlang.play(t, files) {
		if g := made[file]; trace != g.Trace && !erlang.agrees(t, file, g, trace) {
			racy++
		}
	}
	t.Logf("%d scenarios, %d candidates rejected, %d unsettled in Erlang itself", len(made), rejected, racy)
}

// TestOTPStillSaysSo holds the traces that package tree is tested with, and the
// player of this folder, against the installed Erlang.
func TestOTPStillSaysSo(t *testing.T) {
	erlang := findErlang(t)
	all, err := filepath.Glob("../tree/testdata/otp/*/*.scn")
	if err != nil || len(all) == 0 {
		t.Fatalf("no scenarios (%v)", err)
	}
	files := map[bool][]string{}
	for _, file := range all {
		timed := strings.Contains(read(t, file), "\nat ")
		files[timed] = append(files[timed], file)
	}
	for file, trace := range erlang.play(t, files) {
		want := read(t, strings.TrimSuffix(file, ".scn")+".trace")
		if want == trace || erlang.same(t, file, trace) == "" {
			continue
		}
		t.Errorf("%s (-) and Erlang (+) differ:\n%s", file, lineDiff(want, trace))
	}
}

// erlang is the installed one.
type erlang struct{ escript string }

func findErlang(t *testing.T) erlang {
	path, err := exec.LookPath("escript")
	if err != nil {
		t.Skip("no Erlang here (escript is not in PATH): nothing to compare with")
	}
	return erlang{escript: path}
}

// playersMax is how many virtual machines play timed scenarios at once: they
// do little but wait. filesMax is how many scenarios fit on a command line.
const (
	playersMax = 16
	filesMax   = 500
)

// play gives Erlang's trace of every file. Files that need real time are played
// side by side, the others one after the other.
func (e erlang) play(t *testing.T, files map[bool][]string) map[string]string {
	shares := [][]string{files[false]}
	for i := range min(playersMax, len(files[true])) {
		var share []string
		for j := i; j < len(files[true]); j += playersMax {
			share = append(share, files[true][j])
		}
		shares = append(shares, share)
	}
	traces := map[string]string{}
	var tracesMu sync.Mutex
	var players sync.WaitGroup
	for _, share := range shares {
		players.Go(func() {
			for part := range slices.Chunk(share, filesMax) {
				got := e.traces(t, part)
				tracesMu.Lock()
				maps.Copy(traces, got)
				tracesMu.Unlock()
			}
		})
	}
	players.Wait()
	return traces
}

// traces lets one virtual machine play files.
func (e erlang) traces(t *testing.T, files []string) map[string]string {
	traces := map[string]string{}
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(e.escript, append([]string{filepath.Join("otp", "drive.erl")}, files...)...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil || stderr.Len() > 0 {
		t.Errorf("drive.erl: %v\n%s%s", err, stderr.String(), lastLines(stdout.String(), 20))
	}
	for part := range strings.SplitSeq(stdout.String(), "# ") {
		if file, trace, ok := strings.Cut(part, "\n"); ok {
			traces[file] = trace
		}
	}
	for _, file := range files {
		if _, ok := traces[file]; !ok {
			t.Errorf("drive.erl did not play %s", file)
		}
	}
	return traces
}

// agrees reports a difference, unless Erlang's own traces of the scenario
// differ from each other: then the generator has let one through whose outcome
// depends on who gets to work first, and agrees is false.
func (e erlang) agrees(t *testing.T, file string, g treetest.Generated, trace string) bool {
	if e.same(t, file, trace) == "" {
		return false
	}
	t.Errorf("seed %d: Erlang (-) and the tree (+) differ:\n%s%s", g.Seed, lineDiff(trace, g.Trace), keep(t, g))
	return true
}

// same is the trace if Erlang gives it again and again, else empty.
func (e erlang) same(t *testing.T, file, trace string) string {
	for range 5 {
		if e.traces(t, []string{file})[file] != trace {
			return ""
		}
	}
	return trace
}

// keep writes a scenario to where it outlives the test, and says how to see it.
func keep(t *testing.T, g treetest.Generated) string {
	file := filepath.Join(os.TempDir(), fmt.Sprintf("coppice-otp-%d.scn", g.Seed))
	write(t, file, g.Text)
	return fmt.Sprintf("the scenario is %s; again: SEED=%d SEEDS=1 go test ./integration -run OTPFresh\n", file, g.Seed)
}

func lineDiff(want, got string) string {
	return cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n"))
}

func lastLines(text string, n int) string {
	lines := strings.Split(text, "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

func fromEnv(t *testing.T, name string, otherwise uint64) uint64 {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s=%s is no number", name, text)
	}
	return n
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
