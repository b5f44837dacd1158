package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// systemd is the system manager as PID 1 of a pid and a mount namespace of its own.
type systemd struct{ suite suite }

func (s *systemd) name() string { return "systemd" }

func (s *systemd) install(ctx context.Context, dir string) (string, error) {
	if os.Geteuid() != 0 {
		return "", errors.New("its namespaces need root")
	}
	for _, tool := range []string{"unshare", "nsenter", "mount"} {
		if _, err := exec.LookPath(tool); err != nil {
			return "", err
		}
	}
	const installed = "/lib/systemd/systemd"
	out, err := exec.CommandContext(ctx, installed, "--version").Output()
	if err != nil {
		return s.suite.find(ctx, dir, "systemd", "systemd", "systemctl")
	}
	// "systemd 252 (252.38-1~deb12u1)", and lines of features.
	first, _, _ := strings.Cut(string(out), "\n")
	s.suite = suite{version: strings.Trim(first[strings.LastIndex(first, " ")+1:], "()"), root: "/"}
	return s.suite.version, nil
}

// systemdMost: 5,000 take half a minute to come up, and nearly one to come back.
const systemdMost = 5000

func (s *systemd) terms() terms {
	const none = "it captures output by journald, which is a supervised service itself and is not run here"
	return terms{most: systemdMost, not: map[measure]string{measureLog: none, measureLines: none, measureLogKill: none}}
}

func (s *systemd) prepare(_ context.Context, j job) (run, error) {
	r := &systemdRun{suite: s.suite, outer: map[int]int{}}
	for _, root := range systemdHierarchies() {
		r.groups = append(r.groups, filepath.Join(root, fmt.Sprintf("coppice-bench-%d", os.Getpid())))
	}
	argv := []string{"unshare", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child", "/bin/sh", j.path("world")}
	r.foreground = foreground{job: j, argv: argv, env: s.suite.environ()}
	files := map[string]string{
		"world":             r.world(),
		"conf/system.conf":  systemdConfig,
		"units/bench.slice": systemdBare,
	}
	var wants []string
	for _, c := range j.children {
		files["units/"+c.name+".service"] = fmt.Sprintf(systemdService, strings.Join(c.argv, " "))
		wants = append(wants, c.name+".service")
	}
	files["units/bench.target"] = systemdBare + "Wants=" + strings.Join(wants, " ") + "\n"
	for _, dir := range []string{"conf", "units", "generators", "groups"} {
		if err := os.Mkdir(j.path(dir), 0o755); err != nil {
			return nil, err
		}
	}
	for name, text := range files {
		if err := os.WriteFile(j.path(name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// systemdConfig: without accounting it makes control groups in the hierarchies that it needs and in no other.
const systemdConfig = `[Manager]
DefaultCPUAccounting=no
DefaultIOAccounting=no
DefaultMemoryAccounting=no
DefaultTasksAccounting=no
DefaultIPAccounting=no
DefaultTasksMax=infinity
`

// systemdBare is a unit that needs none of those that make a system.
const systemdBare = "[Unit]\nDefaultDependencies=no\n"

// systemdService is a child: its restart is never delayed and never the last one.
const systemdService = systemdBare + `StartLimitIntervalSec=0
[Service]
ExecStart=%s
Restart=always
RestartSec=0
StandardOutput=null
StandardError=null
Slice=bench.slice
`

// cgroupRoot is where control groups are, of both versions.
const cgroupRoot = "/sys/fs/cgroup"

// systemdHierarchies are the trees of control groups that systemd makes its own groups in: the one of version 2, or that
// and its own of version 1.
func systemdHierarchies() []string {
	if _, err := os.Stat(filepath.Join(cgroupRoot, "cgroup.controllers")); err == nil {
		return []string{cgroupRoot}
	}
	var all []string
	for _, name := range []string{"systemd", "unified"} {
		if dir := filepath.Join(cgroupRoot, name); exists(dir) {
			all = append(all, dir)
		}
	}
	return all
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// world is the script that becomes PID 1. Before that it makes what keeps the machine as it is: the root and the kernel's
// settings are read-only, and where control groups are of version 1, systemd sees the trees that it needs and mounts no other.
// Its root is a group of its own in each. It takes itself for the init of a container.
func (r *systemdRun) world() string {
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	say("set -e")
	for _, g := range r.groups {
		say("echo 0 > %s/cgroup.procs", g)
	}
	life := filepath.Dir(r.job.dir) // where the stamps are, too
	say("mount -n --make-rprivate /\nmount -n --bind %s %s\nmount -n -o remount,bind,ro /", life, life)
	say("mount -n -t proc proc /proc\nmount -n --bind /proc/sys /proc/sys\nmount -n -o remount,bind,ro /proc/sys")
	if groups := r.job.path("groups"); !exists(filepath.Join(cgroupRoot, "cgroup.controllers")) {
		say("mount -n -t tmpfs groups %s", groups)
		for _, root := range systemdHierarchies() {
			at := filepath.Join(groups, filepath.Base(root))
			say("mkdir %s\nmount -n --bind %s %s", at, root, at)
		}
		say("mount -n -o remount,bind,ro %s\nmount -n --move %s %s", groups, groups, cgroupRoot)
	}
	say("mount -n -t tmpfs run /run\nmount -n --bind %s /etc/systemd", r.job.path("conf"))
	say("exec env -i PATH=\"$PATH\" LD_LIBRARY_PATH=\"$LD_LIBRARY_PATH\" %s=\"$%s\" container=bench \\", mark, mark)
	say(" SYSTEMD_UNIT_PATH=%s SYSTEMD_GENERATOR_PATH=%s \\", r.job.path("units"), r.job.path("generators"))
	say(" %s --system --unit=bench.target --log-target=null --show-status=no", r.suite.program("systemd"))
	return b.String()
}

type systemdRun struct {
	foreground
	suite  suite
	groups []string
	outer  map[int]int // pids as the bench sees them, by those of the namespace
}

func (r *systemdRun) start(ctx context.Context) error {
	for _, g := range r.groups {
		if err := os.Mkdir(g, 0o755); err != nil {
			return err
		}
	}
	return r.foreground.start(ctx)
}

// init is the PID 1 as the bench sees it; 0: there is none.
func (r *systemdRun) init() int {
	if all := childrenOf(r.cmd.Process.Pid); len(all) > 0 {
		return all[0]
	}
	return 0
}

// childrenOf are the processes whose parent one is.
func childrenOf(pid int) []int {
	b, _ := os.ReadFile(proc(pid, fmt.Sprintf("task/%d/children", pid)))
	var all []int
	for word := range bytes.FieldsSeq(b) {
		child, _ := strconv.Atoi(string(word))
		all = append(all, child)
	}
	return all
}

func (r *systemdRun) supervisors() ([]int, error) {
	all := family(r.init())
	if len(all) == 0 {
		return nil, fmt.Errorf("it has ended: %q", r.said())
	}
	return all, nil
}

func (r *systemdRun) pids(seen []int) ([]int, error) {
	all, looked := make([]int, len(seen)), false
	for i, inner := range seen {
		if innerPID(r.outer[inner]) != inner && !looked {
			r.look()
			looked = true
		}
		all[i] = r.outer[inner]
	}
	return all, nil
}

// look learns the pids of all that systemd has started.
func (r *systemdRun) look() {
	clear(r.outer)
	for _, pid := range childrenOf(r.init()) {
		r.outer[innerPID(pid)] = pid
	}
}

// innerPID is how a process knows itself; 0: it is gone.
func innerPID(pid int) int {
	b, _ := os.ReadFile(proc(pid, "status"))
	_, rest, _ := strings.Cut(string(b), "\nNSpid:")
	line, _, _ := strings.Cut(rest, "\n")
	inner, _ := strconv.Atoi(line[strings.LastIndexByte(line, '\t')+1:])
	return inner
}

// argv is a command in the namespaces; what it costs to enter them is measured with it.
func (r *systemdRun) argv(words ...string) []string {
	enter := []string{"nsenter", "--target", strconv.Itoa(r.init()), "--mount", "--pid", r.suite.program("systemctl")}
	return append(enter, words...)
}

// stop stops the slice, and with it all services. The manager itself is killed, for what it does when it shuts
// a machine down is nothing to try.
func (r *systemdRun) stop(ctx context.Context) error {
	argv := r.argv("stop", "bench.slice")
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(r.job.environ(), r.suite.environ()...)
	if _, err := captured(cmd); err != nil {
		return err
	}
	r.foreground.ask = syscall.SIGKILL
	return r.foreground.stop(ctx)
}

// kill: with the PID 1, and with its parent too, all of the namespace ends; so do the control groups.
func (r *systemdRun) kill() {
	r.foreground.kill()
	const tries, pause = 100, 10 * time.Millisecond // those that were killed may still be in them
	for range tries {
		left := false
		for _, g := range r.groups {
			removeGroup(g)
			left = left || exists(g)
		}
		if !left {
			return
		}
		time.Sleep(pause)
	}
}

// removeGroup removes a control group and those below it, as far as nobody is in them.
func removeGroup(dir string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if e.IsDir() {
			removeGroup(filepath.Join(dir, e.Name()))
		}
	}
	_ = syscall.Rmdir(dir)
}

func (r *systemdRun) control() *control {
	return &control{
		env:    append(r.job.environ(), r.suite.environ()...),
		bare:   r.argv("--version"),
		status: r.argv("list-units", "--no-pager", "c*.service"),
		stop:   func(child string) []string { return r.argv("stop", child) },
		start:  func(child string) []string { return r.argv("start", child) },
	}
}
