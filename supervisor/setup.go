package supervisor

import (
	"os"
	"slices"
	"strings"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"coppice/configs"
	"coppice/supervisor/trampoline"
)

// setupOf is what a trampoline has to set up; nil where who a process runs as is all
// that it wants, which a fork can do by itself.
func setupOf(s *configs.Setup, who identity) (*trampoline.Spec, *setupFault) {
	if s.ByFork() {
		return nil, nil
	}
	spec := specOf(who)
	spec.Umask, spec.Nice, spec.OOMScoreAdj, spec.CPUs = s.Umask, s.Nice, s.OOMScoreAdj, s.CPUAffinity
	spec.NoNewPrivs = who.noNewPrivs || s.Syscalls != nil || s.Landlock != nil
	spec.Root, spec.PrivateTmp, spec.Views, spec.Landlock = s.RootDir, s.PrivateTmp, views(s), landlockOf(s.Landlock)
	if s.IONice != nil {
		priority := ioClasses[s.IONice.Class]<<13 | s.IONice.Level
		spec.IOPriority = &priority
	}
	if s.Sched != nil {
		spec.Scheduler = &trampoline.Scheduler{Name: s.Sched.Policy, Policy: policies[s.Sched.Policy], Priority: s.Sched.Priority}
	}
	for _, l := range s.Rlimits {
		spec.Limits = append(spec.Limits, trampoline.Limit{
			Name: "RLIMIT_" + strings.ToUpper(l.Name), Key: l.Name, Resource: resources[l.Name], Soft: l.Soft, Hard: l.Hard,
		})
	}
	for _, secret := range s.Secrets {
		spec.Secrets = append(spec.Secrets, trampoline.Secret(secret))
	}
	if fault := withCapabilities(spec, s); fault != nil {
		return nil, fault
	}
	var err error
	if spec.Filter, err = filterOf(s.Syscalls); err != nil {
		return nil, &setupFault{"syscalls", "cannot restrict its system calls: " + err.Error()}
	}
	return spec, nil
}

// specOf is what a trampoline has to set up for who a process runs as.
func specOf(who identity) *trampoline.Spec {
	spec := &trampoline.Spec{UserName: who.name, NoNewPrivs: who.noNewPrivs, NoAmbient: who.noAmbient}
	if c := who.credential; c != nil {
		spec.User = &trampoline.User{UID: int(c.Uid), GID: int(c.Gid), Groups: []int{}}
		for _, group := range c.Groups {
			spec.User.Groups = append(spec.User.Groups, int(group))
		}
	}
	return spec
}

// withPID has the number of a process in its environment, by which it knows that
// WATCHDOG_USEC, or LISTEN_FDS where it is given descriptors, is meant for it and not for
// what it starts (sd_watchdog_enabled(3), sd_listen_fds(3)). Only after the fork there is
// one. Where no trampoline can be executed it has to do without.
func withPID(spec *trampoline.Spec, who identity, watched, given bool) *trampoline.Spec {
	if !watched && !given {
		return spec
	}
	if _, err := os.Stat(trampoline.Program); err != nil {
		return spec
	}
	if spec == nil {
		spec = specOf(who)
	}
	if watched {
		spec.PIDVariables = append(spec.PIDVariables, "WATCHDOG_PID")
	}
	if given {
		spec.PIDVariables = append(spec.PIDVariables, "LISTEN_PID")
	}
	return spec
}

// ioClasses are the classes of ioprio_set(2).
var ioClasses = map[string]int{"realtime": 1, "best-effort": 2, "idle": 3}

// policies are those of sched(7).
var policies = map[string]int{
	"other": unix.SCHED_NORMAL, "batch": unix.SCHED_BATCH, "idle": unix.SCHED_IDLE,
	"fifo": unix.SCHED_FIFO, "rr": unix.SCHED_RR,
}

// resources are those of getrlimit(2), by their names in the tree file.
var resources = map[string]int{
	"as": unix.RLIMIT_AS, "core": unix.RLIMIT_CORE, "cpu": unix.RLIMIT_CPU, "data": unix.RLIMIT_DATA,
	"fsize": unix.RLIMIT_FSIZE, "locks": unix.RLIMIT_LOCKS, "memlock": unix.RLIMIT_MEMLOCK,
	"msgqueue": unix.RLIMIT_MSGQUEUE, "nice": unix.RLIMIT_NICE, "nofile": unix.RLIMIT_NOFILE,
	"nproc": unix.RLIMIT_NPROC, "rss": unix.RLIMIT_RSS, "rtprio": unix.RLIMIT_RTPRIO, "rttime": unix.RLIMIT_RTTIME,
	"sigpending": unix.RLIMIT_SIGPENDING, "stack": unix.RLIMIT_STACK,
}

// views are what a process sees of the file system.
func views(s *configs.Setup) []trampoline.View {
	var all []trampoline.View
	for _, kind := range []struct {
		key   string
		paths []string
	}{{"read_only", s.ReadOnly}, {"read_write", s.ReadWrite}, {"inaccessible", s.Inaccessible}} {
		for _, path := range kind.paths {
			path, optional := strings.CutPrefix(path, "-")
			all = append(all, trampoline.View{Kind: kind.key, Path: path, Optional: optional})
		}
	}
	return all
}

func landlockOf(l *configs.Landlock) *trampoline.Landlock {
	if l == nil {
		return nil
	}
	out := &trampoline.Landlock{Files: l.ReadOnly != nil || l.ReadWrite != nil, Net: l.Bind != nil || l.Connect != nil}
	out.ReadOnly, out.ReadWrite = listOf(l.ReadOnly), listOf(l.ReadWrite)
	out.Bind, out.Connect = listOf(l.Bind), listOf(l.Connect)
	return out
}

func listOf[T any](list *[]T) []T {
	if list == nil {
		return nil
	}
	return *list
}

// withCapabilities translates the names of capabilities.
func withCapabilities(spec *trampoline.Spec, s *configs.Setup) *setupFault {
	numbers := func(key string, names []string) ([]int, *setupFault) {
		list := make([]int, 0, len(names))
		for _, name := range names {
			number, ok := trampoline.Capability(name)
			if !ok {
				return nil, &setupFault{key, "cannot give it " + name + ": coppice does not know it"}
			}
			list = append(list, number)
		}
		return list, nil
	}
	var fault *setupFault
	if s.Capabilities != nil {
		list, f := numbers("capabilities", *s.Capabilities)
		spec.Capabilities, fault = &list, f
	}
	if len(s.Ambient) > 0 && fault == nil {
		spec.Ambient, fault = numbers("ambient", s.Ambient)
	}
	return fault
}

// always are system calls that an allow list need not name: without them a program
// cannot be executed, end, or return from a signal.
var always = []string{"execve", "exit", "exit_group", "futex", "prlimit64", "rt_sigreturn", "write"}

// filterOf assembles the filter of system calls. What is refused fails with EPERM. Calls
// of another architecture (int 0x80 on x86-64) have other numbers, so none of them may
// pass: that comes first, for the library would let them go the default way.
func filterOf(s *configs.Syscalls) ([]trampoline.Instruction, error) {
	if s == nil {
		return nil, nil
	}
	info, err := arch.GetInfo("")
	if err != nil {
		return nil, err
	}
	policy := seccomp.Policy{DefaultAction: seccomp.ActionErrno}
	group := seccomp.SyscallGroup{Names: s.Names, Action: seccomp.ActionAllow}
	if s.Deny {
		policy.DefaultAction, group.Action = seccomp.ActionAllow, seccomp.ActionErrno
	} else {
		group.Names = slices.Concat(s.Names, always)
		slices.Sort(group.Names)
		group.Names = slices.Compact(group.Names)
	}
	policy.Syscalls = []seccomp.SyscallGroup{group}
	program, err := policy.Assemble()
	if err != nil {
		return nil, err
	}
	const archOffset = 4 // of seccomp_data
	guard := []bpf.Instruction{
		bpf.LoadAbsolute{Off: archOffset, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(info.ID), SkipTrue: 1},
		bpf.RetConstant{Val: uint32(seccomp.ActionErrno) | uint32(unix.EPERM)},
	}
	raw, err := bpf.Assemble(append(guard, program...))
	if err != nil {
		return nil, err
	}
	filter := make([]trampoline.Instruction, len(raw))
	for i, in := range raw {
		filter[i] = trampoline.Instruction{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	return filter, nil
}
