package configs_test

import (
	"path/filepath"
	"strings"
	"testing"

	"coppice/configs"
	"coppice/tree"
)

// Every example is a right tree file, begins with its case and the command to
// run it, and needs no other program than /bin/sh.
func TestExamples(t *testing.T) {
	paths, err := filepath.Glob("examples/*.toml")
	if err != nil || len(paths) < 6 {
		t.Fatalf("%d examples, %v", len(paths), err)
	}
	for _, path := range paths {
		c, err := configs.Load(path, environ)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		if want := strings.TrimSuffix(filepath.Base(path), ".toml"); c.Name != want {
			t.Errorf("%s is named %s", path, c.Name)
		}
		comment, _, _ := strings.Cut(string(c.Source), "\n\n")
		if !strings.HasPrefix(comment, "# ") || !strings.Contains(comment, "\n#     coppice up -f configs/"+path) {
			t.Errorf("%s does not begin with its case and its command:\n%s", path, comment)
		}
		for spec := range processes(c.Spec) {
			if program := spec.Start.(*configs.Process).Program; program != "/bin/sh" {
				t.Errorf("%s: %s runs %s", path, spec.ID, program)
			}
		}
	}
}

// processes are the processes of a tree by their names, in start order.
func processes(spec tree.ChildSpec) func(func(tree.ChildSpec) bool) {
	return func(yield func(tree.ChildSpec) bool) {
		var walk func(tree.ChildSpec) bool
		walk = func(s tree.ChildSpec) bool {
			if s.Type == tree.Process {
				return yield(s)
			}
			for _, child := range s.Children {
				if !walk(child) {
					return false
				}
			}
			return true
		}
		walk(spec)
	}
}
