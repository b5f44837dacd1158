package supervisor

import (
	"os"
	"path/filepath"
	"testing"
)

func TestTreeID(t *testing.T) {
	dir := t.TempDir()
	first, err := treeID(dir)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := treeID(dir); err != nil || again != first {
		t.Errorf("first %s, then %s, %v", first, again, err)
	}
	if other, err := treeID(t.TempDir()); err != nil || other == first {
		t.Errorf("two folders have the ids %s and %s, %v", first, other, err)
	}
	for _, damaged := range []string{"", "x", first[1:], "zz" + first[2:]} {
		if err := os.WriteFile(filepath.Join(dir, treeIDName), []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		if id, err := treeID(dir); err != nil || !isTreeID(id) {
			t.Errorf("after %q it is %q, %v", damaged, id, err)
		}
	}
}

// Of many that begin at once one chooses, and nothing else is left in the folder.
func TestTreeIDIsOne(t *testing.T) {
	dir := t.TempDir()
	ids := make(chan string)
	for range 20 {
		go func() {
			id, err := treeID(dir)
			if err != nil {
				t.Error(err)
			}
			ids <- id
		}()
	}
	first := <-ids
	for range 19 {
		if id := <-ids; id != first {
			t.Errorf("%s and %s", first, id)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
}
