package trampoline

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// run takes the steps in their order (doc.go).
func (t *trampoline) run() *Failure {
	for _, step := range []func() *Failure{
		t.readSecrets, t.setOOM, t.setNice, t.setIOPriority, t.setScheduler, t.setAffinity, t.raiseLimits,
		t.mount, t.bound, t.become, t.setCapabilities, t.giveSecrets, t.enter, t.setNoNewPrivs, t.setLandlock,
		t.setUmask, t.setLimits, t.execute,
	} {
		if f := step(); f != nil {
			return f
		}
	}
	return nil
}

// errnoOf is the system's reason in an error, 0 if there is none.
func errnoOf(err error) syscall.Errno {
	var errno syscall.Errno
	errors.As(err, &errno)
	return errno
}

// reason is the system's word without a path, and what is lacking where it is known.
func reason(err error) string {
	text := err.Error()
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		text = path.Err.Error()
	}
	return text
}

func (t *trampoline) setOOM() *Failure {
	if t.OOMScoreAdj == nil {
		return nil
	}
	value := strconv.Itoa(*t.OOMScoreAdj)
	if err := os.WriteFile("/proc/self/oom_score_adj", []byte(value), 0); err != nil {
		return fail("oom_score_adj", err, "cannot set oom_score_adj to %s", value)
	}
	return nil
}

func (t *trampoline) setNice() *Failure {
	if t.Nice == nil {
		return nil
	}
	if err := unix.Setpriority(unix.PRIO_PROCESS, 0, *t.Nice); err != nil {
		return fail("nice", err, "cannot set nice to %d", *t.Nice)
	}
	return nil
}

// ioprioWhoProcess is IOPRIO_WHO_PROCESS of ioprio_set(2).
const ioprioWhoProcess = 1

func (t *trampoline) setIOPriority() *Failure {
	if t.IOPriority == nil {
		return nil
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_IOPRIO_SET, ioprioWhoProcess, 0, uintptr(*t.IOPriority)); errno != 0 {
		return fail("ionice", errno, "cannot set ionice")
	}
	return nil
}

func (t *trampoline) setScheduler() *Failure {
	if t.Scheduler == nil {
		return nil
	}
	attr := unix.SchedAttr{
		Size: unix.SizeofSchedAttr, Policy: uint32(t.Scheduler.Policy), Priority: uint32(t.Scheduler.Priority),
	}
	if now, err := unix.SchedGetAttr(0, 0); err == nil {
		attr.Nice = now.Nice
	}
	if err := unix.SchedSetAttr(0, &attr, 0); err != nil {
		return fail("sched", err, "cannot set sched to %s", t.Scheduler.Name)
	}
	return nil
}

func (t *trampoline) setAffinity() *Failure {
	if len(t.CPUs) == 0 {
		return nil
	}
	var set unix.CPUSet
	for _, cpu := range t.CPUs {
		set.Set(cpu)
	}
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fail("cpu_affinity", err, "cannot set cpu_affinity to %v", t.CPUs)
	}
	// The system leaves out those that are not there, if one is.
	var now unix.CPUSet
	if err := unix.SchedGetaffinity(0, &now); err != nil || now != set {
		return fail("cpu_affinity", err, "cannot set cpu_affinity to %v: this machine has not all of them for it", t.CPUs)
	}
	return nil
}

// raiseLimits raises hard limits while that is permitted. The rest waits until nothing
// of ours is done any more that a limit could forbid.
func (t *trampoline) raiseLimits() *Failure {
	for _, l := range t.Limits {
		var now syscall.Rlimit
		if err := syscall.Getrlimit(l.Resource, &now); err != nil {
			return l.failure(err, l.Hard, now)
		}
		if l.Hard <= now.Max {
			continue
		}
		if err := syscall.Setrlimit(l.Resource, &syscall.Rlimit{Cur: now.Cur, Max: l.Hard}); err != nil {
			return l.failure(err, l.Hard, now)
		}
	}
	return nil
}

func (t *trampoline) setLimits() *Failure {
	for _, l := range t.Limits {
		if err := syscall.Setrlimit(l.Resource, &syscall.Rlimit{Cur: l.Soft, Max: l.Hard}); err != nil {
			var now syscall.Rlimit
			_ = syscall.Getrlimit(l.Resource, &now) // zero explains less well
			return l.failure(err, l.Soft, now)
		}
	}
	return nil
}

// failure is "cannot set RLIMIT_NOFILE to 100000: operation not permitted (the hard
// limit is 4096)".
func (l *Limit) failure(err error, value uint64, now syscall.Rlimit) *Failure {
	f := fail("rlimits."+l.Key, err, "cannot set %s to %s", l.Name, limitText(value))
	if errnoOf(err) == syscall.EPERM {
		f.Cause += fmt.Sprintf(" (the hard limit is %s)", limitText(now.Max))
	}
	return f
}

// limitText is the value of a limit, RLIM_INFINITY being "infinity".
func limitText(value uint64) string {
	if value == unix.RLIM_INFINITY {
		return "infinity"
	}
	return strconv.FormatUint(value, 10)
}

func (t *trampoline) setUmask() *Failure {
	if t.Umask != nil {
		unix.Umask(*t.Umask)
	}
	return nil
}

func (t *trampoline) setNoNewPrivs() *Failure {
	if !t.NoNewPrivs {
		return nil
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fail("no_new_privs", err, "cannot set no_new_privs")
	}
	return nil
}

// enter enters the directory as the user, so that it has to be one of theirs.
func (t *trampoline) enter() *Failure {
	if t.Dir == "" {
		return nil
	}
	if err := unix.Chdir(t.Dir); err != nil {
		return &Failure{Key: "dir", Errno: int(errnoOf(err))}
	}
	return nil
}
