package process

import (
	"os"
	"path/filepath"
	"testing"
)

// What leads to a served file system is seen without a look at that.
func TestServed(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	if err := os.Mkdir(in("far"), 0o755); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{
		"absolute": in("far/x"), "relative": "far", "twice": "relative/x", "up": "far/../near", "loop": "loop", "near": "/tmp",
	} {
		if err := os.Symlink(target, in(link)); err != nil {
			t.Fatal(err)
		}
	}
	m := &mounts{opened: true, fd: -1, served: []string{in("far")}}
	for path, want := range map[string]bool{
		"/": false, dir: false, in("far"): true, in("far/a/b"): true, in("farther"): false, in("absolute/y"): true,
		in("relative"): true, in("relative/x"): true, in("twice"): true, in("loop"): false, in("near"): false, in("missing/x"): false,
	} {
		if got := m.leads(path); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
	var real mounts
	defer real.close()
	if real.holds(&Command{}) {
		t.Error("an empty command is served")
	}
}
