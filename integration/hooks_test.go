package integration

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// fifo makes a named pipe in the bed, open at both ends, so that whoever waits at it
// waits until the test writes, and whoever writes does not wait.
func (b *bed) fifo(name string) *os.File {
	b.t.Helper()
	if err := unix.Mkfifo(b.path(name), 0o600); err != nil {
		b.t.Fatal(err)
	}
	file, err := os.OpenFile(b.path(name), os.O_RDWR, 0)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { file.Close() })
	return file
}

// heard waits for a line at a named pipe.
func heard(t *testing.T, file *os.File) string {
	t.Helper()
	var line []byte
	for c := make([]byte, 1); ; line = append(line, c[0]) {
		if _, err := file.Read(c); err != nil {
			t.Fatal(err)
		}
		if c[0] == '\n' {
			return string(line)
		}
	}
}

// say writes a line to a named pipe.
func say(t *testing.T, file *os.File) {
	t.Helper()
	if _, err := file.WriteString("\n"); err != nil {
		t.Fatal(err)
	}
}

func TestBeforeStart(t *testing.T) {
	t.Parallel()
	b := newBed(t, `
[process.api]
command = "echo start >> order; exec sleep 1000"
dir = "work"
env = { WORD = "before" }
before_start = "echo $WORD $(basename $PWD) >> order"
[process.next]
command = "exec sleep 1000"
before_start = ["sh", "-c", "cat work/order > seen"]
`)
	if err := os.Mkdir(b.path("work"), 0o700); err != nil {
		t.Fatal(err)
	}
	b.up()
	b.must("restart", "api")
	if got := b.read("work/order"); !strings.HasPrefix(got, "before work\nstart\nbefore work\n") {
		t.Errorf("the order was %q", got)
	}
	if got := b.read("seen"); !strings.HasPrefix(got, "before work\n") {
		t.Errorf("the second process's hook came before the first process's start: %q", got)
	}
}

func TestBeforeStartThatFails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ hook, want string }{
		{`"echo out of luck >&2; exit 3"`, `before_start failed: exit code 3; it said "out of luck" (coppice.toml:3)`},
		{`["./nowhere"]`, `/nowhere": no such file (coppice.toml:3)`},
		{`"kill -KILL $$"`, `before_start failed: killed by SIGKILL (coppice.toml:3)`},
		{"\"echo hm; sleep 1000\"\nhook_timeout = \"200ms\"", `before_start was killed, for it took longer than 200ms; it said "hm" (coppice.toml:3)`},
	} {
		b := newBed(t, "[process.api]\ncommand = \"touch started; exec sleep 1000\"\nbefore_start = "+c.hook+"\n")
		up := b.run("up", "-d")
		if up.code != 1 || !strings.Contains(up.errors, c.want) {
			t.Errorf("%s: exit code %d, %s", c.hook, up.code, up.errors)
		}
		if _, err := os.Stat(b.path("started")); err == nil {
			t.Errorf("%s: the process was started", c.hook)
		}
	}
}

// A stop does not wait for the command before a start, and nothing of it is left.
func TestBeforeStartIsCutShort(t *testing.T) {
	t.Parallel()
	b := newBed(t, `
[process.api]
command = "exec sleep 1000"
restart = "transient"
before_start = "echo $$ > pids; sleep 1000 & echo $! >> pids; echo > told; [ -e quick ] || wait"
hook_timeout = "1h"
`)
	told := b.fifo("told")
	b.write("quick", "")
	b.up()
	heard(t, told)
	if err := os.Remove(b.path("quick")); err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"stop", "down"} {
		b.must("restart", "api", "--no-wait")
		heard(t, told)
		pids := b.numbers("pids")
		if verb == "down" {
			b.must("down")
		} else {
			b.must("stop", "api")
		}
		for _, pid := range pids {
			awaitGone(t, pid)
		}
	}
}

// numbers are those in a file of the bed.
func (b *bed) numbers(name string) (numbers []int) {
	b.t.Helper()
	for word := range strings.FieldsSeq(b.read(name)) {
		n, err := strconv.Atoi(word)
		if err != nil {
			b.t.Fatal(err)
		}
		numbers = append(numbers, n)
	}
	return numbers
}

// What a supervisor above has said, or the tree file says, stands in no command's way.
func TestVariablesOfHooksAreCoppicesOwn(t *testing.T) {
	t.Parallel()
	for _, keys := range []string{"", `env = { MAINPID = "1", EXIT_STATUS = "4", SUPERVISED_BY = "x" }`} {
		b := newBed(t, `
[process.api]
command = "tr '\\0' '\\n' < /proc/self/environ > child; exec sleep 1000"
reload_command = "tr '\\0' '\\n' < /proc/self/environ > reload"
after_exit = "tr '\\0' '\\n' < /proc/self/environ > exit"
restart = "transient"
`+keys)
		b.env = []string{"MAINPID=2", "EXIT_STATUS=3", "EXIT_CODE=x", "SERVICE_RESULT=y", "SUPERVISED_BY=z"}
		b.up()
		pid := b.node("api").PID
		b.must("reload", "api")
		b.must("stop", "api")
		given := func(file, name string) (values []string) {
			for line := range strings.Lines(b.read(file)) {
				if value, ok := strings.CutPrefix(line, name+"="); ok {
					values = append(values, strings.TrimSpace(value))
				}
			}
			return values
		}
		if got := given("reload", "MAINPID"); !slices.Equal(got, []string{strconv.Itoa(pid)}) {
			t.Errorf("the pid is %v, want %d", got, pid)
		}
		if got := given("exit", "EXIT_STATUS"); !slices.Equal(got, []string{"TERM"}) {
			t.Errorf("the end is %v", got)
		}
		for _, file := range []string{"child", "reload", "exit"} {
			if got := given(file, "SUPERVISED_BY"); len(got) != 1 || len(got[0]) < 5 {
				t.Errorf("the mark of %s is %v", file, got)
			}
		}
		if got := given("child", "SERVICE_RESULT"); got != nil {
			t.Errorf("the child has SERVICE_RESULT %v", got)
		}
	}
}

// The next start waits for the command after an end, which is told how it was.
func TestAfterExit(t *testing.T) {
	t.Parallel()
	b := newBed(t, `
[process.api]
command = "echo > up; read how < go; eval $how"
success = [0, 7]
after_exit = "echo $SERVICE_RESULT $EXIT_CODE $EXIT_STATUS >> ends; echo > told; read x < gate"
[supervisor.root]
intensity = 100
children = ["api"]
`)
	up, command, told, gate := b.fifo("up"), b.fifo("go"), b.fifo("told"), b.fifo("gate")
	b.up()
	heard(t, up)
	for _, how := range []string{"exit 3", "exit 7", "kill -SEGV $$", "kill -RTMIN $$"} {
		seq := b.lastSeq()
		if _, err := command.WriteString(how + "\n"); err != nil {
			t.Fatal(err)
		}
		heard(t, told)
		exited := b.awaitKind(seq, "api", "exited")
		for _, e := range b.events() {
			if e.Seq > exited.Seq {
				t.Errorf("%s: before the command had ended: %+v", how, e)
			}
		}
		if n := b.node("api"); n.State != "restarting" || n.PID != 0 {
			t.Errorf("%s: shown as %s, pid %d", how, n.State, n.PID)
		}
		say(t, gate)
		if e := b.awaitKind(exited.Seq, "api", "restarting"); e.Because != exited.Seq {
			t.Errorf("%s: %+v", how, e)
		}
		heard(t, up)
	}
	stopped := make(chan string)
	go func() { stopped <- b.must("stop", "api") }()
	heard(t, told)
	select {
	case text := <-stopped:
		t.Errorf("stop does not wait for the command: %s", text)
	default:
	}
	say(t, gate)
	<-stopped
	want := "exit-code exited 3\nsuccess exited 7\nsignal killed SEGV\nsignal killed RTMIN\nsuccess killed TERM\n"
	if got := b.read("ends"); got != want {
		t.Errorf("it was told %q, want %q", got, want)
	}
}

// lastSeq is the number of the latest event.
func (b *bed) lastSeq() uint64 {
	b.t.Helper()
	events := b.events()
	return events[len(events)-1].Seq
}

// A failure is told and changes nothing else; it holds nobody up longer than its time.
func TestAfterExitThatFails(t *testing.T) {
	t.Parallel()
	b := newBed(t, `
[process.api]
command = "exec sleep 1000"
after_exit = "echo oh; echo; [ -e hang ] && sleep 1000; exit 9"
hook_timeout = "200ms"
`)
	b.up()
	seq := b.lastSeq()
	b.must("kill", "api", "-s", "KILL")
	started := b.awaitKind(seq, "api", "started")
	failed := b.awaitKind(seq, "api", "hook_failed")
	if want := `after_exit failed: exit code 9; it said "oh" (coppice.toml:4)`; failed.Cause != want || failed.Seq > started.Seq {
		t.Errorf("%+v, want %s", failed, want)
	}
	b.write("hang", "")
	b.must("stop", "api")
	failed = b.awaitKind(started.Seq, "api", "hook_failed")
	if want := `after_exit was killed, for it took longer than 200ms`; !strings.HasPrefix(failed.Cause, want) {
		t.Errorf("%+v, want %s", failed, want)
	}
	if text := b.must("events"); !strings.Contains(text, "hook_failed") {
		t.Error("events does not tell it")
	}
}

// A command that the daemon's death cut off is run again by the next one, and nothing
// is left of the first; the tree goes on as if nothing had been.
func TestHooksSurviveTheDaemon(t *testing.T) {
	t.Parallel()
	for _, victims := range []string{"daemon", "keeper and daemon"} {
		t.Run(victims, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, `
[supervisor.root]
children = ["witness", "api"]
[process.witness]
command = "exec sleep 1000"
[process.api]
command = "echo > up; exec sleep 1000"
before_start = "echo before $$ >> ran; echo > told; read x < gate"
after_exit = "echo after $$ >> ran; setsid sleep 1000 & echo > told; read x < gate"
hook_timeout = "1h"
`)
			up, told, gate := b.fifo("up"), b.fifo("told"), b.fifo("gate")
			ran := func() (lines [][2]string) {
				for line := range strings.Lines(b.read("ran")) {
					what, pid, _ := strings.Cut(strings.TrimSpace(line), " ")
					lines = append(lines, [2]string{what, pid})
				}
				return lines
			}
			strike := func(what string) {
				t.Helper()
				heard(t, told)
				before := ran()
				b.strike(victims)
				heard(t, told)
				after := ran()
				if len(after) != len(before)+1 || after[len(after)-1][0] != what {
					t.Fatalf("ran %v, then %v", before, after)
				}
				var pid int
				fmt.Sscan(before[len(before)-1][1], &pid)
				awaitGone(t, pid)
				say(t, gate)
			}
			go func() { b.run("up", "-d") }()
			heard(t, told)
			say(t, gate)
			heard(t, up)
			witness := b.node("witness").PID
			seq := b.lastSeq()
			b.must("kill", "api", "-s", "KILL")
			strike("after")
			strike("before")
			heard(t, up)
			b.awaitKind(seq, "api", "started")
			if n := b.node("api"); n.Restarts != 1 || n.State != "running" {
				t.Errorf("api is %s after %d restarts", n.State, n.Restarts)
			}
			if n := b.node("witness"); n.PID != witness {
				t.Errorf("witness had the pid %d and has %d", witness, n.PID)
			}
			exits := 0
			for _, e := range b.events() {
				if e.Node == "api" && e.Kind == "exited" {
					exits++
				}
			}
			if exits != 1 {
				t.Errorf("one end was told %d times", exits)
			}
			stopped := make(chan struct{})
			go func() { b.must("down"); close(stopped) }()
			heard(t, told)
			say(t, gate)
			<-stopped
		})
	}
}

// strike kills the daemon, or keeper and daemon, and goes on with the tree.
func (b *bed) strike(victims string) {
	b.t.Helper()
	d := b.tree().Daemon
	if victims == "daemon" {
		_ = syscall.Kill(d.PID, syscall.SIGKILL)
		return
	}
	for _, pid := range []int{d.Keeper, d.PID} {
		_ = syscall.Kill(pid, syscall.SIGSTOP)
	}
	for _, pid := range []int{d.Keeper, d.PID} {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	awaitGone(b.t, d.PID)
	awaitGone(b.t, d.Keeper)
	go func() { b.run("up", "-d") }()
}

func TestReloadChild(t *testing.T) {
	t.Parallel()
	b := newBed(t, `
[process.signalled]
command = "trap 'echo hup > told' HUP; echo > up; while :; do sleep 0.01; done"
reload_signal = "SIGHUP"
[process.commanded]
command = "trap 'echo usr1 > told' USR1; echo > up; while :; do sleep 0.01; done"
reload_command = "echo one; echo two >&2; [ -e bad ] && exit 4; kill -USR1 $MAINPID"
[process.neither]
command = "exec sleep 1000"
`)
	up, told := b.fifo("up"), b.fifo("told")
	b.up()
	heard(t, up)
	heard(t, up)
	before := pids(b.tree().Root)
	if out := b.must("reload", "signalled"); !strings.Contains(out, "signalled was told to reload") {
		t.Error(out)
	}
	if word := heard(t, told); word != "hup" {
		t.Error(word)
	}
	if out := b.must("reload", "commanded"); out != fmt.Sprintf("commanded was told to reload (pid %d)\n  one\n  two\n", before["commanded"]) {
		t.Error(out)
	}
	if word := heard(t, told); word != "usr1" {
		t.Error(word)
	}
	b.awaitKind(0, "commanded", "reloaded")
	b.write("bad", "")
	for _, c := range []struct {
		name, want string
		code       int
	}{
		{"commanded", `cannot reload commanded: reload_command failed: exit code 4; it said "two" (coppice.toml:7)`, 1},
		{"neither", "neither cannot be told to reload: give it a reload_signal or a reload_command", 1},
		{"nobody", "there is no nobody in this tree", 4},
		{"root", "root is a supervisor", 1},
	} {
		if r := b.run("reload", c.name); r.code != c.code || !strings.Contains(r.errors, c.want) {
			t.Errorf("reload %s: exit code %d, %s", c.name, r.code, r.errors)
		}
	}
	b.awaitKind(0, "commanded", "reload_failed")
	b.must("stop", "commanded")
	if r := b.run("reload", "commanded"); r.code != 1 || !strings.Contains(r.errors, "does not run") {
		t.Errorf("exit code %d, %s", r.code, r.errors)
	}
	if r := b.run("reload", "--dry-run", "signalled"); r.code != 2 {
		t.Errorf("exit code %d, %s", r.code, r.errors)
	}
	if out := b.must("reload"); out != "nothing differs\n" {
		t.Error(out)
	}
	b.must("start", "commanded")
	heard(t, up)
	if after := pids(b.tree().Root); after["signalled"] != before["signalled"] {
		t.Error("a reload restarts")
	}
}

// A change of a hook restarts nothing and holds from the next start or end on.
func TestHooksAreReloaded(t *testing.T) {
	t.Parallel()
	tree := "[process.api]\ncommand = \"exec sleep 1000\"\n"
	b := newBed(t, tree)
	b.up()
	pid := b.node("api").PID
	b.write("coppice.toml", tree+"after_exit = \"echo after >> ran\"\nbefore_start = \"echo before >> ran\"\nreload_signal = \"SIGHUP\"\n")
	if out := b.must("reload"); out != "~ process api: before_start, after_exit, reload_signal\n" {
		t.Error(out)
	}
	b.write("coppice.toml", tree+"after_exit = \"echo gone >> ran\"\nbefore_start = \"echo before >> ran\"\nreload_signal = \"SIGHUP\"\n")
	if out := b.must("reload"); out != "~ process api: after_exit\n" {
		t.Error(out)
	}
	if n := b.node("api"); n.PID != pid {
		t.Error("it was restarted")
	}
	b.must("restart", "api")
	if got := b.read("ran"); got != "gone\nbefore\n" {
		t.Errorf("ran %q", got)
	}
}
