package integration

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The house rules, as tests. One that fails names the rule and its reason.

// mayImport says which of the project's own packages a package may import. A
// package that is missing here may import none.
var mayImport = map[string][]string{
	"tree/treetest":      {"tree"},
	"configs":            {"tree"},
	"ipc":                {"tree"},
	"supervisor/process": {"tree", "configs", "supervisor/poller", "supervisor/procfs", "supervisor/crash", "supervisor/trampoline"},
	"supervisor/keeper":  {"supervisor/crash", "supervisor/poller", "supervisor/footprint"},
	"supervisor/journal": {"tree", "configs", "supervisor/crash"},
	"supervisor/logs":    {"tree", "configs", "supervisor/poller", "supervisor/crash"},
	"supervisor/probe":   {"tree", "configs", "supervisor/poller", "supervisor/procfs"},
	"supervisor/watch":   {"tree", "configs"},
	"supervisor/usage":   {"tree", "configs"},
	"supervisor": {
		"tree", "configs", "ipc", "supervisor/process", "supervisor/logs",
		"supervisor/probe", "supervisor/watch", "supervisor/usage",
		"supervisor/keeper", "supervisor/journal", "supervisor/crash", "supervisor/trampoline", "supervisor/footprint",
	},
	"cmd/coppice": {"tree", "configs", "ipc", "supervisor", "supervisor/keeper"},
}

// doors are the modules from outside: who may import them, and why only they.
var doors = map[string]struct {
	who []string
	why string
}{
	"github.com/spf13/":              {[]string{"cmd/coppice"}, "the command line is one package"},
	"github.com/BurntSushi/toml":     {[]string{"configs"}, "the tree file is read in one place"},
	"go.uber.org/zap":                {[]string{"supervisor", "cmd/coppice"}, "the runtime logs, and cmd makes its log; the core reports"},
	"github.com/fsnotify/":           {[]string{"supervisor/watch"}, "files are watched in one place"},
	"github.com/shirou/gopsutil/":    {[]string{"supervisor/usage"}, "some of its calls fork, some are slow: one place knows which"},
	"github.com/bmatcuk/doublestar/": {[]string{"configs", "supervisor/watch"}, "globs are for watch"},
	"github.com/moby/sys/capability": {[]string{"configs", "supervisor/trampoline"}, "capabilities are named in one place and set in another"},
	"github.com/landlock-lsm/":       {[]string{"supervisor/trampoline"}, "a process restricts itself there and nowhere else"},
	"github.com/go-json-experiment":  {[]string{"supervisor/journal"}, "a journal of thousands of processes is read while they wait for their daemon"},
	"github.com/elastic/":            {[]string{"configs", "supervisor"}, "system calls have their names in one place, and become a filter in another"},
	"golang.org/x/net/bpf":           {[]string{"supervisor"}, "the filter of system calls is assembled there"},
	"golang.org/x/sys/": {[]string{
		"supervisor/trampoline",
		"configs", "ipc", "supervisor", "supervisor/process", "supervisor/logs", "supervisor/probe",
		"supervisor/poller", "supervisor/procfs", "supervisor/usage", "supervisor/watch", "supervisor/keeper", "supervisor/journal", "supervisor/footprint", "cmd/coppice",
		"integration/bench",
	}, "the core makes no system call"},
	"golang.org/x/term": {[]string{"cmd/coppice"}, "terminals are the command line's"},
	"gonum.org/v1/plot": {[]string{"integration/bench"}, "a picture is drawn of what was measured, and of nothing else"},
	"os/exec":           {[]string{"integration/bench"}, "a second waiter steals exit statuses: nothing of the product but supervisor/process forks and waits"},
	"coppice/":          {nil, "see mayImport"},
}

// coreImports is all of the standard library that the core may use: nothing
// that knows a clock, a goroutine or a file.
var coreImports = []string{"cmp", "container/heap", "container/list", "errors", "fmt", "iter", "maps", "math", "reflect", "slices", "sort", "strconv", "strings"}

// goStatements are the goroutines that the product starts, counted. Another one
// belongs into the table in supervisor/doc.go first.
var goStatements = map[string]int{
	"supervisor":         5, // reaper, server, link, signals, a reload that nobody waits for
	"supervisor/process": 7, // who waits for the ends of children; who waits for those of adopted processes; who forks with no_new_privs, and who makes room for descriptors, for that moment; who forks in a crowd, twice: not on the first thread; a few that make threads and are gone
	"supervisor/keeper":  3, // the loop, who waits for descriptors, who sends what a full socket did not take
	"supervisor/logs":    3, // mover, compressor, echo
	"supervisor/probe":   3, // one that plans, a few that ask, one that hears notifications
	"supervisor/watch":   1, // watcher
	"supervisor/usage":   2, // one that lists the host's processes and up to three that read them, for a sample
	"ipc":                1, // a bind in a folder of its own thread, where there is no /proc
	"cmd/coppice":        1, // the events of wait
	"integration/bench":  3, // who waits for a supervisor that runs in the foreground; who reaps monit's orphans, until that has ended; a stop, whose end is watched meanwhile
}

// functionLinesMax is the length of the longest function: it fits a screen.
const functionLinesMax = 70

// source is one file of the product (not of its tests).
type source struct {
	pkg, path string
	file      *ast.File
	fset      *token.FileSet
}

func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	fset := token.NewFileSet()
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != ".." && strings.HasPrefix(d.Name(), "."), d.Name() == "testdata":
			return filepath.SkipDir
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		pkg, _ := filepath.Rel("..", filepath.Dir(path))
		all = append(all, source{pkg, path, file, fset})
		return nil
	})
	if err != nil || len(all) < 50 {
		t.Fatalf("%d files: %v", len(all), err)
	}
	return all
}

func TestImports(t *testing.T) {
	for _, s := range sources(t) {
		for _, spec := range s.file.Imports {
			path, _ := strconv.Unquote(spec.Path.Value)
			if own, ok := strings.CutPrefix(path, "coppice/"); ok {
				if !slices.Contains(mayImport[s.pkg], own) {
					t.Errorf("%s imports %s: the arrows of the import graph (ARCHITECTURE.md) do not go that way", s.path, path)
				}
				continue
			}
			if s.pkg == "tree" && !slices.Contains(coreImports, path) {
				t.Errorf("%s imports %s: the core is pure, it knows no clock, goroutine or file", s.path, path)
			}
			checkDoor(t, s, path)
		}
	}
}

func checkDoor(t *testing.T, s source, path string) {
	t.Helper()
	for prefix, door := range doors {
		if strings.HasPrefix(path, prefix) {
			if !slices.Contains(door.who, s.pkg) {
				t.Errorf("%s imports %s: %s", s.path, path, door.why)
			}
			return
		}
	}
	if strings.Contains(strings.Split(path, "/")[0], ".") {
		t.Errorf("%s imports %s: a module from outside needs a door in this test, with a reason", s.path, path)
	}
}

func TestGoroutinesAreCounted(t *testing.T) {
	count := map[string]int{}
	for _, s := range sources(t) {
		ast.Inspect(s.file, func(n ast.Node) bool {
			if startsGoroutine(n) {
				count[s.pkg]++
				if s.pkg == "tree" || s.pkg == "configs" {
					t.Errorf("%s starts a goroutine", s.fset.Position(n.Pos()))
				}
			}
			return true
		})
	}
	for pkg, n := range count {
		if n != goStatements[pkg] {
			t.Errorf("%s has %d go statements, the table says %d: every goroutine has an owner and an end (supervisor/doc.go)", pkg, n, goStatements[pkg])
		}
	}
}

// startsGoroutine: a go statement, or a WaitGroup's Go.
func startsGoroutine(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.GoStmt:
		return true
	case *ast.CallExpr:
		f, ok := n.Fun.(*ast.SelectorExpr)
		return ok && f.Sel.Name == "Go"
	}
	return false
}

func TestFunctionsFitAScreen(t *testing.T) {
	for _, s := range sources(t) {
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Body == nil {
				continue
			}
			if lines := s.fset.Position(f.End()).Line - s.fset.Position(f.Pos()).Line + 1; lines > functionLinesMax {
				t.Errorf("%s: %s has %d lines; %d fit a screen", s.fset.Position(f.Pos()), f.Name.Name, lines, functionLinesMax)
			}
		}
	}
}

func TestExportedThingsAreDocumented(t *testing.T) {
	for _, s := range sources(t) {
		for _, d := range s.file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && d.Doc == nil && (d.Recv == nil || !wellKnown(d.Name.Name)) {
					t.Errorf("%s: %s says nothing of what it means", s.fset.Position(d.Pos()), d.Name.Name)
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if ts, ok := spec.(*ast.TypeSpec); ok && ts.Name.IsExported() && d.Doc == nil && ts.Doc == nil {
						t.Errorf("%s: %s says nothing of what it means", s.fset.Position(ts.Pos()), ts.Name.Name)
					}
				}
			}
		}
	}
}

// wellKnown are methods whose meaning is an interface's of the standard library.
func wellKnown(method string) bool {
	return slices.Contains([]string{"Error", "String", "Len", "Less", "Swap", "Push", "Pop", "Close", "Unwrap", "Write"}, method)
}

func TestPackagesTellTheirStory(t *testing.T) {
	told := map[string]bool{}
	for _, s := range sources(t) {
		name := filepath.Base(s.path)
		has := s.file.Doc != nil && (name == "doc.go" || name == "main.go")
		told[s.pkg] = told[s.pkg] || has
		if slices.Contains([]string{"util.go", "utils.go", "common.go", "helpers.go", "types.go", "misc.go"}, name) {
			t.Errorf("%s: a file is one noun", s.path)
		}
	}
	for pkg, ok := range told {
		if !ok {
			t.Errorf("%s has no doc.go that tells its story", pkg)
		}
	}
}
