package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// pm2 is the process manager of Node's world.
type pm2 struct{ program string }

func (p *pm2) name() string { return "pm2" }

// pm2Commands is the file in a package's folder that starts the command line.
const pm2Commands = "bin/pm2"

func (p *pm2) install(ctx context.Context, dir string) (string, error) {
	if _, err := exec.LookPath("node"); err != nil {
		return "", err
	}
	pkg := filepath.Join(dir, "node_modules", "pm2")
	if path, err := exec.LookPath("pm2"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err != nil {
			return "", err
		}
		pkg = filepath.Dir(filepath.Dir(path))
	} else if _, err := os.Stat(filepath.Join(pkg, pm2Commands)); errors.Is(err, os.ErrNotExist) {
		get := exec.CommandContext(ctx, "npm", "install", "--prefix", dir, "--no-audit", "--no-fund", "pm2")
		get.Dir = dir
		if _, err := captured(get); err != nil {
			return "", err
		}
	}
	p.program = filepath.Join(pkg, pm2Commands)
	b, err := os.ReadFile(filepath.Join(pkg, "package.json"))
	if err != nil {
		return "", err
	}
	var about struct{ Version string }
	err = json.Unmarshal(b, &about)
	return about.Version, err
}

// pm2Most: a start of 1,000 takes 5 s and a stop of them 18 s.
const pm2Most = 1000

func (p *pm2) terms() terms { return terms{most: pm2Most} }

func (p *pm2) prepare(_ context.Context, j job) (run, error) {
	apps := make([]map[string]any, len(j.children))
	for i, c := range j.children {
		apps[i] = pm2App(j, c)
	}
	b, err := json.Marshal(map[string]any{"apps": apps})
	if err != nil {
		return nil, err
	}
	return &pm2Run{job: j, program: p.program}, os.WriteFile(j.path("apps.json"), b, 0o600)
}

// pm2App: a restart is never delayed and never the last one. What looks for a version control, measures the child and
// walks through its descendants is off.
func pm2App(j job, c child) map[string]any {
	const always = 1_000_000_000
	out := "/dev/null"
	if j.output != nil {
		out = j.path(c.name + ".log")
	}
	return map[string]any{
		"name": c.name, "script": c.argv[0], "args": c.argv[1:], "interpreter": "none", "exec_mode": "fork",
		"autorestart": true, "restart_delay": 0, "min_uptime": 0, "max_restarts": always,
		"vizion": false, "pmx": false, "treekill": false, "merge_logs": true, "out_file": out, "error_file": "/dev/null",
	}
}

// pm2Run is a daemon that the command line has started, with a home of its own.
type pm2Run struct {
	job     job
	program string
}

// environ: PM2_DISABLE_VERSION_CHECK keeps it from asking its makers for news.
func (r *pm2Run) environ() []string {
	return append(r.job.environ(), "PM2_HOME="+r.job.path("pm2"), "PM2_DISABLE_VERSION_CHECK=true")
}

func (r *pm2Run) command(ctx context.Context, words ...string) error {
	cmd := exec.CommandContext(ctx, r.program, words...)
	cmd.Env, cmd.Dir = r.environ(), r.job.dir
	_, err := captured(cmd)
	return err
}

func (r *pm2Run) start(ctx context.Context) error {
	return r.command(ctx, "start", r.job.path("apps.json"))
}

// daemonPID is the process that supervises; 0: none has begun.
func (r *pm2Run) daemonPID() int {
	b, _ := os.ReadFile(r.job.path("pm2/pm2.pid"))
	pid, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	return pid
}

func (r *pm2Run) supervisors() ([]int, error) {
	all := family(r.daemonPID())
	if len(all) == 0 {
		return nil, fmt.Errorf("its daemon %d has ended", r.daemonPID())
	}
	return all, nil
}

func (r *pm2Run) pids(seen []int) ([]int, error) { return seen, nil }

func (r *pm2Run) stop(ctx context.Context) error { return r.command(ctx, "kill") }

func (r *pm2Run) kill() {
	if pid := r.daemonPID(); pid > 0 {
		killAll(family(pid))
	}
}

func (r *pm2Run) control() *control {
	return &control{
		dir: r.job.dir, env: r.environ(),
		bare:   []string{r.program, "--version"},
		status: []string{r.program, "list"},
		stop:   func(child string) []string { return []string{r.program, "stop", child} },
		start:  func(child string) []string { return []string{r.program, "start", child} },
	}
}

func (r *pm2Run) logs() ([]string, error) {
	var all []string
	for _, c := range r.job.children {
		all = append(all, r.job.path(c.name+".log"))
	}
	return all, nil
}
