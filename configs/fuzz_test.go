package configs_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"coppice/configs"
	"coppice/tree"
)

// What is accepted is accepted again, equal, and the core finds no fault in it;
// what is rejected has a place for every fault.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"examples/*.toml", "testdata/faults/*.txt"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			for text := range strings.SplitSeq(string(data), "\n-- ") {
				_, text, _ = strings.Cut(text, " --\n")
				f.Add([]byte(text), false)
				f.Add([]byte(text), true)
			}
			f.Add(data, false)
		}
	}
	f.Add([]byte(shop), false)
	f.Add([]byte("web: x\n"), true)
	f.Fuzz(func(t *testing.T, src []byte, procfile bool) {
		path := "/nowhere/coppice.toml"
		if procfile {
			path = "/nowhere/Procfile"
		}
		c, err := configs.Parse(path, src, environ)
		if err != nil {
			checkPlaces(t, src, err)
			return
		}
		if faults := tree.Check(c.Spec); faults != nil {
			t.Errorf("the core finds %v", faults)
		}
		again, err := configs.Parse(path, c.Source, environ)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c, again); diff != "" {
			t.Error(diff)
		}
	})
}

// checkPlaces checks that each fault points into the file, on a line that a
// terminal shows as it is.
func checkPlaces(t *testing.T, src []byte, err error) {
	t.Helper()
	var faults configs.Faults
	if !errors.As(err, &faults) || len(faults) == 0 {
		t.Fatalf("want faults, got %v", err)
	}
	lines := strings.Count(string(src), "\n") + 1
	for i, f := range faults {
		switch {
		case f.Line == 0:
			counts := i == len(faults)-1 && i == 50
			if whole := len(faults) == 1 && strings.HasPrefix(f.Text, "the file is "); !counts && !whole {
				t.Errorf("%q has no place", f.Text)
			}
		case f.Line > lines, f.Column < 1, f.Column > len(src)+1:
			t.Errorf("%q is said to be at %d:%d", f.Text, f.Line, f.Column)
		case len([]rune(f.Source)) > 160, len(f.Mark) > 161, !strings.HasSuffix(f.Mark, "^"):
			t.Errorf("%q is shown as\n%s\n%s", f.Text, f.Source, f.Mark)
		}
	}
	for _, r := range err.Error() {
		if r != '\n' && (r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x200b && r <= 0x200f || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069) {
			t.Errorf("%U stands in %q", r, err.Error())
		}
	}
}

// Whatever passwd and group say, nobody becomes root but by root's own name and number.
func FuzzAccounts(f *testing.F) {
	f.Add("root:x:0:0::/root:/bin/sh\n0day:x:0:0::/:\n", "root:x:0:\nwww:x:33:www,root\n", "0day")
	f.Add("a:x:4294967296:1::/:\n-1:x:0:0::/:\n::0:0::/:\n", "a:x:1:a\n", "-1")
	f.Fuzz(func(t *testing.T, passwd, group, word string) {
		dir := t.TempDir()
		for name, text := range map[string]string{"passwd": passwd, "group": group} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		a, err := configs.ReadAccounts(dir)
		if err != nil {
			t.Fatal(err)
		}
		u, err := a.User(word)
		switch {
		case err != nil && !errors.Is(err, configs.ErrNoUser):
			t.Error(err)
		case err == nil && u.UID == 0 && word != "0" && !strings.Contains(passwd, word+":"):
			t.Errorf("%q is %+v", word, u)
		case err == nil && u.UID == 1<<32-1:
			t.Errorf("%q is nobody that there can be", word)
		}
		if groups := a.GroupsOf(u.Name, u.GID); len(groups) == 0 {
			t.Error("no group")
		}
	})
}
