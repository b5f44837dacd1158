package tree_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"coppice/tree/treetest"
)

// TestOTP plays what Erlang/OTP's own supervisor was made to play, and wants
// its traces, line for line: the rules one by one (named) and at random
// (seeded). integration/otp_test.go makes fresh ones.
func TestOTP(t *testing.T) {
	for _, set := range []string{"named", "seeded"} {
		files, err := filepath.Glob(filepath.Join("testdata", "otp", set, "*.scn"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no scenarios in testdata/otp/%s (%v)", set, err)
		}
		for _, file := range files {
			t.Run(set+"/"+strings.TrimSuffix(filepath.Base(file), ".scn"), func(t *testing.T) {
				compareWithTrace(t, file)
			})
		}
	}
}

func compareWithTrace(t *testing.T, file string) {
	text, want := read(t, file), read(t, strings.TrimSuffix(file, ".scn")+".trace")
	sc, err := treetest.ParseScenario(text)
	if err != nil {
		t.Fatal(err)
	}
	got, err := treetest.Trace(sc, nil)
	if err != nil {
		t.Errorf("%v", err)
	}
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("OTP (-) and the tree (+) differ:\n%s", diff)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
