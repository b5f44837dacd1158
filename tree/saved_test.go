package tree_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"coppice/tree"
	"coppice/tree/treetest"
)

// reread is the tree that is left when its runtime dies: written down, carried as
// JSON with its Starts beside it, read back.
func reread(t failer, old *tree.Tree) *tree.Tree {
	s := old.Save()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatalf("%v", err)
	}
	var read tree.Saved
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatalf("%v", err)
	}
	read.Starts = s.Starts
	restored, err := tree.Restore(read)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return restored
}

type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// interrupt makes a world lose its runtime after every Step. A twin that never
// does hears the same, and must be told from the other by nothing.
func interrupt(t failer, w *treetest.World) {
	twin := w.Tree
	w.Tree = reread(t, w.Tree)
	w.Stepped = func(events []tree.Event, out tree.Output) {
		kept := make([]tree.Event, len(events))
		for i, e := range events {
			kept[i] = cloneEvent(e)
		}
		if want := twin.Step(w.Now, kept...); !reflect.DeepEqual(want, out) {
			t.Fatalf("told %v, the restored tree (+) answers otherwise:\n%s", events, cmp.Diff(want, out))
		}
		w.Tree = reread(t, w.Tree)
		same(t, twin, w.Tree)
	}
}

// same fails where two trees can be told apart.
func same(t failer, twin, restored *tree.Tree) {
	if !reflect.DeepEqual(twin.Status(), restored.Status()) {
		t.Fatalf("the restored tree (+) has another status:\n%s", cmp.Diff(twin.Status(), restored.Status()))
	}
	if !reflect.DeepEqual(twin.Redo(), restored.Redo()) {
		t.Fatalf("the restored tree (+) would do again:\n%s", cmp.Diff(twin.Redo(), restored.Redo()))
	}
	at, ok := twin.Deadline()
	if due, any := restored.Deadline(); due != at || any != ok {
		t.Fatalf("the restored tree has the deadline %d, not %d", due, at)
	}
	halt, ended := twin.Halted()
	if h, over := restored.Halted(); over != ended || !reflect.DeepEqual(h, halt) {
		t.Fatalf("the restored tree has halted with %+v, not %+v", h, halt)
	}
	if twin.LastCall() != restored.LastCall() {
		t.Fatalf("the last call is %d, not %d", restored.LastCall(), twin.LastCall())
	}
	if a, b := twin.Save(), restored.Save(); !reflect.DeepEqual(a, b) {
		t.Fatalf("the restored tree (+) is saved otherwise:\n%s", cmp.Diff(a, b))
	}
}

// TestRestoredAfterEveryStep is TestProperties with a runtime that dies after
// every Step.
func TestRestoredAfterEveryStep(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newChaos(t, tree.Options{OTP: rapid.Float64Range(0, 1).Draw(t, "otp") < 0.2})
		interrupt(t, c.world)
		for range rapid.IntRange(5, 80).Draw(t, "steps") {
			c.happen()
		}
		c.comeToRest()
		if c.world.Halt == nil {
			c.end()
		}
	})
}

// TestRestoredOTP plays the stored traces of OTP with a runtime that dies after
// every Step: they are the same.
func TestRestoredOTP(t *testing.T) {
	files, err := filepath.Glob("testdata/otp/*/*.scn")
	if err != nil || len(files) == 0 {
		t.Fatal("no scenarios", err)
	}
	for _, file := range files {
		sc, err := treetest.ParseScenario(read(t, file))
		if err != nil {
			t.Fatal(err)
		}
		p := treetest.NewPlay(sc, nil)
		p.Surrounded = func(w *treetest.World) { interrupt(t, w) }
		p.Boot()
		for _, stim := range sc.Stimuli {
			p.Do(stim)
		}
		got, err := p.Result()
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if diff := cmp.Diff(read(t, strings.TrimSuffix(file, ".scn")+".trace"), got); diff != "" {
			t.Errorf("%s: OTP (-) and the restored tree (+) differ:\n%s", file, diff)
		}
	}
}

// TestRestoredSituations restores every state there is.
func TestRestoredSituations(t *testing.T) {
	for _, s := range situations {
		t.Run(s.name, func(t *testing.T) {
			w := s.reach(t)
			interrupt(t, w)
			end(t, w)
			if err := w.Watch.Err(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestSavedOnce: a spec is saved once, however deep its node stands, and so is a
// Start that several specs share; the size of a Saved is that of the tree.
func TestSavedOnce(t *testing.T) {
	const depth = 50
	start := &struct{ Command string }{"sleep"}
	spec := tree.ChildSpec{ID: "p", Start: start}
	for i := range depth {
		other := tree.ChildSpec{ID: fmt.Sprint("q", i), Start: start}
		list := tree.ChildSpec{ID: fmt.Sprint("l", i), Start: []string{"no", "pointer"}}
		spec = tree.ChildSpec{
			ID: fmt.Sprint("s", i), Type: tree.Supervisor, Flags: flags, Children: []tree.ChildSpec{spec, other, list},
		}
	}
	s := tree.New(spec, tree.Options{}).Save()
	if want := 3*depth + 1; len(s.Specs) != want || len(s.Nodes) != want {
		t.Errorf("%d specs and %d nodes are saved, not %d", len(s.Specs), len(s.Nodes), want)
	}
	if len(s.Starts) != 2 || s.Starts[0] != any(start) {
		t.Errorf("the starts are %v", s.Starts)
	}
}
