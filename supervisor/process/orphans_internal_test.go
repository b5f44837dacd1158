package process

import (
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience is more than a look can take.
const patience = time.Hour

// forkedOn starts a process that ends and leaves another one, which is an orphan then.
func forkedOn(t *testing.T, env ...string) int {
	t.Helper()
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	first := exec.Command("/bin/sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 & echo $!")
	first.Env = append(env, "PATH=/usr/bin:/bin")
	told, err := first.Output()
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(told)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = unix.Kill(pid, unix.SIGKILL)
		_, _ = unix.Wait4(pid, nil, 0, nil)
	})
	return pid
}

// Who becomes an orphan while the orphans are looked at is looked at, too.
func TestOrphansOfTheMoment(t *testing.T) {
	r := New(func([]Fact) {}, nil)
	late, looks := 0, [][]int{}
	settled := r.lookAround(&child{}, patience, somebody, func(_, orphans []int) {
		looks = append(looks, orphans)
		if late == 0 {
			late = forkedOn(t)
		}
	})
	if !settled || len(looks) != 2 || slices.Contains(looks[0], late) || !slices.Equal(looks[1], []int{late}) {
		t.Errorf("%d was looked for in %v", late, looks)
	}
}

// somebody is below a main process.
func somebody() []int { return []int{1 << 30} }

// One who makes orphans without end is not waited for.
func TestOrphansWithoutEnd(t *testing.T) {
	for most, want := range map[time.Duration]int{patience: aroundRounds + 1, 0: 1} {
		r := New(func([]Fact) {}, nil)
		looks := 0
		settled := r.lookAround(&child{}, most, somebody, func(_, _ []int) { forkedOn(t); looks++ })
		if settled || looks != want {
			t.Errorf("within %v: %d looks, settled %v", most, looks, settled)
		}
	}
}

// Who was not there when the processes were listed is found by the next list.
func TestNewProcesses(t *testing.T) {
	before, err := processes()
	if err != nil {
		t.Fatal(err)
	}
	late := forkedOn(t)
	now, err := newProcesses(before)
	if err != nil || !slices.Contains(now, late) || slices.Contains(now, os.Getpid()) {
		t.Errorf("%d is not in %v, or somebody else is: %v", late, now, err)
	}
}

// What a job has left, and nobody could look at for want of a descriptor, is killed later.
func TestJobStraysWithoutDescriptors(t *testing.T) {
	mark := JobUnit("tree", "child", 1, 1)
	left := forkedOn(t, mark)
	leader := exec.Command("/bin/true")
	leader.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := leader.Start(); err != nil {
		t.Fatal(err)
	}
	defer leader.Wait()
	r := New(func([]Fact) {}, nil)
	j := &job{Job: Job{ID: 1, Command: Command{Env: []string{mark}}}, pid: leader.Process.Pid, pipe: -1}
	back := withoutDescriptors(t)
	r.endJob(j)
	back()
	if isGone(left) {
		t.Fatal("it was killed though nothing could be looked at")
	}
	r.lookAtStrayJobs(time.Now().Add(time.Hour))
	for !isGone(left) {
		_, _ = unix.Wait4(left, nil, 0, nil)
	}
	if len(r.strayJobs) != 0 {
		t.Errorf("%v are left", r.strayJobs)
	}
}

// isGone says whether a process has ended.
func isGone(pid int) bool {
	s, err := readStat(pid)
	return err != nil || s.ended()
}
