package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// terminal is a real terminal: a tmux of its own.
type terminal struct {
	t      testing.TB
	socket string
}

// newTerminal opens a terminal of some width with a shell in the bed's folder.
func newTerminal(b *bed, columns int) *terminal {
	b.t.Helper()
	needs(b.t, "tmux")
	// A tmux server dies with a long socket path; /tmp it is.
	dir, err := os.MkdirTemp("", "tmux")
	if err != nil {
		b.t.Fatal(err)
	}
	term := &terminal{t: b.t, socket: filepath.Join(dir, "s")}
	b.t.Cleanup(func() {
		pids := term.pids()
		_ = term.command("kill-server").Run() // it may have ended with its shell
		for _, pid := range pids {
			awaitGone(b.t, pid)
		}
		os.RemoveAll(dir)
	})
	cmd := term.command("-f", "/dev/null", "new-session", "-d", "-x", fmt.Sprint(columns), "-y", "50", "-c", b.dir,
		"env PS1='$ ' ENV= PATH="+filepath.Dir(binary)+":$PATH sh")
	cmd.Env = append(os.Environ(), "COPPICE_SOCKET=", "COPPICE_STATE=", "TMUX=", "LC_ALL=C.UTF-8", "TERM=xterm-256color")
	cmd.Dir = b.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		b.t.Skipf("tmux does not run here: %v %s", err, out)
	}
	term.until("a prompt", func(screen string) bool { return strings.Contains(screen, "$") })
	return term
}

func (term *terminal) command(args ...string) *exec.Cmd {
	return exec.Command("tmux", append([]string{"-u", "-S", term.socket}, args...)...)
}

// pids are the terminal's own processes.
func (term *terminal) pids() []int {
	out, _ := term.command("display-message", "-p", "#{pid} #{pane_pid}").Output() // none when it has ended
	return numbers(string(out))
}

func (term *terminal) keys(keys ...string) {
	term.t.Helper()
	if out, err := term.command(append([]string{"send-keys"}, keys...)...).CombinedOutput(); err != nil {
		term.t.Fatalf("%v %s", err, out)
	}
}

// screen is what the terminal shows, with all that has scrolled away; lines that
// were too long for it are two.
func (term *terminal) screen(options ...string) string {
	term.t.Helper()
	out, err := term.command(append([]string{"capture-pane", "-p", "-S", "-"}, options...)...).Output()
	if err != nil {
		term.t.Fatal(err)
	}
	return string(out)
}

func (term *terminal) until(what string, cond func(screen string) bool) string {
	term.t.Helper()
	var screen string
	until(term.t, what+" is on the screen", func() bool {
		screen = term.screen()
		return cond(screen)
	})
	return screen
}

const terminalTree = `
name = "shop"
[process.first]
command = "echo one; trap 'echo bye first; exit 0' TERM; while :; do sleep 0.05; done"
[process.second]
command = "echo two; trap 'echo bye second; exit 0' TERM; while :; do sleep 0.05; done"
`

// up in a terminal shows what all say behind their names; Ctrl-C stops them in
// reverse order.
func TestTerminalUp(t *testing.T) {
	t.Parallel()
	b := plot(t, terminalTree)
	term := newTerminal(b, 100)
	term.keys("coppice up; echo code=$?", "Enter")
	term.until("their output", func(s string) bool {
		return regexp.MustCompile(`first +\| one`).MatchString(s) && regexp.MustCompile(`second +\| two`).MatchString(s)
	})
	if !strings.Contains(term.screen("-e"), "\x1b[") {
		t.Error("there are no colours")
	}
	b.awaitState("root", "running")
	term.keys("C-c")
	screen := term.until("the exit code", func(s string) bool { return strings.Contains(s, "code=0") })
	has(t, "the screen", screen, "bye first", "bye second")
	same(t, "the order", story(b.record(), 0, "stopping", "stopped"),
		"root stopping", "second stopping", "second stopped", "first stopping", "first stopped", "root stopped")
}

// A second Ctrl-C kills what does not listen to the first.
func TestTerminalSecondInterrupt(t *testing.T) {
	t.Parallel()
	b := plot(t, "[process.deaf]\ncommand = \"trap '' TERM INT; echo no ears; while :; do sleep 0.05; done\"\nshutdown = \"infinity\"\n")
	term := newTerminal(b, 100)
	term.keys("coppice up; echo code=$?", "Enter")
	term.until("its output", func(s string) bool { return strings.Contains(s, "| no ears") })
	pid := b.awaitState("deaf", "running").PID
	term.keys("C-c")
	b.awaitKind(0, "deaf", "stopping")
	if !isAlive(pid) {
		t.Error("the first Ctrl-C has killed it")
	}
	term.keys("C-c")
	term.until("the exit code", func(s string) bool { return strings.Contains(s, "code=0") })
	gone(t, "deaf", pid)
}

// A terminal that goes away takes the tree with it, in order.
func TestTerminalHangsUp(t *testing.T) {
	t.Parallel()
	b := plot(t, terminalTree)
	term := newTerminal(b, 100)
	term.keys("coppice up", "Enter")
	b.awaitDaemon()
	b.awaitState("root", "running")
	keeper := b.tree().Daemon.Keeper
	if err := term.command("kill-server").Run(); err != nil {
		t.Fatal(err)
	}
	awaitGone(t, keeper)
	same(t, "the order", story(b.record(), 0, "stopped"), "second stopped", "first stopped", "root stopped")
}

// The page of status fits its terminal.
func TestTerminalStatus(t *testing.T) {
	t.Parallel()
	b := plot(t, `
name = "a-tree-with-a-rather-long-name-as-companies-like-them-so-much"
[supervisor.root]
strategy = "rest_for_one"
intensity = "infinity"
children = ["database", "outer"]
[process.database]
command = "sleep 1000"
[supervisor.outer]
children = ["inner"]
[supervisor.inner]
strategy = "one_for_all"
children = ["a-process-with-a-very-long-name-that-is-nearly-at-the-limit-of-64", "job", "failing"]
[process."a-process-with-a-very-long-name-that-is-nearly-at-the-limit-of-64"]
command = "sleep 1000"
[process.job]
command = "exit 0"
restart = "transient"
[process.failing]
command = "exit 1"
restart = "temporary"
`)
	b.edit("nearly-at-the-limit-of-64", "almost-at-the-limit", "nearly-at-the-limit-of-64", "almost-at-the-limit")
	b.up()
	b.awaitState("failing", "finished")
	b.must("stop", "database")
	for _, columns := range []int{80, 200} {
		term := newTerminal(b, columns)
		term.keys("clear; coppice status; echo code=$?", "Enter")
		term.until("the page", func(s string) bool { return strings.Contains(s, "code=0") })
		// With -J a line that did not fit comes back in one piece, and is longer.
		for line := range strings.Lines(term.screen("-J")) {
			if n := len([]rune(strings.TrimRight(line, " \n"))); n > columns {
				t.Errorf("at %d columns a line has %d: %s", columns, n, line)
			}
		}
		has(t, "the page", term.screen(), "STATE", "database", "stopped", "job", "finished")
	}
}

// A job that is stopped with Ctrl-Z goes on with fg, and so does its tree.
func TestTerminalSuspend(t *testing.T) {
	t.Parallel()
	b := plot(t, terminalTree)
	term := newTerminal(b, 100)
	term.keys("set -m; coppice up; echo code=$?", "Enter")
	b.awaitDaemon()
	b.awaitState("root", "running")
	keeper := b.tree().Daemon.Keeper
	term.keys("C-z")
	until(t, "it is suspended", func() bool { return procState(keeper) == "T" })
	b.exits(0, "status", "first", "second") // the tree goes on
	if err := syscall.Kill(keeper, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	b.must("down")
}
