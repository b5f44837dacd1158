package process_test

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"coppice/supervisor/process"
	"coppice/tree"
)

// beParent starts a session of its own for each script in its arguments, and says
// their numbers. On "reap" it waits for all of them, on "reap one" for one. It ends
// with its input.
func beParent() {
	for i, script := range os.Args[1:] {
		pid, err := syscall.ForkExec("/bin/sh", []string{"sh", "-c", script}, &syscall.ProcAttr{
			Env:   append(environment, process.Unit("test", "child", tree.Generation(i+1))),
			Files: []uintptr{3, 2, 2},
			Sys:   &syscall.SysProcAttr{Setsid: true},
		})
		must(err)
		fmt.Println(pid)
	}
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		for waiting := true; waiting; {
			_, err := syscall.Wait4(-1, nil, 0, nil)
			waiting = err == nil && input.Text() == "reap"
		}
		fmt.Println("reaped")
	}
	syscall.Exit(0) // os.Exit sleeps a second under the race detector
}

// parent is a process that has children and waits for them only when it is told to.
type parent struct {
	t        testing.TB
	pid      int
	commands *os.File
	answers  *bufio.Reader
	output   *bufio.Reader // of the children
	children []process.Identity
	fifo     *os.File // gives each child that reads standard input a line
}

// newParent starts one, whose children execute these scripts. Their standard input
// is shared by all.
func newParent(t testing.TB, scripts ...string) *parent {
	t.Helper()
	commands, toParent := pipe(t)
	answers, fromParent := pipe(t)
	output, fromChildren := pipe(t)
	name := filepath.Join(t.TempDir(), "lines")
	if err := unix.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	fifo, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { fifo.Close() })
	pid, err := syscall.ForkExec(exe, append([]string{exe}, scripts...), &syscall.ProcAttr{
		Env:   append(environment, circumstance+"=parent"),
		Files: []uintptr{commands.Fd(), fromParent.Fd(), fromChildren.Fd(), fifo.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	fromParent.Close()
	fromChildren.Close()
	p := &parent{t: t, pid: pid, commands: toParent, answers: bufio.NewReader(answers), output: bufio.NewReader(output), fifo: fifo}
	for range scripts {
		var child int
		if _, err := fmt.Fscanln(p.answers, &child); err != nil {
			t.Fatal(err)
		}
		id, err := process.Identify(child)
		if err != nil {
			t.Fatal(err)
		}
		p.children = append(p.children, id)
	}
	return p
}

// says waits for lines of the children, in any order.
func (p *parent) says(lines ...string) {
	p.t.Helper()
	for range lines {
		line, err := p.output.ReadString('\n')
		if err != nil || !strings.Contains(strings.Join(lines, " ")+" ", strings.TrimSpace(line)+" ") {
			p.t.Fatalf("a child said %q, %v; want one of %v", line, err, lines)
		}
	}
}

// tell gives so many children a line to read.
func (p *parent) tell(children int) {
	p.t.Helper()
	if _, err := p.fifo.WriteString(strings.Repeat("\n", children)); err != nil {
		p.t.Fatal(err)
	}
}

// command makes the parent reap, and returns once it has.
func (p *parent) command(line string) {
	p.t.Helper()
	fmt.Fprintln(p.commands, line)
	if answer, err := p.answers.ReadString('\n'); answer != "reaped\n" {
		p.t.Fatalf("the parent said %q, %v", answer, err)
	}
}

// die kills the parent and returns once its children are those of this process.
func (p *parent) die() {
	p.t.Helper()
	if err := unix.Kill(p.pid, unix.SIGKILL); err != nil {
		p.t.Fatal(err)
	}
	for err := error(unix.EINTR); err != nil && err != unix.ECHILD; { // a reaper may be faster
		err = unix.Waitid(unix.P_PID, p.pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
	}
}

// adoptions asks for all children.
func (p *parent) adoptions() []process.Adoption {
	var list []process.Adoption
	for i, id := range p.children {
		list = append(list, process.Adoption{
			Ref: tree.Ref{ID: "child", Generation: tree.Generation(i + 1)}, Identity: id, PIDFD: -1,
		})
	}
	return list
}

// awaitZombie waits until a process of somebody else has ended.
func awaitZombie(t testing.TB, pid int) {
	t.Helper()
	for state := ""; state != "Z"; {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(data), ") ")
		state, _, _ = strings.Cut(rest, " ")
	}
}
