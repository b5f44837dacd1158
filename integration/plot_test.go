package integration

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coppice/ipc"
)

// A plot is a bed that is looked over when its test is done: no process may
// still live in its folder.
func plot(t *testing.T, tree string) *bed {
	t.Helper()
	var b *bed
	t.Cleanup(func() {
		for _, pid := range living(b.dir) {
			if isCoppice(pid) || wasCoppice(pid) {
				awaitGone(t, pid) // its tree has ended, and it is about to
				continue
			}
			t.Errorf("process %d is left behind: %s (%s)", pid, cmdline(pid), comm(pid))
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	b = newBed(t, tree)
	return b
}

// living are the processes that work in a folder or below it: children do, by
// default, and so do all that they start.
func living(dir string) []int {
	var pids []int
	for _, pid := range allPIDs() {
		cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
		cwd = strings.TrimSuffix(cwd, " (deleted)")
		if err == nil && (cwd == dir || strings.HasPrefix(cwd, dir+"/")) && isAlive(pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// wasCoppice says whether a process was a daemon or a keeper, and is so far in its end
// that it has no file any more. It may be in a folder for some microseconds still.
func wasCoppice(pid int) bool {
	_, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return err != nil && strings.HasPrefix(comm(pid), "coppice")
}

// comm is the name of a process, proc_pid_comm(5).
func comm(pid int) string {
	name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return strings.TrimSpace(string(name))
}

func allPIDs() []int {
	var pids []int
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

func cmdline(pid int) string {
	line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return strings.TrimSpace(strings.ReplaceAll(string(line), "\x00", " "))
}

// procState is a process's state letter, "" when there is no such process.
func procState(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(stat[bytes.LastIndexByte(stat, ')'):]), " ")
	return rest[:1]
}

// isAlive is false for a process that has ended, whoever has yet to reap it.
func isAlive(pid int) bool { return !slices.Contains([]string{"", "Z", "X"}, procState(pid)) }

// until looks again and again until cond holds. It is for what no event tells:
// files that children write, processes that nobody supervises.
func until(t testing.TB, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// awaitFile waits until a file has a whole line, and returns its content.
func (b *bed) awaitFile(name string) string {
	b.t.Helper()
	var content []byte
	until(b.t, "there is a file "+name, func() bool {
		content, _ = os.ReadFile(b.path(name))
		return bytes.HasSuffix(content, []byte("\n"))
	})
	return string(content)
}

// filePID is the pid that a child wrote into a file.
func (b *bed) filePID(name string) int {
	b.t.Helper()
	pid, err := strconv.Atoi(strings.TrimSpace(b.awaitFile(name)))
	if err != nil {
		b.t.Fatal(err)
	}
	return pid
}

// awaitGone waits for the end of a process that is nobody's business here.
func awaitGone(t testing.TB, pid int) {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if err == nil {
		defer unix.Close(fd)
		for {
			n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(patience.Milliseconds()))
			if err == unix.EINTR {
				continue
			}
			if n == 0 || err != nil {
				t.Fatalf("process %d (%s) does not end", pid, cmdline(pid))
			}
			return
		}
	}
	if isAlive(pid) {
		t.Fatalf("cannot watch process %d: %v", pid, err)
	}
}

// gone wants a process to be gone already.
func gone(t *testing.T, what string, pid int) {
	t.Helper()
	if isAlive(pid) {
		t.Errorf("%s (pid %d, %s) is still alive", what, pid, cmdline(pid))
	}
}

// exits runs the program and wants an exit code.
func (b *bed) exits(code int, args ...string) result {
	b.t.Helper()
	r := b.run(args...)
	if r.code != code {
		b.t.Fatalf("coppice %s: exit code %d, not %d\n%s%s", strings.Join(args, " "), r.code, code, r.out, r.errors)
	}
	return r
}

// has wants a text to have each of some words.
func has(t *testing.T, what, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(flat(text), w) {
			t.Errorf("%s does not have %q:\n%s", what, w, text)
		}
	}
}

// hasNot wants a text to have none of some words.
func hasNot(t *testing.T, what, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if strings.Contains(flat(text), w) {
			t.Errorf("%s has %q:\n%s", what, w, text)
		}
	}
}

// flat undoes the breaking of lines, which depends on the lengths of names.
func flat(text string) string { return strings.Join(strings.Fields(text), " ") }

// running is a command that was started and not waited for.
type running struct {
	t        testing.TB
	cmd      *exec.Cmd
	mu       sync.Mutex
	out, err bytes.Buffer
	lines    chan string // of stdout; it is read by one who awaits a line
	done     chan struct{}
}

// begin starts the program and does not wait for its end.
func (b *bed) begin(args ...string) *running {
	b.t.Helper()
	return start(b.t, b.command(args...))
}

// start starts a command, in a group of its own as a shell does, so that a
// signal for it reaches nobody else.
func start(t testing.TB, cmd *exec.Cmd) *running {
	t.Helper()
	r := &running{t: t, cmd: cmd, done: make(chan struct{}), lines: make(chan string, 1<<16)}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = &lockedWriter{mu: &r.mu, to: &r.err}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(r.done)
		in := bufio.NewReader(stdout)
		for {
			line, err := in.ReadString('\n')
			r.mu.Lock()
			r.out.WriteString(line)
			r.mu.Unlock()
			if line != "" {
				r.lines <- strings.TrimSuffix(line, "\n")
			}
			if err != nil {
				break
			}
		}
		close(r.lines)
		_ = cmd.Wait() // the exit code says it all
	}()
	t.Cleanup(func() {
		select {
		case <-r.done:
		default:
			_ = cmd.Process.Kill()
			<-r.done
		}
	})
	return r
}

type lockedWriter struct {
	mu *sync.Mutex
	to *bytes.Buffer
}

func (w *lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to.Write(p)
}

// line waits for a line of output that has some words.
func (r *running) line(words string) string {
	r.t.Helper()
	late := time.After(patience)
	for {
		select {
		case line, ok := <-r.lines:
			if !ok {
				r.t.Fatalf("%v ended without saying %q:\n%s%s", r.cmd.Args, words, r.stdout(), r.stderr())
			}
			if strings.Contains(line, words) {
				return line
			}
		case <-late:
			r.t.Fatalf("%v does not say %q:\n%s%s", r.cmd.Args, words, r.stdout(), r.stderr())
		}
	}
}

func (r *running) stdout() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.out.String()
}

func (r *running) stderr() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err.String()
}

func (r *running) signal(s os.Signal) {
	r.t.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		r.t.Fatal(err)
	}
}

// wait waits for the end and returns the exit code.
func (r *running) wait() int {
	r.t.Helper()
	select {
	case <-r.done:
	case <-time.After(patience):
		r.t.Fatalf("%v does not end:\n%s%s", r.cmd.Args, r.stdout(), r.stderr())
	}
	return r.cmd.ProcessState.ExitCode()
}

// ended wants the command to end with an exit code.
func (r *running) ended(code int) {
	r.t.Helper()
	if got := r.wait(); got != code {
		r.t.Fatalf("%v: exit code %d, not %d\n%s%s", r.cmd.Args, got, code, r.stdout(), r.stderr())
	}
}

// awaitState waits until a node is in a state, looking at the tree after every
// event about anything.
func (b *bed) awaitState(name, state string) ipc.Node {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var node ipc.Node
	enough := errors.New("enough")
	look := func() error {
		t, err := b.client().Tree(ctx, false)
		if err != nil {
			return err
		}
		if node, _ = findNode(t.Root, name); node.State == state {
			return enough
		}
		return nil
	}
	err := look()
	if err == nil {
		err = b.client().Events(ctx, 0, true, func(ipc.Event) error { return look() })
	}
	if !errors.Is(err, enough) {
		b.t.Fatalf("%s does not become %s, it is %s: %v", name, state, node.State, err)
	}
	return node
}

// awaitDaemon waits until a daemon that is being started answers.
func (b *bed) awaitDaemon() *ipc.Tree {
	b.t.Helper()
	var t *ipc.Tree
	until(b.t, "a daemon answers", func() bool {
		var err error
		t, err = b.client().Tree(context.Background(), false)
		return err == nil
	})
	return t
}

// awaitLog waits for a line of a process's output.
func (b *bed) awaitLog(name, words string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	enough := errors.New("enough")
	err := b.client().Logs(ctx, ipc.LogQuery{Names: []string{name}, Last: -1, Follow: true}, func(l ipc.LogLine) error {
		if strings.Contains(l.Text, words) {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		b.t.Fatalf("%s does not say %q: %v", name, words, err)
	}
}

// record is the event record, which a daemon that has ended leaves behind.
func (b *bed) record() []ipc.Event {
	b.t.Helper()
	var all []ipc.Event
	for line := range strings.Lines(b.must("events", "--json")) {
		var e ipc.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			b.t.Fatalf("%v in %q", err, line)
		}
		all = append(all, e)
	}
	return all
}

// newest is the number of the newest event.
func (b *bed) newest() uint64 {
	b.t.Helper()
	all := b.events()
	if len(all) == 0 {
		return 0
	}
	return all[len(all)-1].Seq
}

// story is what happened after an event, as "node kind" a line; only the kinds
// that are named.
func story(events []ipc.Event, since uint64, kinds ...string) []string {
	var told []string
	for _, e := range events {
		if e.Seq > since && slices.Contains(kinds, e.Kind) {
			told = append(told, e.Node+" "+e.Kind)
		}
	}
	return told
}

// same wants two lists to be equal.
func same(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got  %s\n want %s", what, strings.Join(got, ", "), strings.Join(want, ", "))
	}
}

// needs skips a test where a program is missing.
func needs(t testing.TB, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("%s is not installed here", p)
		}
	}
}

// numbers reads a list of numbers, one a line.
func numbers(text string) []int {
	var all []int
	for word := range strings.FieldsSeq(text) {
		if n, err := strconv.Atoi(word); err == nil {
			all = append(all, n)
		}
	}
	return all
}

// inFolder is the program in another folder.
func (b *bed) inFolder(dir string, args ...string) *exec.Cmd {
	cmd := b.command(args...)
	cmd.Dir = dir
	return cmd
}

// outcome runs any command to its end.
func outcome(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%v: %v", cmd.Args, err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// places is where a fault stands: file:line:column.
var places = regexp.MustCompile(`(?m)(coppice\.toml|Procfile|[\w./-]+\.toml):\d+:\d+`)

// signalPID sends a signal by its name without SIG.
func signalPID(pid int, name string) error {
	return syscall.Kill(pid, unix.SignalNum("SIG"+name))
}

// quoted is a path as a TOML string.
func quoted(text string) string { return strconv.Quote(text) }

// folder makes a folder of the bed.
func (b *bed) folder(name string) {
	b.t.Helper()
	if err := os.MkdirAll(filepath.Join(b.dir, name), 0o755); err != nil {
		b.t.Fatal(err)
	}
}
