package tree_test

import (
	"encoding/json"
	"os"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"coppice/tree"
	"coppice/tree/treetest"
)

// busy is a tree in which much waits: for one Apply that stops c, and behind it for
// another one and for every request.
func busy(t testing.TB) *tree.Tree {
	w := treetest.NewWorld(family(delayed), tree.Options{Seq: 100})
	w.Step(tree.Boot{})
	rest(t, w)
	changed := family(delayed)
	changed.Children[1].Children[1].Start = "changed"
	call(w, tree.Apply{Spec: changed})
	call(w, tree.Apply{Spec: family(temporary)})
	for _, r := range everyRequest(present(w)) {
		switch r.(type) {
		case tree.ShutdownTree, tree.Apply:
		default:
			call(w, r)
		}
	}
	exit(w, "b", 1)
	exit(w, "a", 3)
	return w.Tree
}

// TestSavedForm holds what a Saved is written like: a later build has to read it.
// The first text is a busy tree; the second has every field there is.
func TestSavedForm(t *testing.T) {
	var all tree.Saved
	fill(reflect.ValueOf(&all).Elem(), 0)
	for file, saved := range map[string]tree.Saved{"testdata/saved.json": busy(t).Save(), "testdata/fields.json": all} {
		got, err := json.MarshalIndent(saved, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, '\n')
		if *rewrite {
			if err := os.WriteFile(file, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(read(t, file), string(got)); diff != "" {
			t.Errorf("%s (-) and what is written now (+) differ; an old record must still be read:\n%s", file, diff)
		}
	}
}

// TestSavedFormIsRead reads the stored text, and loses nothing of it.
func TestSavedFormIsRead(t *testing.T) {
	text := read(t, "testdata/saved.json")
	var saved tree.Saved
	if err := json.Unmarshal([]byte(text), &saved); err != nil {
		t.Fatal(err)
	}
	saved.Starts = busy(t).Save().Starts
	restored, err := tree.Restore(saved)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(saved, restored.Save()); diff != "" {
		t.Error(diff)
	}
	same(t, busy(t), restored)
}

// fill gives every field a value that is not its zero.
func fill(v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), depth+1)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), depth+1)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), depth+1)
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), depth+1)
		}
	case reflect.String:
		v.SetString("text")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Float64:
		v.SetFloat(1.5)
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint8, reflect.Uint64:
		v.SetUint(1)
	}
}
