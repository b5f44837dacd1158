package integration

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// This test binary is also a launcher that forbids system calls, as a container's
// seccomp profile does: `BINARY forbid ERRNO CALL,CALL… PROGRAM ARGUMENTS…`.
func init() {
	if len(os.Args) > 4 && os.Args[1] == "forbid" {
		fmt.Fprintln(os.Stderr, forbid(os.Args[2], strings.Split(os.Args[3], ","), os.Args[4:]))
		os.Exit(125)
	}
}

// forbidden are the system calls that profiles and old kernels lack.
var forbidden = map[string]uint32{
	"clone3": unix.SYS_CLONE3, "pidfd_open": unix.SYS_PIDFD_OPEN, "pidfd_send_signal": unix.SYS_PIDFD_SEND_SIGNAL,
	"close_range": unix.SYS_CLOSE_RANGE, "splice": unix.SYS_SPLICE, "waitid": unix.SYS_WAITID,
	"memfd_create": unix.SYS_MEMFD_CREATE,
}

func forbid(errno string, calls, program []string) error {
	number := map[string]syscall.Errno{"ENOSYS": syscall.ENOSYS, "EPERM": syscall.EPERM}[errno]
	code := []bpf.Instruction{bpf.LoadAbsolute{Off: 0, Size: 4}}
	for _, call := range calls {
		code = append(code, bpf.JumpIf{Cond: bpf.JumpEqual, Val: forbidden[call], SkipFalse: 1},
			bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(number)})
	}
	raw, err := bpf.Assemble(append(code, bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW}))
	if err != nil {
		return err
	}
	filter := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		filter[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	list := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&list)), 0, 0); err != nil {
		return err
	}
	return unix.Exec(program[0], program, os.Environ())
}

// Without a system call coppice works, or says exactly what is missing: as PID 1 of a
// container whose profile knows less than the kernel.
func TestPID1WithoutSystemCalls(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, errno := range []string{"ENOSYS", "EPERM"} {
		for _, c := range []struct{ calls, missing string }{
			{"clone3", ""},
			{"pidfd_open", ""},
			{"pidfd_open,pidfd_send_signal", ""},
			{"close_range", ""},
			{"splice", ""},
			{"clone3,pidfd_open,pidfd_send_signal,close_range,splice", ""},
			{"memfd_create", "memory file"},
			{"waitid", "waitid"},
		} {
			t.Run(errno+" "+c.calls, func(t *testing.T) {
				t.Parallel()
				b := plot(t, `
[process.a]
command = "(setsid true &); echo hello; exec sleep 1000"
after_exit = "echo $EXIT_STATUS > after"
`)
				up := start(t, b.aloneAs(self, "forbid", errno, c.calls, binary, "up"))
				if c.missing != "" {
					if code := up.wait(); code != 1 || !strings.Contains(up.stderr(), c.missing) {
						t.Errorf("exit code %d: %s", code, up.stderr())
					}
					return
				}
				b.awaitDaemon()
				was := b.awaitState("a", "running").PID
				b.awaitLog("a", "hello")
				b.must("kill", "a", "-s", "SEGV")
				b.awaitReplaced("a", was)
				if got := b.awaitFile("after"); strings.TrimSpace(got) != "SEGV" {
					t.Errorf("after_exit was told %q", got)
				}
				// The daemon dies, and the next one adopts.
				first := inside(t, up)
				before := b.node("a").PID
				for _, pid := range allPIDs() {
					if parentOf(pid) == first && strings.HasPrefix(cmdline(pid), "coppice-daemon") {
						_ = syscall.Kill(pid, syscall.SIGKILL)
					}
				}
				b.awaitDaemon()
				if n := b.node("a"); n.PID != before || !n.Adopted {
					t.Errorf("a is %+v, and was %d", n, before)
				}
				b.must("kill", "a", "-s", "SEGV")
				b.awaitReplaced("a", before)
				if n := b.node("a"); n.LastExit == nil || n.LastExit.Signal == nil || *n.LastExit.Signal != "SIGSEGV" {
					t.Errorf("the end of the adopted one is told as %+v", n.LastExit)
				}
				if err := syscall.Kill(first, syscall.SIGTERM); err != nil {
					t.Fatal(err)
				}
				up.ended(0)
			})
		}
	}
}

// bare runs a script, as root of a mount namespace of its own, that ends in exec of
// the program: $0 with $@.
func (b *bed) bare(script string, args ...string) *exec.Cmd {
	b.t.Helper()
	return b.aloneAs(append([]string{"unshare", "--mount", "sh", "-c", "set -e; mount --make-rprivate /; " + script + `; exec "$0" "$@"`, binary}, args...)...)
}

// A read-only root, no /proc, no /run, no standard descriptors: it works, or says what
// is missing.
func TestPID1InABareWorld(t *testing.T) {
	t.Parallel()
	const tree = "[process.a]\ncommand = \"echo hello; exec sleep 1000\"\n"
	for _, c := range []struct{ name, script string }{
		{"read-only root", "mkdir -p state; mount -t tmpfs -o mode=700 none state; mount -o remount,bind,ro /"},
		{"no /proc", "umount -l /proc"},
		{"an empty /proc", "mount -t tmpfs none /proc"},
		{"no /run", "mount -t tmpfs none /run; mount -o remount,ro /run"},
		{"no standard descriptors", "exec <&- >&- 2>&-"},
		{"one processor", "taskset -p 1 $$ >&2"},
		{"all of it", "mkdir -p state; mount -t tmpfs -o mode=700 none state; mount -t tmpfs none /proc; mount -t tmpfs none /run; mount -o remount,bind,ro /; exec <&- >&- 2>&-"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := plot(t, tree)
			if err := os.Mkdir(b.path("state"), 0o700); err != nil {
				t.Fatal(err)
			}
			up := start(t, b.bare(c.script, "up", "--state", "state"))
			// The state folder may be in a mount that only that world has: it is looked
			// at from there.
			first := inside(t, up)
			state := fmt.Sprintf("/proc/%d/root%s/state", first, b.dir)
			until(t, "it answers", func() bool { return b.run("status", "a", "--state", state).code == 0 })
			b.must("kill", "a", "-s", "KILL", "--state", state)
			until(t, "a runs again", func() bool { return b.run("status", "a", "--state", state).code == 0 })
			if got := b.must("logs", "--raw", "a", "--state", state); !strings.HasPrefix(got, "hello\n") {
				t.Errorf("the log is %q", got)
			}
			if err := syscall.Kill(first, syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			up.ended(0)
		})
	}
	t.Run("nothing is writable", func(t *testing.T) {
		t.Parallel()
		b := plot(t, tree)
		up := start(t, b.bare("mount -o remount,bind,ro /", "up"))
		if code := up.wait(); code != 1 || !strings.Contains(up.stderr(), "read-only file system") || !strings.Contains(up.stderr(), ".coppice") {
			t.Errorf("exit code %d: %s", code, up.stderr())
		}
	})
}
