package configs_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"coppice/configs"
)

var rewrite = flag.Bool("rewrite", false, "write the faults that are told into testdata/faults")

// environ is the caller's environment in tests.
var environ = []string{"HOME=/home/u", "PATH=/usr/bin:/bin", "EMPTY="}

// Each archive in testdata/faults begins with what it shows. It holds faulty
// files, each followed by its faults as they are told.
func TestFaults(t *testing.T) {
	archives, err := filepath.Glob("testdata/faults/*.txt")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	for _, path := range archives {
		absolute, err := filepath.Abs(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) { testFaults(t, absolute) })
	}
}

func testFaults(t *testing.T, path string) {
	title, all := readArchive(t, path)
	t.Chdir(t.TempDir())
	told := map[string]string{}
	var files []file
	for _, f := range all {
		if name, ok := strings.CutSuffix(f.name, ".faults"); ok {
			told[name] = f.text
			continue
		}
		write(t, f.name, f.text)
		files = append(files, f)
	}
	rewritten := title
	for _, f := range files {
		rewritten += f.String()
		if !isTree(f.name) {
			continue
		}
		got := faultsOf(t, f.name).Error() + "\n"
		if diff := cmp.Diff(told[f.name], got); diff != "" && !*rewrite {
			t.Errorf("%s (-want +got):\n%s", f.name, diff)
		}
		rewritten += file{f.name + ".faults", got}.String()
	}
	if *rewrite {
		write(t, path, rewritten)
	}
}

// file is one of an archive's, which begins with the line "-- name --".
type file struct{ name, text string }

func (f file) String() string { return "-- " + f.name + " --\n" + f.text }

func readArchive(t *testing.T, path string) (title string, files []file) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		name, ok := strings.CutPrefix(strings.TrimSuffix(line, " --\n"), "-- ")
		switch {
		case ok && strings.HasSuffix(line, " --\n"):
			files = append(files, file{name: name})
		case len(files) == 0:
			title += line
		default:
			files[len(files)-1].text += line
		}
	}
	return title, files
}

func isTree(name string) bool {
	return filepath.Ext(name) == ".toml" || strings.HasPrefix(filepath.Base(name), "Procfile")
}

// faultsOf are the faults of a file that has some, each with a place in it.
func faultsOf(t *testing.T, path string) configs.Faults {
	t.Helper()
	_, err := configs.Load(path, environ)
	var faults configs.Faults
	if !errors.As(err, &faults) {
		t.Fatalf("%s: want faults, got %v", path, err)
	}
	return faults
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

func TestFaultsBeyond50AreCounted(t *testing.T) {
	t.Chdir(t.TempDir())
	var b strings.Builder
	b.WriteString("[process.web]\ncommand = \"x\"\n")
	for i := range 10_000 {
		fmt.Fprintf(&b, "key%d = 1\n", i)
	}
	write(t, "many.toml", b.String())
	faults := faultsOf(t, "many.toml")
	if len(faults) != 51 || faults[50].Text != "and 9950 more faults" || faults[50].Line != 0 {
		t.Errorf("got %d faults, the last is %+v", len(faults), faults[len(faults)-1])
	}
	for i, f := range faults[:50] {
		if f.Line != i+3 || f.Column != 1 {
			t.Errorf("fault %d is told at %d:%d", i, f.Line, f.Column)
		}
	}
	if text := faults.Error(); !strings.HasSuffix(text, "\nand 9950 more faults") || strings.Count(text, "unknown key") != 50 {
		t.Errorf("it says: %s", text)
	}
}
