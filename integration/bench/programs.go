package main

import (
	"context"
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// sources are the programs in C: what is supervised, and the least that can do so.
//
//go:embed children/*.c children/*.h floor/c/*.c
var sources embed.FS

// childrenDir is the folder of the programs that are supervised, by which a process is known as a child.
const childrenDir = "supervision-bench-children"

// programs are the paths of everything that is built for one run of the bench.
type programs struct {
	stamp, chatter, // the children
	floorC, floorGo, coppice string
}

// build makes all programs below dir. coppice is a build of the program under test; "": it is built from the source
// around the working directory.
func build(ctx context.Context, dir, coppice string) (programs, error) {
	children := filepath.Join(dir, childrenDir)
	p := programs{
		stamp: filepath.Join(children, "stamp"), chatter: filepath.Join(children, "chatter"),
		floorC: filepath.Join(dir, "floor-c"), floorGo: filepath.Join(dir, "floor-go"), coppice: coppice,
	}
	src := filepath.Join(dir, "src")
	if err := os.CopyFS(src, sources); err != nil {
		return p, err
	}
	if err := os.Mkdir(children, 0o755); err != nil {
		return p, err
	}
	freestanding := []string{"gcc", "-O2", "-static", "-nostdlib", "-ffreestanding", "-fno-stack-protector", "-fno-tree-loop-distribute-patterns"}
	steps := [][]string{
		append(freestanding, "-o", p.stamp, filepath.Join(src, "children/stamp.c")),
		append(freestanding, "-o", p.chatter, filepath.Join(src, "children/chatter.c")),
		{"gcc", "-O2", "-o", p.floorC, filepath.Join(src, "floor/c/floor.c")},
		goBuild(p.floorGo, "coppice/integration/bench/floor"),
	}
	if coppice == "" {
		p.coppice = filepath.Join(dir, "coppice")
		steps = append(steps, goBuild(p.coppice, "coppice/cmd/coppice"))
	}
	for _, step := range steps {
		cmd := exec.CommandContext(ctx, step[0], step[1:]...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return p, fmt.Errorf("%s: %w\n%s", strings.Join(step, " "), err, out)
		}
	}
	return p, nil
}

// goBuild is the command that builds a package as `make build` does.
func goBuild(to, pkg string) []string {
	return []string{"go", "build", "-trimpath", "-ldflags", "-s -w", "-o", to, pkg}
}
