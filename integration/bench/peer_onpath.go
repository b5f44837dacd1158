package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// onPath is a peer that no registry has. It is measured where people have it on PATH, as its documentation
// says that it is run.
type onPath struct {
	title   string
	program string
	version []string // the arguments by which it tells its version
	limits  terms
	// signal makes it stop everything and end.
	signal syscall.Signal
	// files are what it reads, by their names in the life's folder.
	files func(j job) map[string]string
	// argv are the arguments of the supervisor.
	argv func(j job) []string
	// env is what it and its commands need in their environment.
	env func(j job) []string
	// commands are those of its command line, with argv[0] left out; nil: it has none.
	commands func(j job) *control
	// kept are the files that have what children wrote; nil: it prints that itself.
	kept func(j job) ([]string, error)
	// scattered says that some of its processes are no descendants of the first.
	scattered bool
	path      string // of the program, once it is found
}

func (p *onPath) name() string { return p.title }

func (p *onPath) terms() terms { return p.limits }

func (p *onPath) install(ctx context.Context, _ string) (string, error) {
	path, err := exec.LookPath(p.program)
	if err != nil {
		return "", errors.New("it is not on PATH, and Debian has no package of it")
	}
	out, err := captured(exec.CommandContext(ctx, path, p.version...))
	if err != nil {
		return "", err
	}
	p.path = path
	return versionIn(string(out)), nil
}

// versionIn is the first word with a digit in what a program says of its version.
func versionIn(said string) string {
	for _, word := range strings.Fields(said) {
		if strings.ContainsAny(word, "0123456789") {
			return strings.TrimPrefix(word, "v")
		}
	}
	return "of PATH"
}

func (p *onPath) prepare(_ context.Context, j job) (run, error) {
	for name, text := range p.files(j) {
		path := j.path(name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	r := &onPathRun{peer: p}
	r.foreground = foreground{job: j, argv: append([]string{p.path}, p.argv(j)...), ask: p.signal}
	if p.env != nil {
		r.env = p.env(j)
	}
	return r, nil
}

type onPathRun struct {
	foreground
	peer *onPath
}

func (r *onPathRun) supervisors() ([]int, error) {
	if !r.peer.scattered {
		return r.foreground.supervisors()
	}
	var all []int
	for _, pid := range marked(r.job.dir) {
		if alive(pid) && !isChild(pid) {
			all = append(all, pid)
		}
	}
	return all, nil
}

func (r *onPathRun) control() *control {
	if r.peer.commands == nil {
		return nil
	}
	c := r.peer.commands(r.job)
	whole := func(argv []string) []string { return append([]string{r.peer.path}, argv...) }
	stop, start := c.stop, c.start
	return &control{
		dir: r.job.dir, env: append(r.job.environ(), r.env...),
		bare: whole(c.bare), status: whole(c.status),
		stop:  func(child string) []string { return whole(stop(child)) },
		start: func(child string) []string { return whole(start(child)) },
	}
}

func (r *onPathRun) logs() ([]string, error) {
	if r.peer.kept == nil {
		return []string{r.job.path("supervisor.out")}, nil
	}
	return r.peer.kept(r.job)
}
