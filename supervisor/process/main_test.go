package process_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coppice/supervisor/process"
)

// circumstance is the variable that makes this test binary run its tests as a
// daemon that was started in unusual circumstances.
const circumstance = "PROCESS_TEST_CIRCUMSTANCE"

func TestMain(m *testing.M) {
	switch os.Getenv(circumstance) {
	case "hostile starter":
		beHostile()
	case "no descriptors":
		closeStandardStreams()
	case "old kernel":
		forbid(unix.SYS_CLOSE_RANGE, unix.SYS_PIDFD_OPEN, unix.SYS_PIDFD_SEND_SIGNAL)
	case "first process":
		mountProc()
	case "first process of an old kernel":
		mountProc()
		forbid(unix.SYS_PIDFD_OPEN, unix.SYS_PIDFD_SEND_SIGNAL)
	case "parent":
		beParent()
	case "late":
		beLate()
	case "lacking CAP_KILL":
		drop(unix.CAP_KILL)
	case "lacking CAP_SYS_PTRACE":
		drop(unix.CAP_SYS_PTRACE)
	case "decoy":
		beDecoy()
	case "small limits":
		limit := syscall.Rlimit{Cur: 64, Max: 64}
		must(syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
	case "echo":
		beEcho()
	case "escaped parent":
		beEscapedParent()
	}
	if err := process.Sanitize(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// drop goes on without a capability.
func drop(capability uintptr) {
	runtime.LockOSThread()
	must(unix.Prctl(unix.PR_CAPBSET_DROP, capability, 0, 0, 0))
	again()
}

// inside says whether this process was started in a circumstance. If not, it runs
// the test in one that is.
func inside(t *testing.T, which string, sys *syscall.SysProcAttr) bool {
	t.Helper()
	now := os.Getenv(circumstance)
	if now == which || now == "started by a "+which {
		return true
	}
	under(t, which, "^"+t.Name()+"$", sys)
	return false
}

// helper is the shell's word for this test binary in a circumstance.
func helper(which string) string {
	return fmt.Sprintf("%s=%q %q", circumstance, which, exe)
}

// exe is this test binary.
var exe, _ = os.Executable()

// under runs the tests that match in a process of their own, in a circumstance.
func under(t *testing.T, which, tests string, sys *syscall.SysProcAttr) {
	t.Helper()
	if now := os.Getenv(circumstance); now != "" {
		t.Skipf("this is %q already", now)
	}
	read, write := pipe(t)
	if err := read.SetReadDeadline(time.Now().Add(5 * patience)); err != nil {
		t.Fatal(err)
	}
	argv := []string{os.Args[0], "-test.run=" + tests, "-test.v", "-test.timeout=" + (4 * patience).String()}
	pid, err := syscall.ForkExec(exe, argv, &syscall.ProcAttr{
		Env:   append(os.Environ(), circumstance+"="+which),
		Files: []uintptr{0, write.Fd(), write.Fd()},
		Sys:   sys,
	})
	if err == syscall.EPERM && sys != nil {
		t.Skip("private pid and mount namespaces are not permitted here")
	}
	if err != nil {
		t.Fatal(err)
	}
	write.Close()
	output, err := io.ReadAll(read)
	if err != nil {
		unix.Kill(pid, unix.SIGKILL)
		t.Errorf("under %q: %v", which, err)
	}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &status, 0, nil); err != nil || status != 0 {
		t.Fatalf("under %q: %v, status %#x\n%s", which, err, status, output)
	}
	if which != "no descriptors" && !bytes.Contains(output, []byte("--- PASS")) {
		t.Fatalf("under %q nothing was run:\n%s", which, output)
	}
	t.Logf("under %q: %d passed", which, bytes.Count(output, []byte("--- PASS")))
}

// again executes this test binary in place of itself, as a daemon that finds
// what this process leaves behind.
func again() {
	env := os.Environ()
	for i, variable := range env {
		if strings.HasPrefix(variable, circumstance+"=") {
			env[i] = circumstance + "=started by a " + os.Getenv(circumstance)
		}
	}
	fmt.Fprintln(os.Stderr, syscall.Exec(exe, os.Args, env))
	os.Exit(1)
}

// What a hostile starter leaves behind.
const (
	hostileSoftLimit  = 177
	hostileDescriptor = 131
)

// beHostile leaves behind every signal ignored and blocked, a soft limit of its
// own, a descriptor that exec does not close, and no standard input.
func beHostile() {
	runtime.LockOSThread()
	for n := syscall.Signal(1); n <= 64; n++ {
		signal.Ignore(n)
		if n >= 32 && n <= 34 {
			ignore := [5]uintptr{1} // SIG_IGN; Go leaves these alone
			sigaction(n, &ignore)
		}
	}
	var all unix.Sigset_t
	for i := range all.Val {
		all.Val[i] = ^all.Val[i]
	}
	must(unix.PthreadSigmask(unix.SIG_SETMASK, &all, nil))
	var limit syscall.Rlimit
	must(syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	limit.Cur = hostileSoftLimit
	must(syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
	must(unix.Dup3(2, hostileDescriptor, 0))
	must(unix.Close(0))
	again()
}

func closeStandardStreams() {
	for fd := range 3 {
		must(unix.Close(fd))
	}
	again()
}

// forbid makes the kernel answer ENOSYS to some system calls, as an older one
// would.
func forbid(calls ...uint32) {
	filter := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}}
	for _, call := range calls {
		filter = append(filter,
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: call, Jt: 0, Jf: 1},
			unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)})
	}
	filter = append(filter, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW})
	must(unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
	must(seccomp(filter))
	if _, err := unix.PidfdOpen(os.Getpid(), 0); err != unix.ENOSYS {
		must(fmt.Errorf("the filter does not work: %v", err))
	}
}

// mountProc makes /proc that of this pid namespace.
func mountProc() {
	must(unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	must(unix.Mount("proc", "/proc", "proc", 0, ""))
}

func must(err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Getenv(circumstance), err)
		os.Exit(1)
	}
}
