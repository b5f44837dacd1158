package keeper

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long a test waits for what must come. Nothing sleeps to hope.
const patience = 60 * time.Second

// hurry is the variable that shortens the keeper's own patience.
const hurry = "KEEPER_TEST_HURRY"

// Before any init of the package decides the role of this process.
var _ = func() bool {
	if d, err := time.ParseDuration(os.Getenv(hurry)); err == nil {
		pongMax, trialMax = d, d
	}
	return true
}()

func TestMain(m *testing.M) {
	if how := os.Getenv(script); how != "" {
		playDaemon(how)
	}
	// So that a test can wait for a daemon whose keeper it has killed.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// pair is a keeper and its daemon: the test binary in both roles.
type pair struct {
	t      testing.TB
	keeper int
	daemon int
	dir    string // a folder of the test's own
	in     *os.File
	lines  chan string
	pids   []int // of all daemons there were
}

// setup says how a pair is started.
type setup struct {
	how    string   // the script of the daemon
	env    []string // besides the test's own
	argv   []string // instead of `coppice up`
	stderr *os.File
	extra  uintptr // a descriptor that the keeper gets as 3; 0: none
	before string  // a shell command before the keeper is executed
}

func startPair(t testing.TB, s setup) *pair {
	t.Helper()
	p := &pair{t: t, dir: t.TempDir(), lines: make(chan string, 10000)}
	inR, inW, outR, outW := pipes(t)
	p.in = inW
	if s.stderr == nil {
		f, err := os.Create(filepath.Join(p.dir, "stderr"))
		check(t, err)
		defer f.Close()
		s.stderr = f
	}
	if s.argv == nil {
		s.argv = []string{"coppice", "up"}
	}
	exe, err := os.Executable()
	check(t, err)
	if s.before != "" {
		s.argv = []string{"sh", "-c", s.before + "; exec " + exe + " up"}
		exe = "/bin/sh"
	}
	files := []uintptr{inR.Fd(), outW.Fd(), s.stderr.Fd()}
	if s.extra != 0 {
		files = append(files, s.extra)
	}
	p.keeper, err = syscall.ForkExec(exe, s.argv, &syscall.ProcAttr{
		Env:   append(append(os.Environ(), script+"="+s.how, "KEEPER_TEST_DIR="+p.dir), s.env...),
		Files: files,
	})
	check(t, err)
	inR.Close()
	outW.Close()
	go func() {
		for in := bufio.NewScanner(outR); in.Scan(); {
			p.lines <- in.Text()
		}
		outR.Close()
		close(p.lines)
	}()
	t.Cleanup(p.end)
	return p
}

func pipes(t testing.TB) (inR, inW, outR, outW *os.File) {
	t.Helper()
	inR, inW, err := os.Pipe()
	check(t, err)
	outR, outW, err = os.Pipe()
	check(t, err)
	return
}

// end lets the pair end: the daemon says Final when nobody tells it anything more.
func (p *pair) end() {
	p.in.Close()
	unix.Kill(p.daemon, unix.SIGCONT)
	late := time.After(patience)
	for {
		select {
		case _, ok := <-p.lines:
			if !ok {
				p.reap()
				if p.t.Failed() {
					p.t.Logf("stderr:\n%s", p.stderr())
				}
				return
			}
		case <-late:
			p.t.Errorf("the pair does not end; stderr:\n%s", p.stderr())
			for _, pid := range append(p.pids, p.keeper) {
				unix.Kill(pid, unix.SIGKILL)
			}
			return
		}
	}
}

// reap reaps what the pair has left to this process.
func (p *pair) reap() {
	for _, pid := range append(p.pids, p.keeper) {
		unix.Wait4(pid, nil, unix.WNOHANG, nil)
	}
}

func (p *pair) stderr() string {
	text, _ := os.ReadFile(filepath.Join(p.dir, "stderr"))
	return string(text)
}

// tell gives the daemon a command.
func (p *pair) tell(format string, args ...any) {
	p.t.Helper()
	_, err := fmt.Fprintf(p.in, format+"\n", args...)
	check(p.t, err)
}

// do gives the daemon a command and waits until it is done.
func (p *pair) do(format string, args ...any) {
	p.t.Helper()
	p.tell(format, args...)
	word, _, _ := strings.Cut(format, " ")
	if done := p.await("done"); done != word {
		p.t.Fatalf("%q is done, not %q", done, word)
	}
}

// await waits for a line that begins with a word, and returns what follows.
func (p *pair) await(word string) string {
	p.t.Helper()
	late := time.After(patience)
	var seen []string
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				p.t.Fatalf("the pair has ended before %q; it said %q and\n%s", word, seen, p.stderr())
			}
			first, rest, _ := strings.Cut(line, " ")
			if first == word {
				return rest
			}
			seen = append(seen, line)
		case <-late:
			p.t.Fatalf("waited in vain for %q; it said %q and\n%s", word, seen, p.stderr())
		}
	}
}

// awaitDaemon waits for the next daemon and returns what it says of itself.
func (p *pair) awaitDaemon() map[string]string {
	p.t.Helper()
	said := map[string]string{}
	for _, field := range strings.Fields(p.await("daemon")) {
		name, value, _ := strings.Cut(field, "=")
		said[name] = value
	}
	p.daemon, _ = strconv.Atoi(said["pid"])
	p.pids = append(p.pids, p.daemon)
	return said
}

// killDaemon kills the daemon and waits for the next.
func (p *pair) killDaemon() map[string]string {
	p.t.Helper()
	check(p.t, unix.Kill(p.daemon, unix.SIGKILL))
	return p.awaitDaemon()
}

// wait waits for the end of a process that is, or has become, our child.
func (p *pair) wait(pid int) syscall.WaitStatus {
	p.t.Helper()
	var status syscall.WaitStatus
	for {
		_, err := syscall.Wait4(pid, &status, 0, nil)
		if err == syscall.EINTR {
			continue
		}
		check(p.t, err)
		return status
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// statusField is a line of /proc/PID/status.
func statusField(t testing.TB, pid int, name string) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	check(t, err)
	for line := range bytes.Lines(text) {
		if value, ok := strings.CutPrefix(string(line), name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	t.Fatalf("/proc/%d/status has no %s", pid, name)
	return ""
}

func kill(t testing.TB, pid int) {
	t.Helper()
	check(t, syscall.Kill(pid, syscall.SIGKILL))
}
