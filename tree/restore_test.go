package tree_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"coppice/tree"
)

// damages is how many damaged texts of each tree TestRestoreDamaged reads.
const damages = 400

// TestRestoreDamaged changes a few values in what was saved. Restore refuses it,
// or the tree that comes of it goes on without a panic.
func TestRestoreDamaged(t *testing.T) {
	accepted, texts := 0, savedTexts(t)
	for i, text := range texts {
		for seed := range damages {
			if damaged(t, text, uint64(i*damages+seed)) {
				accepted++
			}
		}
	}
	t.Logf("%d of %d were accepted", accepted, len(texts)*damages)
	if accepted == 0 {
		t.Error("nothing was accepted, and nothing was tested")
	}
}

func FuzzRestore(f *testing.F) {
	for i, text := range savedTexts(f) {
		f.Add(text, uint64(i))
	}
	f.Fuzz(func(t *testing.T, text []byte, seed uint64) { damaged(t, text, seed) })
}

// savedTexts are trees in every situation, some with an odd runtime.
func savedTexts(t testing.TB) [][]byte {
	trees := []*tree.Tree{busy(t)}
	for _, s := range situations {
		trees = append(trees, s.reach(t).Tree)
	}
	for _, change := range []tree.Request{everyRequest(0)[21], everyRequest(0)[22], tree.StartChild{Supervisor: "s", Spec: process("x", notice)}} {
		w := situations[8].reach(t)
		call(w, change)
		trees = append(trees, w.Tree)
	}
	var texts [][]byte
	for _, tr := range trees {
		text, err := json.Marshal(tr.Save())
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, text)
	}
	return texts
}

// damaged restores text with some damage and drives the tree; false: refused.
func damaged(t *testing.T, text []byte, seed uint64) bool {
	r := rand.New(rand.NewPCG(seed, 7))
	var v any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return false
	}
	for range 1 + r.IntN(3) {
		v = damage(r, v)
	}
	text, _ = json.Marshal(v)
	var s tree.Saved
	if json.Unmarshal(text, &s) != nil {
		return false
	}
	s.Starts = []any{"a", "b", "c", "d", "changed", "x"}
	tr, err := tree.Restore(s)
	if err != nil {
		return false
	}
	defer func() {
		if p := recover(); p != nil {
			t.Fatalf("seed %d: %v\n%s", seed, p, text)
		}
	}()
	tr.Redo()
	if r.IntN(4) == 0 {
		tr.Salvage(0, []tree.Living{{Ref: tree.Ref{ID: "c", Generation: tree.Generation(r.IntN(9))}, PID: 7}})
	}
	drive(r, tr)
	return true
}

// damage changes one value somewhere below v.
func damage(r *rand.Rand, v any) any {
	switch x := v.(type) {
	case map[string]any:
		keys := slices.Sorted(maps.Keys(x))
		if len(keys) == 0 || r.IntN(20) == 0 {
			return map[string]any{}
		}
		key := keys[r.IntN(len(keys))]
		if r.IntN(20) == 0 {
			delete(x, key)
			return x
		}
		x[key] = damage(r, x[key])
		return x
	case []any:
		if len(x) == 0 {
			return x
		}
		i, j := r.IntN(len(x)), r.IntN(len(x))
		switch r.IntN(12) {
		case 0:
			return slices.Delete(x, i, i+1)
		case 1:
			x[i], x[j] = x[j], x[i]
		case 2:
			return append(x, x[i])
		case 3:
			x[i] = x[j]
		default:
			x[i] = damage(r, x[i])
		}
		return x
	case bool:
		return !x
	case json.Number:
		return json.Number(one(r, "-1", "0", "1", "2", "3", "4", "5", "6", "255", "18446744073709551615", "9223372036854775807", "-9223372036854775808"))
	case string:
		return one(r, "", "root", "a", "s", "c", "running", "starting", "stopping", "stopped", "restarting", "backoff", "finished",
			"boot", "restart", "end", "terminate", "start", "stop", "cycle", "add", "change", "again", "pause", "discard", "adopt",
			"exit", "try_again", "resume", "call", "apply", "asked", "gave_up", "auto_shutdown", "init_failed", "forgotten", "adding")
	}
	return v
}

func one(r *rand.Rand, words ...string) string { return words[r.IntN(len(words))] }

// drive tells a tree whatever fits and whatever does not.
func drive(r *rand.Rand, tr *tree.Tree) {
	var now tree.Time
	for i := range 60 {
		var nodes []tree.Status
		var walk func(s tree.Status)
		walk = func(s tree.Status) {
			nodes = append(nodes, s)
			for _, c := range s.Children {
				walk(c)
			}
		}
		walk(tr.Status())
		s := nodes[r.IntN(len(nodes))]
		events := news(tree.Ref{ID: s.Spec.ID, Generation: s.Generation})
		for _, a := range tr.Redo() {
			if start, ok := a.(tree.Start); ok {
				events = append(events, tree.Started{Ref: start.Ref, PID: i + 1})
			}
		}
		requests := everyRequest(s.Generation)
		request := requests[r.IntN(len(requests)-2)]
		switch {
		case i > 40 && i%10 == 1:
			request = tree.ShutdownTree{Kill: i > 50}
		case r.IntN(4) > 0:
			request = tree.CycleChild{ID: s.Spec.ID}
		}
		events = append(events, tree.Tick{}, tree.Boot{}, tree.Resumed{}, tree.Called{ID: uint64(i) + 100, Request: request})
		if at, ok := tr.Deadline(); ok && r.IntN(3) == 0 {
			now = max(now, at)
		}
		tr.Step(now, events[r.IntN(len(events))], events[r.IntN(len(events))])
	}
}
