package main

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// floor is a bare program that starts and reaps, and nothing else: the least that the system allows.
type floor struct {
	title   string
	program func(programs) string
	built   *programs
	serial  bool
}

func floors(built *programs) []peer {
	inC := func(p programs) string { return p.floorC }
	inGo := func(p programs) string { return p.floorGo }
	return []peer{
		&floor{title: floorC, program: inC, built: built},
		&floor{title: floorGo, program: inGo, built: built},
		&floor{title: floorSerial, program: inGo, built: built, serial: true},
		floorCat{},
	}
}

// The floors by name. floorGo is what ratios are to.
const (
	floorC      = "floor-c"
	floorGo     = "floor-go"
	floorSerial = "floor-go-serial"
)

func (f *floor) name() string { return f.title }

func (f *floor) install(context.Context, string) (string, error) { return "built here", nil }

func (f *floor) terms() terms {
	if f.serial {
		return terms{only: []measure{measureStop}}
	}
	return terms{}
}

func (f *floor) prepare(_ context.Context, j job) (run, error) {
	if err := os.WriteFile(j.path("job"), []byte(j.lines()), 0o600); err != nil {
		return nil, err
	}
	out := os.DevNull
	if j.output != nil {
		out = j.path("output")
	}
	argv := []string{f.program(*f.built), j.path("job"), out}
	if f.serial {
		argv = append(argv, "serial")
	}
	return &floorRun{foreground{job: j, argv: argv, ask: syscall.SIGTERM}}, nil
}

type floorRun struct{ foreground }

// logs: the children write it themselves, as fast as the file system takes it.
func (r *floorRun) logs() ([]string, error) { return []string{r.job.path("output")}, nil }

// floorCat is a pipe and cat: the least that a logger can do.
type floorCat struct{}

func (floorCat) name() string { return "floor-cat" }

func (floorCat) install(ctx context.Context, _ string) (string, error) {
	out, err := exec.CommandContext(ctx, "cat", "--version").Output()
	first, _, _ := strings.Cut(string(out), "\n")
	return first, err
}

func (floorCat) terms() terms { return terms{only: []measure{measureLog, measureLines}} }

func (floorCat) prepare(_ context.Context, j job) (run, error) {
	pipe := strings.Join(j.children[0].argv, " ") + " | cat > " + j.path("output")
	return &catRun{floorRun{foreground{job: j, argv: []string{"/bin/sh", "-c", pipe}}}}, nil
}

type catRun struct{ floorRun }

// stop ends who writes; cat and the shell end behind it.
func (r *catRun) stop(ctx context.Context) error {
	for _, pid := range marked(r.job.dir) {
		if isChild(pid) {
			_ = unix.Kill(pid, unix.SIGTERM)
		}
	}
	return r.ended(ctx)
}
