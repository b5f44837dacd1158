package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// coppice is the program that this project builds, in one of its variants.
type coppice struct {
	title string
	built *programs
	only  []measure
	log   string // what the tree file says of logs, beside their size
	// template says that the children stand in no file, but are started by name.
	template bool
}

func coppices(built *programs) []peer {
	return []peer{
		&coppice{title: "coppice", built: built},
		&coppice{title: "coppice-direct", built: built, only: []measure{measureLog, measureLines}, log: "mode = \"direct\"\n"},
		&coppice{title: "coppice-template", built: built, only: []measure{measureMass, measureStop}, template: true},
	}
}

func (c *coppice) name() string { return c.title }

func (c *coppice) install(ctx context.Context, _ string) (string, error) {
	out, err := exec.CommandContext(ctx, c.built.coppice, "version").Output()
	return strings.TrimPrefix(strings.TrimSpace(string(out)), "coppice "), err
}

func (c *coppice) terms() terms { return terms{only: c.only, survives: true} }

// intensity of the root: a number that is never reached, so that what OTP's window costs is measured, too.
const intensity = "intensity = 1000000\nperiod = \"1s\"\n"

func (c *coppice) prepare(_ context.Context, j job) (run, error) {
	r := &coppiceRun{job: j, program: c.built.coppice}
	if c.template {
		tree := "[template.jobs]\nrestart = \"permanent\"\n" + intensity
		return &templateRun{r}, os.WriteFile(j.path("tree.toml"), []byte(tree), 0o600)
	}
	var b strings.Builder
	b.WriteString("[supervisor.root]\n" + intensity + "children = [")
	for _, child := range j.children {
		fmt.Fprintf(&b, "%q, ", child.name)
	}
	b.WriteString("]\n")
	if j.output != nil {
		fmt.Fprintf(&b, "[log]\nmax_size = \"%dB\"\nmax_files = %d\n%s", j.output.size, j.output.keep, c.log)
	}
	for _, child := range j.children {
		fmt.Fprintf(&b, "[process.%s]\ncommand = [\"%s\"]\n", child.name, strings.Join(child.argv, `", "`))
	}
	return r, os.WriteFile(j.path("tree.toml"), []byte(b.String()), 0o600)
}

// coppiceRun is one tree, in the background as `up -d` makes it.
type coppiceRun struct {
	job     job
	program string
	pair    []int // keeper and daemon, as last seen
}

// argv is a command about this tree.
func (r *coppiceRun) argv(args ...string) []string {
	return append([]string{r.program, "--file", r.job.path("tree.toml")}, args...)
}

func (r *coppiceRun) command(ctx context.Context, args ...string) ([]byte, error) {
	argv := r.argv(args...)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = r.job.environ()
	out, err := cmd.Output()
	if exit, ok := err.(*exec.ExitError); ok {
		err = fmt.Errorf("%s: %w: %s", args[0], err, exit.Stderr)
	}
	return out, err
}

func (r *coppiceRun) start(ctx context.Context) error {
	_, err := r.command(ctx, "up", "-d")
	return err
}

func (r *coppiceRun) supervisors() ([]int, error) {
	out, err := r.command(context.Background(), "status", "--json", r.job.children[0].name)
	var status struct{ Daemon struct{ PID, Keeper int } }
	if json.Unmarshal(out, &status) != nil || status.Daemon.PID == 0 { // a child that does not run just now is a code, too
		return nil, cmp.Or(err, fmt.Errorf("status says %q", out))
	}
	r.pair = []int{status.Daemon.PID, status.Daemon.Keeper}
	return r.pair, nil
}

func (r *coppiceRun) pids(seen []int) ([]int, error) { return seen, nil }

func (r *coppiceRun) stop(ctx context.Context) error {
	_, err := r.command(ctx, "down")
	return err
}

// kill has nothing to do: keeper and daemon carry the mark, by which they are found however often one
// has replaced the other.
func (r *coppiceRun) kill() {}

func (r *coppiceRun) control() *control {
	return &control{
		env:    r.job.environ(),
		bare:   []string{r.program, "version"},
		status: r.argv("status"),
		stop:   func(child string) []string { return r.argv("stop", child) },
		start:  func(child string) []string { return r.argv("start", child) },
	}
}

func (r *coppiceRun) daemon() (int, error) {
	pair, err := r.supervisors()
	if err != nil {
		return 0, err
	}
	return pair[0], nil
}

func (r *coppiceRun) answers(ctx context.Context) error {
	_, err := r.command(ctx, "status", r.job.children[0].name)
	return err
}

func (r *coppiceRun) logs() ([]string, error) {
	var all []string
	for _, child := range r.job.children {
		files, err := filepath.Glob(r.job.path(".coppice/log/" + child.name + "/[0-9]*.log"))
		if err != nil {
			return nil, err
		}
		all = append(all, files...)
	}
	return all, nil
}
