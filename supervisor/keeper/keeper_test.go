package keeper

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// gate makes the gate that children wait at; closing it opens it.
func (p *pair) gate() *os.File {
	p.t.Helper()
	path := filepath.Join(p.dir, "gate")
	check(p.t, unix.Mkfifo(path, 0o600))
	gate, err := os.OpenFile(path, os.O_RDWR, 0)
	check(p.t, err)
	return gate
}

// spawn has the daemon start a child; its identity and end are noted as an exit is told.
func (p *pair) spawn(how string, into map[string]string) {
	p.t.Helper()
	p.tell("spawn %s", how)
	var pid, start, inode, as string
	_, err := fmt.Sscan(p.await("spawned"), &pid, &as, &start, &inode)
	check(p.t, err)
	end := how + " 0"
	if n, ok := strings.CutPrefix(how, "-"); ok {
		end = "0 " + n
	}
	into[pid] = end + " " + start + " " + inode
	p.await("done")
}

// awaitExits waits until each of the exits was told, once, and no other one.
func (p *pair) awaitExits(want map[string]string) {
	p.t.Helper()
	for len(want) > 0 {
		pid, how, _ := strings.Cut(p.await("exit"), " ")
		if want[pid] != how {
			p.t.Fatalf("%s is told as %q, not %q", pid, how, want[pid])
		}
		delete(want, pid)
	}
}

func TestDaemonKilledFiftyTimes(t *testing.T) {
	p := startPair(t, setup{how: "owner"})
	p.awaitDaemon()
	gate := p.gate()
	p.do("exits %s/exits", p.dir)
	p.do("put mem-a mem-b")
	p.do("put mem-b mem-c")
	p.do("drop mem-c")
	want := map[string]string{}
	for code := range 256 {
		p.spawn(strconv.Itoa(code), want)
	}
	for _, sig := range []int{1, 2, 3, 6, 8, 9, 11, 13, 14, 15, 31} {
		p.spawn("-"+strconv.Itoa(sig), want)
	}
	for i := range 50 {
		kill(t, p.daemon)
		if i == 25 {
			gate.Close()
		}
		said := p.awaitDaemon()
		if said["held"] != "exits,mem-a,mem-b" || said["keeper"] != strconv.Itoa(p.keeper) || said["sid"] != said["pid"] {
			t.Fatalf("daemon %d: %v", i, said)
		}
		if i == 25 {
			p.awaitExits(want)
		}
	}
	if got := strings.Count(p.stderr(), "was killed by SIGKILL; starting it again\n"); got != 50 {
		t.Errorf("%d of 50 deaths told:\n%s", got, p.stderr())
	}
}

func TestUntakenExitsAreToldAgain(t *testing.T) {
	p := startPair(t, setup{how: "owner forgetful"})
	p.awaitDaemon()
	gate := p.gate()
	file := filepath.Join(p.dir, "exits")
	p.do("exits %s", file)
	want := map[string]string{}
	p.spawn("7", want)
	p.killDaemon()
	gate.Close()
	told := p.await("exit")
	for range 3 {
		if p.killDaemon(); p.await("exit") != told {
			t.Fatal("the exit changed")
		}
	}
	f, err := os.Open(file)
	check(t, err)
	defer f.Close()
	if exits, err := ReadExits(f); err != nil || len(exits) != 1 || exits[0].Code != 7 {
		t.Errorf("the exits file: %v, %v", exits, err)
	}
}

func TestTakenExitsLeaveTheFile(t *testing.T) {
	p := startPair(t, setup{how: "owner"})
	p.awaitDaemon()
	gate := p.gate()
	file := filepath.Join(p.dir, "exits")
	p.do("exits %s", file)
	want := map[string]string{}
	p.spawn("7", want)
	p.killDaemon()
	gate.Close()
	p.awaitExits(want)
	// What is sent after `taken` is read after it, and so is the keeper's next word.
	p.killDaemon()
	if info, err := os.Stat(file); err != nil || info.Size() != 0 {
		t.Errorf("the exits file: %v, %v", info, err)
	}
}

func TestKeeperKilled(t *testing.T) {
	p := startPair(t, setup{how: "owner"})
	p.awaitDaemon()
	gate := p.gate()
	p.do("exits %s/exits", p.dir)
	p.do("put mem-a")
	want := map[string]string{}
	p.spawn("5", want)
	for range 10 {
		became := p.daemon
		kill(t, p.keeper)
		p.wait(p.keeper)
		p.keeper = became
		said := p.awaitDaemon()
		if said["keeper"] != strconv.Itoa(became) || said["held"] != "exits,mem-a" {
			t.Fatalf("after keeper %d: %v", became, said)
		}
	}
	gate.Close()
	// The child was the first daemon's, which is a keeper of the past; its parent is
	// this test now.
	for pid := range want {
		n, _ := strconv.Atoi(pid)
		if status := p.wait(n); status.ExitStatus() != 5 {
			t.Errorf("the child ended by %#x", status)
		}
	}
	p.tell("final 9")
	if status := p.wait(p.keeper); status.ExitStatus() != 9 {
		t.Errorf("the keeper ended by %#x", status)
	}
}

func TestTakeOverKeepsChildrenAndExits(t *testing.T) {
	p := startPair(t, setup{how: "owner"})
	p.awaitDaemon()
	gate := p.gate()
	want := map[string]string{}
	p.spawn("5", want)
	became := p.daemon
	kill(t, p.keeper)
	p.awaitDaemon()
	for pid := range want {
		n, _ := strconv.Atoi(pid)
		if got := statusField(t, n, "PPid"); got != strconv.Itoa(became) {
			t.Errorf("the child's parent is %s, not %d", got, became)
		}
	}
	gate.Close()
	p.awaitExits(want)
	p.wait(p.keeper)
	p.keeper = became
}

func TestBothKilledInARow(t *testing.T) {
	for range 20 {
		p := startPair(t, setup{how: "owner"})
		p.awaitDaemon()
		p.do("put mem-a")
		kill(t, p.daemon)
		kill(t, p.keeper)
		p.wait(p.keeper)
		p.end() // of whatever lives, if anything does
	}
	p := startPair(t, setup{how: "owner"})
	p.awaitDaemon()
	p.do("put mem-a")
	for range 10 {
		p.killDaemon()
		became := p.daemon
		kill(t, p.keeper)
		if said := p.awaitDaemon(); said["held"] != "mem-a" {
			t.Fatal(said)
		}
		p.wait(p.keeper)
		p.keeper = became
	}
}

func TestSignalIsHeardOnce(t *testing.T) {
	p := startPair(t, setup{how: "owner"})
	p.awaitDaemon()
	p.do("serve")
	p.killDaemon() // so that `claimed` was read for certain
	check(t, unix.Kill(p.keeper, unix.SIGTERM))
	if got := p.await("signal"); got != "15" {
		t.Fatalf("signal %s", got)
	}
	for range 3 {
		p.killDaemon()
		if got := p.await("signal"); got != "15" {
			t.Fatalf("signal %s", got)
		}
	}
	p.do("heard 15")
	p.killDaemon()
	check(t, unix.Kill(p.keeper, unix.SIGINT))
	if got := p.await("signal"); got != "2" {
		t.Errorf("a signal that was heard came again: %s", got)
	}
}

func TestSignalsBeforeClaimed(t *testing.T) {
	p := startPair(t, setup{how: "idle"})
	p.awaitDaemon()
	check(t, unix.Kill(p.keeper, unix.SIGTERM))
	if got := p.await("caught"); got != "15" {
		t.Errorf("caught %s", got)
	}
}

func TestEndBeforeClaimedIsPassedOn(t *testing.T) {
	for _, code := range []int{0, 1, 2, 200, 255} {
		p := startPair(t, setup{how: "idle"})
		p.awaitDaemon()
		p.tell("exit %d", code)
		if status := p.wait(p.keeper); status.ExitStatus() != code {
			t.Errorf("%d is passed on as %#x", code, status)
		}
	}
	for _, sig := range []syscall.Signal{1, 3, 6, 9, 11} {
		p := startPair(t, setup{how: "idle"})
		p.awaitDaemon()
		check(t, unix.Kill(p.daemon, sig))
		// A program in Go makes an exit of 2 of the others.
		status, dies := p.wait(p.keeper), sig == unix.SIGKILL || sig == unix.SIGHUP
		if dies && (!status.Signaled() || status.Signal() != sig) || !dies && status.ExitStatus() != 2 {
			t.Errorf("%v is passed on as %#x", sig, status)
		}
	}
}

func TestFinal(t *testing.T) {
	p := startPair(t, setup{how: "owner"})
	p.awaitDaemon()
	p.killDaemon()
	p.tell("final 42")
	if status := p.wait(p.keeper); status.ExitStatus() != 42 {
		t.Errorf("the keeper ended by %#x", status)
	}
}

func TestLeave(t *testing.T) {
	p := startPair(t, setup{how: "owner"})
	p.awaitDaemon()
	p.do("put mem-a")
	became := p.daemon
	p.tell("leave 3")
	if status := p.wait(p.keeper); status.ExitStatus() != 3 {
		t.Errorf("the keeper ended by %#x", status)
	}
	if said := p.awaitDaemon(); said["keeper"] != strconv.Itoa(became) || said["held"] != "mem-a" {
		t.Error(said)
	}
	p.keeper = became
}

func TestHungDaemonIsReplaced(t *testing.T) {
	p := startPair(t, setup{how: "owner", env: []string{hurry + "=300ms"}})
	p.awaitDaemon()
	socket := filepath.Join(p.dir, "s")
	p.do("listen %s", socket)
	hung := p.daemon
	check(t, unix.Kill(hung, unix.SIGSTOP))
	conn, err := net.Dial("unix", socket)
	check(t, err)
	defer conn.Close()
	if said := p.awaitDaemon(); said["held"] != "listen" {
		t.Error(said)
	}
	if !strings.Contains(p.stderr(), fmt.Sprintf("the daemon (pid %d) is stopped, and somebody waits for it\n", hung)) {
		t.Errorf("stderr:\n%s", p.stderr())
	}
}

func TestHungDaemonIsLeftAloneWhileNobodyWaits_ByTheClock(t *testing.T) {
	p := startPair(t, setup{how: "owner", env: []string{hurry + "=50ms"}})
	p.awaitDaemon()
	p.do("listen %s/s", p.dir)
	check(t, unix.Kill(p.daemon, unix.SIGSTOP))
	select {
	case line := <-p.lines:
		t.Errorf("it said %q", line)
	case <-time.After(2500 * time.Millisecond):
	}
	check(t, unix.Kill(p.daemon, unix.SIGCONT))
	p.do("serve")
}

func TestLiveDaemonIsNotKilledForAConnectionThatWaits_ByTheClock(t *testing.T) {
	p := startPair(t, setup{how: "owner", env: []string{hurry + "=1s"}})
	p.awaitDaemon()
	p.do("listen %s/s", p.dir)
	conn, err := net.Dial("unix", filepath.Join(p.dir, "s"))
	check(t, err)
	defer conn.Close()
	select {
	case line := <-p.lines: // it answers pings, but never accepts
		t.Errorf("it said %q", line)
	case <-time.After(4 * time.Second):
	}
}

// program is this test binary under another name.
func (p *pair) program(name string) string {
	p.t.Helper()
	exe, err := os.Executable()
	check(p.t, err)
	path := filepath.Join(p.dir, name)
	if os.Link(exe, path) != nil {
		text, err := os.ReadFile(exe)
		check(p.t, err)
		check(p.t, os.WriteFile(path, text, 0o700))
	}
	return path
}

func TestUpgrade(t *testing.T) {
	p := startPair(t, setup{how: "owner"})
	p.awaitDaemon()
	p.do("put mem-a")
	p.tell("upgrade %s", p.program("better"))
	said := p.awaitDaemon()
	if said["program"] != "better" || said["held"] != "mem-a" {
		t.Fatal(said)
	}
	if why := p.await("upgraded"); why != "" {
		t.Errorf("upgraded, but %q", why)
	}
	check(t, os.Remove(filepath.Join(p.dir, "better")))
	if said := p.killDaemon(); !strings.HasPrefix(said["program"], "better") {
		t.Error("a crash went back:", said)
	}
	became := p.daemon
	kill(t, p.keeper)
	if said := p.awaitDaemon(); !strings.HasPrefix(said["program"], "better") {
		t.Error("a take-over went back:", said)
	}
	p.wait(p.keeper)
	p.keeper = became
}

func TestUpgradeThatFails(t *testing.T) {
	for _, c := range []struct{ program, why string }{
		{"exits-at-once", "it ended with code 3 before it served"},
		{"hangs", "it did not serve within 1s"},
		{"no-program", "it cannot be executed: exec format error"},
	} {
		p := startPair(t, setup{how: "owner", env: []string{hurry + "=1s"}})
		p.awaitDaemon()
		old := filepath.Base(self())
		p.do("put mem-a")
		path := filepath.Join(p.dir, c.program)
		if c.program == "no-program" {
			check(t, os.WriteFile(path, []byte("nothing"), 0o700))
		} else {
			path = p.program(c.program)
		}
		p.tell("upgrade %s", path)
		said := p.awaitDaemon()
		if said["program"] != old || said["held"] != "mem-a" {
			t.Error(said)
		}
		if why := p.await("upgraded"); why != c.why {
			t.Errorf("%s: %q", c.program, why)
		}
		if said := p.killDaemon(); said["program"] != old {
			t.Error(said)
		}
	}
}

func TestGarbageOnTheLink(t *testing.T) {
	p := startPair(t, setup{how: "owner"})
	p.awaitDaemon()
	p.do("put mem-a")
	p.do("garbage")
	p.do("put mem-b")
	// An upgrade without a program, descriptors where none belong, words of the
	// keeper: all of it is as if it had not been said.
	said := p.killDaemon()
	if said["held"] != "mem-a,mem-b" || said["keeper"] != strconv.Itoa(p.keeper) {
		t.Error(said)
	}
}

func TestFiveThousandDescriptors(t *testing.T) {
	const many = 5000
	var limit syscall.Rlimit
	check(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	if limit.Max < 3*many {
		t.Skipf("the hard limit of descriptors is %d", limit.Max)
	}
	p := startPair(t, setup{how: "owner"})
	p.awaitDaemon()
	p.do("many %d", many)
	for range 3 {
		if said := p.killDaemon(); said["held"] != strconv.Itoa(many) {
			t.Fatal(said)
		}
		became := p.daemon
		kill(t, p.keeper)
		if said := p.awaitDaemon(); said["held"] != strconv.Itoa(many) {
			t.Fatal(said)
		}
		p.wait(p.keeper)
		p.keeper = became
	}
}

func TestNohup(t *testing.T) {
	p := startPair(t, setup{how: "owner", before: "trap '' HUP"})
	for range 2 {
		if said := p.awaitDaemon(); said["nohup"] != "true" {
			t.Fatal(said)
		}
		check(t, unix.Kill(p.keeper, unix.SIGHUP))
		kill(t, p.daemon)
	}
	p.awaitDaemon()
	became := p.daemon
	kill(t, p.keeper)
	if said := p.awaitDaemon(); said["nohup"] != "true" {
		t.Error("a take-over forgot:", said)
	}
	p.wait(p.keeper)
	p.keeper = became
}

func TestReportIsTheFirstDaemons(t *testing.T) {
	r, w, err := os.Pipe()
	check(t, err)
	p := startPair(t, setup{how: "owner", env: []string{reportVariable + "=3"}, extra: w.Fd()})
	w.Close()
	if said := p.awaitDaemon(); said["report"] != "3" {
		t.Error(said)
	}
	if said := p.killDaemon(); said["report"] != "" {
		t.Error(said)
	}
	// Nobody holds the other end any more.
	if n, err := r.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Error(n, err)
	}
}

func TestSystemd(t *testing.T) {
	dir := t.TempDir()
	addr := &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"}
	conn, err := net.ListenUnixgram("unixgram", addr)
	check(t, err)
	defer conn.Close()
	check(t, conn.SetReadDeadline(time.Now().Add(patience)))
	next := func() string {
		b := make([]byte, 1000)
		n, err := conn.Read(b)
		check(t, err)
		return string(b[:n])
	}
	p := startPair(t, setup{how: "owner", env: []string{"NOTIFY_SOCKET=" + addr.Name}})
	p.awaitDaemon()
	for _, want := range []string{"READY=1", "STATUS=all is well", "STOPPING=1"} {
		if want == "READY=1" {
			p.tell("ready")
		}
		if got := next(); got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
	p.await("done")
	became := p.daemon
	kill(t, p.keeper)
	p.awaitDaemon()
	if got := next(); got != "MAINPID="+strconv.Itoa(became) {
		t.Errorf("after the take-over: %q", got)
	}
	p.wait(p.keeper)
	p.keeper = became
}

func TestFullStderr(t *testing.T) {
	r, w, err := os.Pipe()
	check(t, err)
	defer r.Close()
	fd := int(w.Fd())
	check(t, unix.SetNonblock(fd, true))
	for err == nil {
		_, err = unix.Write(fd, make([]byte, 4096))
	}
	check(t, unix.SetNonblock(fd, false))
	p := startPair(t, setup{how: "owner", stderr: w})
	w.Close()
	p.awaitDaemon()
	p.killDaemon()
	r.Close()
	p.killDaemon()
}

func TestDeadlySignalsOfOthers(t *testing.T) {
	p := startPair(t, setup{how: "owner"})
	p.awaitDaemon()
	for n := syscall.Signal(1); n <= 64; n++ {
		switch n {
		case 1, 2, 3, 9, 15, 19, 20, 21, 22, 32, 33, 34: // Go cannot catch the last three
		default:
			check(t, unix.Kill(p.keeper, n))
		}
	}
	p.killDaemon()
}

func TestIdlePairNeverWakes_ByTheClock(t *testing.T) {
	p := startPair(t, setup{how: "owner"})
	p.awaitDaemon()
	p.do("listen %s/s", p.dir)
	switches := func() string {
		return statusField(t, p.keeper, "voluntary_ctxt_switches") + " " + threads(t, p.keeper)
	}
	before, calm := switches(), 0
	for range 100 {
		time.Sleep(100 * time.Millisecond)
		now := switches()
		if calm++; now != before {
			before, calm = now, 0
		}
		if calm == 15 {
			return
		}
	}
	t.Error("the keeper is never still for 1.5 s")
}

// threads are the voluntary switches of all threads.
func threads(t *testing.T, pid int) string {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	check(t, err)
	var all []string
	for _, task := range tasks {
		text, err := os.ReadFile(task)
		check(t, err)
		_, rest, _ := strings.Cut(string(text), "\nvoluntary_ctxt_switches:")
		first, _, _ := strings.Cut(rest, "\n")
		all = append(all, strings.TrimSpace(first))
	}
	return strings.Join(all, " ")
}
