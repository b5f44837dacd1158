package integration

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"coppice/configs"
	"coppice/ipc"
	"coppice/tree"
)

// A tree of fifty processes under all strategies is killed at random five
// hundred times. Then the pure tree, which agrees with Erlang/OTP, is told the
// same facts in the same order: it must come to the decisions of the record,
// each with the same cause, from the first line to the last.
//
//	SEED=4711 go test ./integration -run Storm
func TestStorm(t *testing.T) {
	t.Parallel()
	seed := fromEnv(t, "SEED", uint64(time.Now().UnixNano()))
	t.Logf("SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	b := newBed(t, stormTree(random))
	b.up()
	for kills := 0; kills < 500; {
		running := pids(b.tree().Root)
		for _, pid := range running { // in Go's own random order
			if random.IntN(20) > 0 {
				continue
			}
			signal := []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGSEGV}[random.IntN(3)]
			if syscall.Kill(pid, signal) == nil {
				kills++
			}
		}
	}
	b.must("down")
	record := b.events()
	checkLives(t, record)
	replay(t, b, record)
}

// stormTree is a root that never gives up above nine supervisors of all
// strategies, three of which stand below others.
func stormTree(random *rand.Rand) string {
	var text strings.Builder
	strategies := []string{"one_for_one", "one_for_all", "rest_for_one"}
	children := make([][]string, 10)
	for p := range 50 {
		s := random.IntN(len(children))
		name := fmt.Sprintf("p%d", p)
		children[s] = append(children[s], name)
		fmt.Fprintf(&text, "[process.%s]\ncommand = [\"sleep\", \"10000\"]\nrestart = %q\nshutdown = %q\n",
			name, []string{"permanent", "permanent", "transient"}[random.IntN(3)], []string{"5s", "brutal_kill"}[random.IntN(2)])
	}
	for s := 1; s < len(children); s++ {
		above := 0
		if s > 6 {
			above = s - 6
		}
		children[above] = append(children[above], fmt.Sprintf("s%d", s))
	}
	for s, names := range children {
		name, limit := fmt.Sprintf("s%d", s), fmt.Sprint(1+random.IntN(6))
		if s == 0 {
			name, limit = "root", `"infinity"`
		}
		fmt.Fprintf(&text, "[supervisor.%s]\nstrategy = %q\nintensity = %s\nperiod = \"300ms\"\nchildren = [", name, strategies[s%3], limit)
		for _, c := range names {
			fmt.Fprintf(&text, "%q, ", c)
		}
		text.WriteString("]\n")
	}
	return text.String()
}

// checkLives wants the record without gaps, at most one life of each name at a
// time, and each life begun once and ended once.
func checkLives(t *testing.T, record []ipc.Event) {
	t.Helper()
	live := map[string]int{}
	for i, e := range record {
		if e.Seq != uint64(i+1) || e.Because >= e.Seq {
			t.Fatalf("event %d has seq %d because of %d", i+1, e.Seq, e.Because)
		}
		switch {
		case e.PID == 0:
		case e.Kind == "started":
			if live[e.Node] != 0 {
				t.Fatalf("%s starts as %d while %d lives (seq %d)", e.Node, e.PID, live[e.Node], e.Seq)
			}
			live[e.Node] = e.PID
		case e.Kind == "exited" || e.Kind == "stopped":
			if live[e.Node] != e.PID {
				t.Fatalf("%s ends as %d while %d lives (seq %d)", e.Node, e.PID, live[e.Node], e.Seq)
			}
			delete(live, e.Node)
		}
	}
	if len(live) > 0 {
		t.Errorf("after the end %v live", live)
	}
}

// replay tells a tree what the record says that processes and the operator did,
// and wants its reports to be the record. Events of one time were heard in one
// step.
func replay(t *testing.T, b *bed, record []ipc.Event) {
	t.Helper()
	config, err := configs.Load(b.path("coppice.toml"), os.Environ())
	if err != nil {
		t.Fatal(err)
	}
	r := replayer{tree: tree.New(config.Spec, tree.Options{}), refs: map[string]tree.Ref{}}
	for from := 0; from < len(record); {
		to := from + 1
		for to < len(record) && record[to].Time.Equal(record[from].Time) {
			to++
		}
		r.step(record[from:to], record[0].Time)
		from = to
	}
	want := make([]string, len(record))
	for i, e := range record {
		want[i] = told(e.Seq, e.Because, e.Kind, e.Node)
	}
	if diff := cmp.Diff(want, r.got); diff != "" {
		t.Errorf("the record (-) and the pure tree (+) differ:\n%s", diff)
	}
}

type replayer struct {
	tree *tree.Tree
	refs map[string]tree.Ref // the incarnation that was last asked for
	got  []string
}

// step feeds the facts among events that were told at one time.
func (r *replayer) step(events []ipc.Event, zero time.Time) {
	var facts []tree.Event
	for _, e := range events {
		if fact := r.fact(e); fact != nil {
			facts = append(facts, fact)
		}
	}
	out := r.tree.Step(tree.Time(events[0].Time.Sub(zero))+1, facts...)
	for _, report := range out.Reports {
		r.got = append(r.got, told(report.Seq, report.Because, string(report.Kind), report.Node))
	}
	for _, a := range out.Actions {
		if start, ok := a.(tree.Start); ok {
			r.refs[start.ID] = start.Ref
		}
	}
}

// fact is what happened outside of the tree; nil: the event is its own decision.
func (r *replayer) fact(e ipc.Event) tree.Event {
	switch {
	case e.Kind == "daemon_started":
		return tree.Boot{}
	case e.Kind == "daemon_stopping":
		return tree.Called{ID: 1, Request: tree.ShutdownTree{By: e.Request}}
	case e.PID == 0:
		return nil
	case e.Kind == "started":
		return tree.Started{Ref: r.refs[e.Node], PID: e.PID}
	case e.Kind == "exited" || e.Kind == "stopped":
		exit := tree.Exit{}
		if e.Code != nil {
			exit.Code = *e.Code
		}
		if e.Signal != nil {
			exit.Signal = *e.Signal
		}
		return tree.Exited{Ref: r.refs[e.Node], Exit: exit}
	}
	return nil
}

func told(seq, because uint64, kind, node string) string {
	return strconv.FormatUint(seq, 10) + " because " + strconv.FormatUint(because, 10) + ": " + kind + " " + node
}
