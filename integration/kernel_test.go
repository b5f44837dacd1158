package integration

import (
	"bytes"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// A machine is a real kernel with coppice as its first process, emulated by qemu: the
// one place where PID 1 is PID 1, where all controllers of cgroup v2 are there, and
// where the kernel is an older one (Debian's 6.1, which cannot tell how a process
// ended that somebody else reaped). What it runs is packed into its initial RAM disk;
// what it says on its console is all that comes out.
type machine struct {
	t      *testing.T
	folder string // of the kernel and of qemu, see .ci/kernel
	disk   bytes.Buffer
	known  map[string]bool // the folders that the disk has
}

// machinePatience is how long a machine may live. The emulation is some ten times slower than
// the machine below it, and starting takes two seconds of that one's time.
const machinePatience = 5 * time.Minute

// newMachine is one whose disk has a shell and its programs, or the test is skipped.
func newMachine(t *testing.T) *machine {
	t.Helper()
	folder := os.Getenv("KERNEL")
	if folder == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Skipf("no folder to look for a kernel in: %v", err)
		}
		folder = filepath.Join(cache, "coppice-kernel")
	}
	if _, err := os.Stat(filepath.Join(folder, "complete")); err != nil {
		t.Skipf("there is no kernel in %s: .ci/kernel fetches one", folder)
	}
	if os.Getenv("RACE") != "" {
		t.Skip("a program with the race detector needs libraries, which the machine does not have")
	}
	m := &machine{t: t, folder: folder, known: map[string]bool{}}
	m.program("bin/busybox", filepath.Join(folder, "bin/busybox"))
	list, err := exec.Command(filepath.Join(folder, "bin/busybox"), "--list").Output()
	if err != nil {
		t.Fatal(err)
	}
	for applet := range strings.FieldsSeq(string(list)) {
		if applet != "busybox" && applet != "init" {
			m.entry("bin/"+applet, 0o120777, 0, []byte("busybox"))
		}
	}
	m.entry("dev/console", 0o20600, 5<<8|1, nil)
	return m
}

// The parts of a mode that say what an entry of the disk is.
const (
	diskFolder = 0o40000
	diskFile   = 0o100000
)

// entry puts something into the disk, after the folders that it is in: the format of
// cpio(5) that Linux unpacks ("newc").
func (m *machine) entry(name string, mode, device int, content []byte) {
	if dir := path.Dir(name); dir != "." && !m.known[dir] {
		m.known[dir] = true
		m.entry(dir, diskFolder|0o755, 0, nil)
	}
	fmt.Fprintf(&m.disk, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
		0, mode, 0, 0, 1, 0, len(content), 0, 0, device>>8, device&0xff, len(name)+1, 0, name)
	m.pad()
	m.disk.Write(content)
	m.pad()
}

func (m *machine) pad() { m.disk.Write(make([]byte, -m.disk.Len()&3)) }

func (m *machine) file(name, content string) { m.entry(name, diskFile|0o644, 0, []byte(content)) }

// program puts a program of this machine into the disk. It has to be static: the disk
// has no libraries.
func (m *machine) program(name, from string) {
	m.t.Helper()
	content, err := os.ReadFile(from)
	if err != nil {
		m.t.Fatal(err)
	}
	if f, err := elf.NewFile(bytes.NewReader(content)); err == nil && f.Section(".interp") != nil {
		m.t.Fatalf("%s is not a static program", from)
	}
	m.entry(name, diskFile|0o755, 0, content)
}

// tests puts the tests of a package into the disk, as a program.
func (m *machine) tests(name, pkg string) {
	m.t.Helper()
	out := filepath.Join(m.t.TempDir(), "tests")
	build := exec.Command("go", "test", "-c", "-o", out, pkg)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		m.t.Fatalf("%v\n%s", err, text)
	}
	m.program(name, out)
}

// boot runs the machine until it ends, and returns what was said on its console. The
// kernel gives its first process variables and arguments; it takes the end of that
// for the end of the world, and says how it ended.
func (m *machine) boot(variables, arguments string) string {
	m.t.Helper()
	m.entry("TRAILER!!!", 0, 0, nil)
	disk := filepath.Join(m.t.TempDir(), "disk")
	if err := os.WriteFile(disk, m.disk.Bytes(), 0o600); err != nil {
		m.t.Fatal(err)
	}
	in := func(name string) string { return filepath.Join(m.folder, name) }
	qemu := in("usr/bin/qemu-system-x86_64")
	if _, err := os.Stat(qemu); err != nil {
		needs(m.t, "qemu-system-x86_64")
		qemu = "qemu-system-x86_64"
	}
	cmd := exec.Command(qemu, "-L", in("usr/share/qemu"), "-L", in("usr/share/seabios"),
		"-accel", "tcg", "-M", "microvm,acpi=off", "-cpu", "max", "-m", "768", // no KVM: it is there, or not, or half
		"-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot",
		"-kernel", in("kernel"), "-initrd", disk,
		"-append", "console=ttyS0 quiet reboot=t panic=-1 NO_COLOR=1 "+variables+" -- "+arguments)
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+in("usr/lib/x86_64-linux-gnu")+":"+in("lib/x86_64-linux-gnu"))
	r := start(m.t, cmd)
	select {
	case <-r.done:
	case <-time.After(machinePatience):
		m.t.Fatalf("the machine does not end:\n%s%s", r.stdout(), r.stderr())
	}
	return strings.ReplaceAll(r.stdout(), "\r", "") + r.stderr()
}

// initEnded wants the first process of a machine to have ended with a code.
func initEnded(t *testing.T, console string, code int) {
	t.Helper()
	want := fmt.Sprintf("Attempted to kill init! exitcode=0x%08x", code<<8)
	if !strings.Contains(console, want) {
		t.Errorf("the kernel does not say %q:\n%s", want, console)
	}
}

// The kernel starts coppice itself, in a world that has nothing: no /proc, no /sys, no
// /run, no device but the console and /dev/null. It works there.
func TestKernelStartsCoppice(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.program("init", binary)
	m.entry("dev/null", 0o20666, 1<<8|3, nil)
	m.file("etc/coppice/tree.toml", `
[supervisor.root]
auto_shutdown = "any_significant"
children = ["idle", "job"]
[process.idle]
command = ["sleep", "1000"]
[process.job]
command = "echo I am $$, child of $PPID, in $(ls / | tr '\\n' ' '); exit 23"
restart = "temporary"
significant = true
`)
	console := m.boot("PATH=/bin", "up -f /etc/coppice/tree.toml")
	has(t, "the console", console, "child of 1", "in bin dev etc init root", "job (pid", "ended: exit code 23")
	initEnded(t, console, 23)
}

// TestKernel boots a machine of its own and runs tests there (testdata/guest/driver):
// those of guest_test.go, and of the others those that such a machine may answer otherwise.
func TestKernel(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.program("bin/coppice", binary)
	m.tests("bin/integration", ".")
	m.tests("bin/process", "../supervisor/process")
	m.program("init", "testdata/guest/init")
	m.program("bin/driver", "testdata/guest/driver")
	m.file("coppice.toml", read(t, "testdata/guest/coppice.toml"))
	console := m.boot("", "")
	told := map[string][]string{}
	for _, test := range regexp.MustCompile(`(?m)^--- (PASS|FAIL|SKIP): (\S+)`).FindAllStringSubmatch(console, -1) {
		told[test[1]] = append(told[test[1]], test[2])
	}
	t.Logf("there, %d tests pass; skipped are %v", len(told["PASS"]), told["SKIP"])
	if len(told["FAIL"]) > 0 {
		t.Errorf("there, these tests fail: %v", told["FAIL"])
	}
	if len(told["PASS"]) < 20 || !strings.Contains(console, "\nverdict 0\n") {
		t.Error("the machine does not say that all went well")
	}
	initEnded(t, console, 0) // for its last act is to ask for an orderly end
	if t.Failed() {
		t.Log(console)
	}
}
