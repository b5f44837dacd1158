package integration

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// faultsMax is the number of the last fault of docs/faults.md.
const faultsMax = 104

// Every fault has its line in docs/faults.md, and every test that is named there
// exists: the page is not a wish.
func TestFaultsPage(t *testing.T) {
	page, err := os.ReadFile("../docs/faults.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	row := regexp.MustCompile(`^\| (F\d+) \|.*\|$`)
	for line := range strings.Lines(string(page)) {
		line = strings.TrimSuffix(line, "\n")
		if m := row.FindStringSubmatch(line); m != nil {
			if rows[m[1]] != "" {
				t.Errorf("%s stands there twice", m[1])
			}
			rows[m[1]] = line
		}
	}
	if len(rows) != faultsMax {
		t.Errorf("there are %d faults", len(rows))
	}
	for n := 1; n <= faultsMax; n++ {
		checkFault(t, rows[fmt.Sprintf("F%02d", n)], n)
	}
}

// checkFault wants the line of a fault to name tests that exist, or to say that there
// is none.
func checkFault(t *testing.T, line string, n int) {
	t.Helper()
	if line == "" {
		t.Errorf("F%02d is missing", n)
		return
	}
	named := regexp.MustCompile("`(\\./[a-z/]+) (\\w+)`").FindAllStringSubmatch(line, -1)
	if len(named) == 0 && !strings.Contains(line, "| no test") {
		t.Errorf("F%02d has no test and does not say why", n)
	}
	for _, m := range named {
		if !hasTest(t, m[1], m[2]) {
			t.Errorf("F%02d names %s of %s, which does not exist", n, m[2], m[1])
		}
	}
	for _, m := range regexp.MustCompile("\\(`(\\w+)`\\)").FindAllStringSubmatch(line, -1) {
		if !hasTest(t, "./integration", m[1]) {
			t.Errorf("F%02d names %s, which does not exist", n, m[1])
		}
	}
}

// hasTest says whether a package has a test function.
func hasTest(t *testing.T, pkg, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", pkg, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Errorf("%s has no tests: %v", pkg, err)
	}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == name {
				return true
			}
		}
	}
	return false
}
