package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// monit is no parent of what it starts: it looks at pid files, and starts what is not there.
type monit struct{ suite suite }

func (m *monit) name() string { return "monit" }

func (m *monit) install(ctx context.Context, dir string) (string, error) {
	return m.suite.find(ctx, dir, "monit", "monit")
}

// monitMost: it starts and stops one after the other, at a fifth of a second each.
const monitMost = 100

func (m *monit) terms() terms {
	const none = "it does not capture output"
	return terms{
		delay: "it looks once a second", most: monitMost,
		not: map[measure]string{measureLog: none, measureLines: none, measureLogKill: none},
	}
}

func (m *monit) prepare(_ context.Context, j job) (run, error) {
	r := &monitRun{suite: m.suite}
	for _, c := range j.children { // a start program has done its work when it ends
		script := fmt.Sprintf("#!/bin/sh\n%s &\necho $! > %s\n", strings.Join(c.argv, " "), pidFile(j, c))
		if err := os.WriteFile(j.path(c.name+".sh"), []byte(script), 0o755); err != nil {
			return nil, err
		}
	}
	if err := os.WriteFile(j.path("monitrc"), []byte(monitConfig(j)), 0o600); err != nil {
		return nil, err
	}
	argv := []string{m.suite.program("monit"), "-I", "-c", j.path("monitrc")}
	r.foreground = foreground{job: j, argv: argv, env: m.suite.environ(), ask: syscall.SIGTERM}
	return r, nil
}

// pidFile says which process a child is.
func pidFile(j job, c child) string { return j.path(c.name + ".pid") }

// monitConfig: a cycle of one second is the shortest.
func monitConfig(j job) string {
	var b strings.Builder
	fmt.Fprintf(&b, "set daemon 1\nset pidfile %s\nset idfile %s\nset statefile %s\n", j.path("pid"), j.path("id"), j.path("state"))
	fmt.Fprintf(&b, "set httpd unixsocket %s allow bench:bench\n", j.path("socket"))
	for _, c := range j.children {
		pid := pidFile(j, c)
		fmt.Fprintf(&b, "check process %s with pidfile %s\n", c.name, pid)
		fmt.Fprintf(&b, "  start program = \"%s\" with timeout 1 seconds\n", j.path(c.name+".sh"))
		fmt.Fprintf(&b, "  stop program = \"/bin/sh -c 'kill $(cat %s)'\"\n", pid)
	}
	return b.String()
}

type monitRun struct {
	foreground
	suite suite
	ended atomic.Bool
}

// start: what monit has started belongs to init, and monit takes it for running until init has reaped it. The
// bench takes that part, for some machines have an init that looks every other second.
func (r *monitRun) start(ctx context.Context) error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return err
	}
	if err := r.foreground.start(ctx); err != nil {
		return err
	}
	go r.reap()
	return nil
}

// reap waits for any child of the bench and reaps it if it is one of monit's. The others are for those who wait for them.
func (r *monitRun) reap() {
	for !r.ended.Load() {
		switch err := unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WNOWAIT, nil); err {
		case nil, unix.EINTR:
		default:
			return // there is none left
		}
		for _, c := range r.job.children {
			if pid := r.pid(c); pid > 0 {
				_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil)
			}
		}
		time.Sleep(time.Millisecond)
	}
}

func (r *monitRun) kill() {
	r.ended.Store(true)
	r.foreground.kill()
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
}

func (r *monitRun) argv(words ...string) []string {
	return append([]string{r.suite.program("monit"), "-c", r.job.path("monitrc")}, words...)
}

// stop: what monit has started outlives it, so all is stopped first, by a command that only says so.
func (r *monitRun) stop(ctx context.Context) error {
	argv := r.argv("stop", "all")
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(r.job.environ(), r.suite.environ()...)
	if _, err := captured(cmd); err != nil {
		return err
	}
	for _, c := range r.job.children {
		for r.running(c) {
			if err := ctx.Err(); err != nil {
				return fmt.Errorf("%s lives: %w", c.name, context.Cause(ctx))
			}
			time.Sleep(time.Millisecond)
		}
	}
	return r.foreground.stop(ctx)
}

func (r *monitRun) running(c child) bool {
	pid := r.pid(c)
	return pid > 0 && alive(pid) && isChild(pid)
}

// pid is the last incarnation of a child; 0: there has been none.
func (r *monitRun) pid(c child) int {
	b, _ := os.ReadFile(pidFile(r.job, c))
	pid, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	return pid
}

// control: stop and start only ask for something that comes within a cycle, so they say nothing about time.
func (r *monitRun) control() *control {
	return &control{
		env:    append(r.job.environ(), r.suite.environ()...),
		bare:   []string{r.suite.program("monit"), "--version"},
		status: r.argv("summary"),
	}
}
