package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestStrangers runs a stand-in for each peer that no registry has: a program of its name that tells a version,
// and else its arguments and the files that it was given.
func TestStrangers(t *testing.T) {
	bin := t.TempDir()
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	const standIn = "#!/bin/sh\ncase \"$*\" in *version*) echo Stand-in v1.2.3;; *) echo \"$@\";; esac\n"
	for _, p := range []peer{pebble(), processCompose(), supervisordGo(), overmind(), hivemind(), goreman()} {
		t.Run(p.name(), func(t *testing.T) {
			program := filepath.Join(bin, p.(*onPath).program)
			if err := os.WriteFile(program, []byte(standIn), 0o755); err != nil {
				t.Fatal(err)
			}
			if version, err := p.install(t.Context(), t.TempDir()); err != nil || version != "1.2.3" {
				t.Fatalf("version %q, %v", version, err)
			}
			for _, o := range []*output{nil, {size: 1 << 20, keep: 3}} {
				tryStranger(t, p, job{dir: t.TempDir(), children: crowd(2, "/bin/child", "stamps"), output: o})
			}
		})
	}
}

// tryStranger lives one life of a stand-in, which ends by itself.
func tryStranger(t *testing.T, p peer, j job) {
	t.Helper()
	r, err := p.prepare(context.Background(), j)
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	err = filepath.WalkDir(j.dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		texts = append(texts, string(b))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if all := strings.Join(texts, ""); !strings.Contains(all, "/bin/child stamps 0\n") || !strings.Contains(all, "/bin/child stamps 1\n") {
		t.Errorf("it knows of the children only %q", all)
	}
	if err := r.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-r.(*onPathRun).done
	if c := r.control(); c != nil {
		for _, argv := range [][]string{c.bare, c.status, c.stop("c1"), c.start("c1")} {
			if !filepath.IsAbs(argv[0]) || len(argv) < 2 {
				t.Errorf("command %q", argv)
			}
		}
		if !slices.Contains(c.stop("c1"), "c1") || !slices.Contains(c.start("c1"), "c1") {
			t.Errorf("a command does not name the child: %q, %q", c.stop("c1"), c.start("c1"))
		}
	}
	if err := r.stop(t.Context()); err != nil {
		t.Error(err)
	}
	r.kill()
}

func TestVersionIn(t *testing.T) {
	for said, want := range map[string]string{
		"v1.32.1\n": "1.32.1",
		"Process Compose\nVersion:        v1.122.0-1\nCommit: 23b0aca\n": "1.122.0-1",
		"Overmind version 2.5.1\n":                                       "2.5.1",
		"?\n":                                                            "of PATH",
	} {
		if got := versionIn(said); got != want {
			t.Errorf("%q is version %q", said, got)
		}
	}
}
