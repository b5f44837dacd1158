package integration

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// up -d returns when the tree is started, not earlier, and says the daemon's
// right pid.
func TestDetachedWaitsForTheStart(t *testing.T) {
	t.Parallel()
	b := plot(t, `
[supervisor.root]
children = ["slow", "after"]
[process.slow]
command = "echo on > slow.on; while [ ! -e go ]; do sleep 0.02; done; echo done > slow.done"
ready = "exit"
restart = "transient"
[process.after]
command = ["sleep", "1000"]
`)
	first := b.begin("up", "-d")
	b.awaitFile("slow.on")
	second := b.begin("up", "-d")
	foreground := b.exits(1, "up")
	daemon := b.tree().Daemon.PID
	has(t, "up on a running tree", foreground.errors, fmt.Sprint("pid ", daemon), "logs -f")
	until(t, "the second says what it waits for", func() bool { return strings.Contains(second.stderr(), "slow") })
	for _, r := range []*running{first, second} {
		select {
		case <-r.done:
			t.Errorf("%v has not waited: %s%s", r.cmd.Args, r.stdout(), r.stderr())
		default:
		}
	}
	b.write("go", "")
	first.ended(0)
	second.ended(0)
	if s := b.node("after").State; s != "running" {
		t.Errorf("after is %s when up -d returns", s)
	}
	has(t, "the first", first.stdout(), "is up", fmt.Sprint("pid ", daemon))
	has(t, "the second", second.stdout(), "already", fmt.Sprint("pid ", daemon))
	hasNot(t, "the second", second.stdout(), "reload")
	b.edit("1000", "1001")
	has(t, "up -d with a changed file", b.must("up", "-d"), "coppice reload")
	if cmd := cmdline(b.node("after").PID); cmd != "sleep 1000" {
		t.Errorf("up -d has changed the tree: %s", cmd)
	}
}

// up -d tells why the tree did not start, in one line, and leaves no daemon.
func TestDetachedTellsWhyItFailed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, process string
		words         []string
	}{
		{"missing", `command = ["./missing"]`, []string{"missing", "no such file"}},
		{"missing in PATH", `command = ["no-such-program-here"]`, []string{"no-such-program-here", "no such program", "/bin"}},
		{"not executable", `command = ["./plain"]`, []string{"plain", "not executable"}},
		{"a folder", `command = ["./folder"]`, []string{"folder"}},
		{"no interpreter", `command = ["./script"]`, []string{"script", "/no/such/interpreter"}},
		{"no shebang", `command = ["./noformat"]`, []string{"noformat", "exec format"}},
		{"missing dir", "command = \"true\"\ndir = \"nowhere\"", []string{"nowhere", "does not exist"}},
		{"dir is a file", "command = \"true\"\ndir = \"plain\"", []string{"plain", "not a directory"}},
		{"exit", "command = \"echo no; exit 4\"\nready = \"exit\"\nrestart = \"transient\"", []string{"exit", "4"}},
		{"never ready", "command = \"sleep 1000\"\nready = \"notify\"\nstart_timeout = \"100ms\"", []string{"start timeout"}},
		{"ends unready", "command = \"exit 3\"\nready = \"notify\"", []string{"before it was ready", "3"}},
		{"nobody listens", "command = \"sleep 1000\"\nready = { tcp = \"127.0.0.1:1\" }\nstart_timeout = \"100ms\"", []string{"start timeout"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := plot(t, "[supervisor.root]\nchildren = [\"first\", \"broken\", \"after\"]\n[process.first]\ncommand = [\"sleep\", \"1000\"]\n[process.after]\ncommand = \"echo ran > after.ran\"\n[process.broken]\n"+c.process+"\n")
			b.write("plain", "data")
			b.folder("folder")
			b.executable("script", "#!/no/such/interpreter\n")
			b.executable("noformat", "\x00\x01\x02")
			r := b.exits(1, "up", "-d")
			has(t, "stderr", r.errors, append(c.words, "broken")...)
			if strings.Count(r.errors, "\n") != 1 {
				t.Errorf("it is not one line: %s", r.errors)
			}
			b.exits(3, "status")
			if hasFile(b, "after.ran") {
				t.Error("what comes after was started")
			}
			if left := living(b.dir); len(left) > 0 {
				t.Errorf("%d processes are left", len(left))
			}
			has(t, "why", b.must("why", "broken"), c.words...)
			r = b.exits(1, "up")
			has(t, "up's stderr", r.errors, append(c.words, "broken")...)
		})
	}
}

func (b *bed) executable(name, content string) {
	b.t.Helper()
	b.write(name, content)
	if err := os.Chmod(b.path(name), 0o755); err != nil {
		b.t.Fatal(err)
	}
}

// Many at once make one daemon, and all are content.
func TestTenDetachedAtOnce(t *testing.T) {
	t.Parallel()
	b := plot(t, "[process.a]\ncommand = \"echo $$ >> pids; sleep 1000\"\n")
	var all []*running
	for range 10 {
		all = append(all, b.begin("up", "-d"))
	}
	for _, r := range all {
		r.ended(0)
	}
	if n := len(numbers(b.read("pids"))); n != 1 {
		t.Errorf("the child was started %d times", n)
	}
	daemon := b.tree().Daemon.PID
	for _, r := range all {
		has(t, "up -d", r.stdout(), fmt.Sprint("pid ", daemon))
	}
}

// up -d and up while a long down is under way wait, and start a fresh tree.
func TestUpDuringDown(t *testing.T) {
	t.Parallel()
	b := plot(t, `
[process.slow]
command = "trap 'while [ ! -e go ]; do sleep 0.02; done; exit 0' TERM; echo on; while :; do sleep 0.02; done"
shutdown = "1h"
stop_to = "main"
`)
	b.up()
	b.awaitLog("slow", "on")
	before := b.tree()
	down := b.begin("down")
	b.awaitState("slow", "stopping")
	up := b.begin("up", "-d")
	until(t, "up says what it waits for", func() bool { return up.stderr() != "" })
	has(t, "up", up.stderr(), "waiting")
	start := b.begin("start", "slow")
	until(t, "start says what it waits for", func() bool { return strings.Contains(start.stderr(), "slow is stopping") })
	b.write("go", "")
	down.ended(0)
	start.ended(1)
	up.ended(0)
	after := b.tree()
	if after.Daemon.PID == before.Daemon.PID || pids(after.Root)["slow"] == pids(before.Root)["slow"] {
		t.Error("the tree is not a fresh one")
	}
	if n := b.node("slow").Restarts; n != 0 {
		t.Errorf("a fresh tree begins with %d restarts", n)
	}
}

// A fresh tree has forgotten what operators and jobs did.
func TestFreshStart(t *testing.T) {
	t.Parallel()
	b := shopBed(t)
	b.must("stop", "db")
	b.must("kill", "api", "-s", "KILL")
	b.awaitKind(0, "api", "restarting")
	b.must("down")
	b.must("up", "-d")
	if n := b.node("db"); n.State != "running" || n.Held {
		t.Errorf("db is %s, held %v", n.State, n.Held)
	}
	if n := b.node("api"); n.Restarts != 0 || n.LastExit != nil {
		t.Errorf("api has %d restarts, last exit %+v", n.Restarts, n.LastExit)
	}
	b.awaitState("job", "finished")
}

// A daemon that was killed leaves its socket, which is in nobody's way.
func TestStaleSocket(t *testing.T) {
	t.Parallel()
	b := plot(t, "[process.a]\ncommand = \"exit 0\"\nrestart = \"transient\"\n")
	b.up()
	b.awaitState("a", "finished")
	pid := b.tree().Daemon.PID
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	awaitGone(t, pid)
	// Where a keeper starts it anew, status finds that one.
	if r := b.run("status"); r.code != 3 && r.code != 0 {
		t.Errorf("status: exit code %d: %s", r.code, r.errors)
	}
	b.must("up", "-d")
	b.awaitState("a", "finished")
	b.must("down")
	b.exits(3, "status")
	if hasFile(b, ".coppice/sock") {
		t.Error("the socket is left behind")
	}
}

// One state folder has one daemon.
func TestSecondDaemon(t *testing.T) {
	t.Parallel()
	b := plot(t, "[process.a]\ncommand = [\"sleep\", \"1000\"]\n")
	b.up()
	first := b.tree().Daemon.PID
	b.write("other.toml", "[process.z]\ncommand = \"echo ran > z.ran\"\n")
	for _, verb := range []string{"daemon", "up"} {
		r := b.exits(1, verb, "--state", b.path(".coppice"), "-f", b.path("other.toml"))
		has(t, verb, r.errors, fmt.Sprint("pid ", first))
	}
	if hasFile(b, "z.ran") {
		t.Error("the second one has started something")
	}
	b.exits(0, "status", "a")
}

// A state folder's path may be of any length.
func TestLongStateFolder(t *testing.T) {
	t.Parallel()
	b := plot(t, "[process.a]\ncommand = \"echo hello; sleep 1000\"\n")
	state := b.path(strings.Repeat("long-name/", 30) + "state")
	if err := os.MkdirAll(filepath.Dir(state), 0o755); err != nil {
		t.Fatal(err)
	}
	at := []string{"--state", state}
	b.must(append([]string{"up", "-d"}, at...)...)
	t.Cleanup(func() { _ = b.command(append([]string{"down"}, at...)...).Run() }) // it is down already, where the test came so far
	b.exits(0, append([]string{"status", "a"}, at...)...)
	b.exits(0, "status", "a", "--socket", filepath.Join(state, "sock"))
	has(t, "logs", b.must(append([]string{"logs"}, at...)...), "hello")
	if st, err := os.Stat(state); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("the state folder is %v %v", st.Mode(), err)
	}
	b.must(append([]string{"down"}, at...)...)
	b.exits(3, append([]string{"status"}, at...)...)
}

// Nobody runs a tree out of a folder that is another's.
func TestStateFolderOfSomeoneElse(t *testing.T) {
	t.Parallel()
	b := plot(t, "[process.a]\ncommand = \"echo ran > a.ran\"\n")
	state := "/" // an ordinary user does not own it
	if os.Getuid() == 0 {
		state = b.path("theirs")
		b.folder("theirs")
		if err := os.Chown(state, 65534, 65534); err != nil {
			t.Skipf("cannot give a folder away: %v", err)
		}
	}
	for _, args := range [][]string{{"up", "-d"}, {"up"}, {"daemon"}} {
		r := b.exits(1, append(args, "--state", state)...)
		has(t, "stderr", r.errors, state)
	}
	if hasFile(b, "a.ran") {
		t.Error("the tree was run")
	}
	open := b.path("open")
	b.folder("open")
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	if r := b.run("up", "-d", "--state", open); r.code == 0 {
		b.must("down", "--state", open)
		st, err := os.Stat(open)
		if err != nil || st.Mode().Perm()&0o022 != 0 {
			t.Errorf("everybody may write to the state folder that is used: %v", st.Mode())
		}
	}
}

// A tree file that is found must be nobody else's to write.
func TestFoundFileMustBeOurs(t *testing.T) {
	t.Parallel()
	b := plot(t, "[process.a]\ncommand = \"echo ran > a.ran\"\n")
	if err := os.Chmod(b.path("coppice.toml"), 0o666); err != nil {
		t.Fatal(err)
	}
	r := b.run("up", "-d")
	if r.code == 0 || hasFile(b, "a.ran") {
		t.Errorf("a file that everybody may write is used: %d", r.code)
	}
	has(t, "stderr", r.errors, "coppice.toml")
	b.must("check", "-f", "coppice.toml") // said by name it is used
}

// The child finds what the tree file says, and nothing of the daemon's own.
func TestWhatAChildSees(t *testing.T) {
	t.Parallel()
	b := plot(t, `
[process.a]
command = """
env -0 > env; pwd > cwd; ls -l /proc/self/fd > fds; readlink /proc/$$/fd/0 > stdin
grep -E '^(Sig|Shd)' /proc/self/status > signals; cut -d' ' -f1,5,6 /proc/$$/stat > ids; ulimit -n > files; umask > umask
echo on > on; sleep 1000
"""
dir = "sub"
env_file = "a.env"
env = { BOTH = "env", LONG = "${GIVEN}-${ABSENT:-default}", LITERAL = "$${GIVEN} $HOME" }
`)
	b.folder("sub")
	b.write("a.env", "# words\nBOTH=file\nONLY_FILE='two words'\nexport GIVEN=given\n")
	cmd := b.command("up", "-d")
	cmd.Env = append(cmd.Env, "INHERITED=yes", "NOTIFY_SOCKET=/nowhere", "LISTEN_FDS=1", "LISTEN_PID=1", "LISTEN_FDNAMES=x",
		"WATCHDOG_USEC=1", "WATCHDOG_PID=1", "COPPICE_CGROUP=off", "COPPICE_ANYTHING=1")
	// Descriptors that the daemon inherits are not its children's business.
	extra, err := os.Open("/dev/zero")
	if err != nil {
		t.Fatal(err)
	}
	defer extra.Close()
	cmd.ExtraFiles = []*os.File{extra, extra, extra}
	if r := outcome(t, cmd); r.code != 0 {
		t.Fatalf("%d %s", r.code, r.errors)
	}
	b.awaitFile("sub/on")
	env := map[string]string{}
	for line := range strings.SplitSeq(strings.TrimSuffix(b.read("sub/env"), "\x00"), "\x00") {
		name, value, _ := strings.Cut(line, "=")
		env[name] = value
	}
	for name, want := range map[string]string{
		"BOTH": "env", "ONLY_FILE": "two words", "GIVEN": "given", "LONG": "given-default", "LITERAL": "${GIVEN} $HOME", "INHERITED": "yes",
	} {
		if env[name] != want {
			t.Errorf("%s is %q, not %q", name, env[name], want)
		}
	}
	for name := range env {
		for _, p := range []string{"NOTIFY_SOCKET", "LISTEN_", "WATCHDOG_", "COPPICE_"} {
			if strings.HasPrefix(name, p) {
				t.Errorf("it sees %s=%s", name, env[name])
			}
		}
	}
	if got := strings.TrimSpace(b.read("sub/cwd")); got != b.path("sub") {
		t.Errorf("its folder is %s", got)
	}
	if got := strings.TrimSpace(b.read("sub/stdin")); got != "/dev/null" {
		t.Errorf("its stdin is %s", got)
	}
	fds := 0
	for line := range strings.Lines(b.read("sub/fds")) {
		if strings.Contains(line, "->") && !strings.Contains(line, "/proc/") { // ls has one of its own
			fds++
		}
	}
	if fds != 3 {
		t.Errorf("it has %d descriptors:\n%s", fds, b.read("sub/fds"))
	}
	checkSignals(t, b.read("sub/signals"))
	ids := numbers(b.read("sub/ids"))
	if len(ids) != 3 || ids[0] != ids[1] || ids[0] != ids[2] {
		t.Errorf("pid, group and session are %v: they should be one", ids)
	}
}

// checkSignals wants nothing blocked and nothing ignored.
func checkSignals(t *testing.T, status string) {
	t.Helper()
	for _, name := range []string{"SigBlk", "SigIgn"} {
		for line := range strings.Lines(status) {
			if value, ok := strings.CutPrefix(line, name+":"); ok && strings.Trim(strings.TrimSpace(value), "0") != "" {
				t.Errorf("a child begins with %s %s", name, strings.TrimSpace(value))
			}
		}
	}
}

// Whatever the daemon was started to ignore or to block, children begin with
// every signal at its default; and a hang-up that nohup has ignored stays
// ignored by the daemon.
func TestSignalsOfTheStarter(t *testing.T) {
	t.Parallel()
	needs(t, "perl")
	tree := "[process.a]\ncommand = \"grep -E '^Sig' /proc/self/status > signals; echo on > on; sleep 1000\"\n"
	for name, starter := range map[string]string{
		"ignored": `$SIG{$_} = 'IGNORE' for qw(HUP INT QUIT PIPE CHLD USR1 TERM); exec @ARGV`,
		"blocked": `use POSIX; my $s = POSIX::SigSet->new; $s->fillset; sigprocmask(SIG_BLOCK, $s); exec @ARGV`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := plot(t, tree)
			inner := b.command("daemon")
			cmd := exec.Command("perl", append([]string{"-e", starter, binary}, inner.Args[1:]...)...)
			cmd.Dir, cmd.Env = inner.Dir, inner.Env
			daemon := start(t, cmd)
			b.awaitDaemon()
			b.awaitFile("on")
			checkSignals(t, b.read("signals"))
			pid := b.node("a").PID
			if name == "ignored" {
				daemon.signal(syscall.SIGHUP)
				b.exits(0, "status", "a")
			}
			// A kill ends it and is seen, also where SIGCHLD was ignored.
			since := b.newest()
			b.must("kill", "a", "-s", "KILL")
			b.awaitKind(since, "a", "started")
			gone(t, "the first one", pid)
			daemon.signal(syscall.SIGTERM)
			daemon.ended(0)
		})
	}
}

// A daemon without standard descriptors works and mixes none up.
func TestNoStandardDescriptors(t *testing.T) {
	t.Parallel()
	b := plot(t, "[process.a]\ncommand = \"echo hello; sleep 1000\"\n")
	inner := b.command("daemon")
	cmd := exec.Command("sh", "-c", `exec "$0" daemon <&- >&- 2>&-`, binary)
	cmd.Dir, cmd.Env = inner.Dir, inner.Env
	daemon := start(t, cmd)
	b.awaitDaemon()
	b.awaitState("a", "running")
	b.awaitLog("a", "hello")
	b.must("down")
	daemon.ended(0)
	if got := b.must("logs", "--raw", "a"); got != "hello\n" {
		t.Errorf("the log is %q", got)
	}
}

// The reader of the foreground's output may go away: the tree runs on.
func TestBrokenOutput(t *testing.T) {
	t.Parallel()
	b := plot(t, "[process.a]\ncommand = \"while :; do echo line; sleep 0.01; done\"\n")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := b.command("up")
	cmd.Stdout = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	b.awaitDaemon()
	pid := b.awaitState("a", "running").PID
	r.Close()
	b.awaitLog("a", "line")
	b.exits(0, "status", "a")
	if got := b.node("a").PID; got != pid {
		t.Error("the child did not survive")
	}
	b.must("down")
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// A reader that stops reading the foreground's output stops nothing else.
func TestStuckOutput(t *testing.T) {
	t.Parallel()
	b := plot(t, `
[process.loud]
command = "head -c 2000000 /dev/zero | tr '\\0' '\\n'; echo on > on; sleep 1000"
[process.other]
command = ["sleep", "1000"]
`)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := b.command("up")
	cmd.Stdout = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	b.awaitDaemon()
	b.awaitFile("on")
	b.must("restart", "other")
	b.exits(0, "status", "other", "loud")
	b.must("down")
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if got := len(b.must("logs", "--raw", "loud")); got != 2000000 {
		t.Errorf("%d bytes are in the log", got)
	}
}

// Termination at any moment of the start is a clean stop.
func TestTermWhileStarting(t *testing.T) {
	t.Parallel()
	for delay := time.Duration(0); delay < 60*time.Millisecond; delay += 6 * time.Millisecond {
		t.Run(delay.String(), func(t *testing.T) {
			b := plot(t, "[process.a]\ncommand = [\"sleep\", \"1000\"]\n[process.b]\ncommand = \"sleep 1000\"\nready = \"notify\"\n")
			d := b.begin("daemon")
			time.Sleep(delay) // the moment is what is tried
			d.signal(syscall.SIGTERM)
			// The signal itself ends what has begun nothing yet.
			if code := d.wait(); code != 0 && !(code == -1 && d.stderr() == "") {
				t.Errorf("exit code %d: %s", code, d.stderr())
			}
			if left := living(b.dir); len(left) > 0 {
				t.Errorf("%d processes are left", len(left))
			}
			if _, err := b.client().Tree(context.Background(), false); err == nil {
				t.Error("a daemon answers")
			}
		})
	}
}

// A Procfile is a tree: string commands, an environment beside it, transient.
func TestProcfile(t *testing.T) {
	t.Parallel()
	b := plot(t, "")
	if err := os.Remove(b.path("coppice.toml")); err != nil {
		t.Fatal(err)
	}
	b.write("Procfile", "# what runs\nweb: echo port $PORT; sleep 1000\nworker: echo on; sleep 1000\n")
	b.write(".env", "PORT=8123\n")
	up := b.begin("up")
	up.line("port 8123")
	b.awaitDaemon()
	if n := b.awaitState("web", "running"); n.Restart != "transient" {
		t.Errorf("web is %s", n.Restart)
	}
	if got := b.tree().Name; got != filepath.Base(b.dir) {
		t.Errorf("the tree's name is %q", got)
	}
	up.signal(os.Interrupt)
	up.ended(0)
	b.write("Procfile", "web: sleep 1000\nweb: sleep 1\n: nothing\n")
	r := b.exits(2, "check")
	has(t, "check", r.errors, "Procfile:2:", "Procfile:3:")
}

// events, why and logs have nothing to tell where no daemon ever ran.
func TestNeverRun(t *testing.T) {
	t.Parallel()
	b := plot(t, "[process.a]\ncommand = \"true\"\n")
	for _, args := range [][]string{{"events"}, {"why", "a"}, {"logs"}, {"status"}, {"down"}, {"stop", "a"}, {"reload"}, {"wait", "a"}} {
		r := b.exits(3, args...)
		has(t, args[0], r.errors, "no daemon runs")
	}
	if hasFile(b, ".coppice") {
		t.Error("asking has made a state folder")
	}
	b.must("check")
}

// A daemon in the background keeps nothing of its starter's: who reads a pipe to its
// end does not wait for the daemon.
func TestBackgroundKeepsNoDescriptor(t *testing.T) {
	b := newBed(t, "[process.a]\ncommand = [\"sleep\", \"1000\"]\n")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	up := b.command("up", "-d")
	up.ExtraFiles = []*os.File{w}
	if out, err := up.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	w.Close()
	if err := r.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("the pipe has no end: %v", err)
	}
}

// ps shows the two processes of a tree by their names, however they were started.
func TestNamesOfKeeperAndDaemon(t *testing.T) {
	b := newBed(t, `
[process.a]
command = ["sleep", "1000"]
`)
	b.must("up", "-d")
	d := b.tree().Daemon
	for pid, want := range map[int]string{d.PID: "coppice-daemon", d.Keeper: "coppice"} {
		if name := comm(pid); name != want {
			t.Errorf("process %d is called %q, not %s", pid, name, want)
		}
	}
}
