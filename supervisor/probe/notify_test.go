package probe_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"coppice/supervisor/probe"
	"coppice/tree"
)

// TestMain lets this binary be the processes that send. What they do is the
// value of PROBE_TEST_CHILD.
func TestMain(m *testing.M) {
	role := os.Getenv("PROBE_TEST_CHILD")
	if role == "" {
		os.Exit(m.Run())
	}
	address, text := os.Getenv("PROBE_TEST_ADDRESS"), os.Getenv("PROBE_TEST_TEXT")
	switch role {
	case "wait": // does nothing until its input ends
		fmt.Println("here")
		io.Copy(io.Discard, os.Stdin)
	case "send": // sends, says so, and waits
		send(address, []byte(text), nil)
		fmt.Println("sent")
		io.Copy(io.Discard, os.Stdin)
	case "send and go": // as systemd-notify does
		send(address, []byte(text), nil)
	case "parent", "parent of a session": // has a child that sends and waits
		os.Setenv("PROBE_TEST_CHILD", "send")
		child := exec.Command("/proc/self/exe")
		child.SysProcAttr = &syscall.SysProcAttr{Setsid: role != "parent"}
		child.Stdin, child.Stdout = os.Stdin, os.Stdout
		child.Run()
	case "orphan": // as parent of a session, and goes before the child sends
		os.Setenv("PROBE_TEST_CHILD", "orphaned")
		child := exec.Command("/proc/self/exe")
		child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		child.Stdin, child.Stdout = os.Stdin, os.Stdout
		child.Start()
		os.Exit(0)
	case "orphaned": // waits for its parent's end, which its input tells
		io.ReadFull(os.Stdin, make([]byte, 1))
		send(address, []byte(text), nil)
		fmt.Println("sent")
		io.Copy(io.Discard, os.Stdin)
	}
}

// send sends one message, with descriptors.
func send(address string, data []byte, fds []int) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var control []byte
	if len(fds) > 0 {
		control = unix.UnixRights(fds...)
	}
	return unix.Sendmsg(fd, data, control, &unix.SockaddrUnix{Name: address}, 0)
}

// process is a child of the test that leads a session.
type process struct {
	*exec.Cmd
	*testing.T
	stdin  io.WriteCloser
	stdout io.Reader
}

// childEnv makes this binary a child. The race detector would have it wait for a
// second before its end.
func childEnv(role, address, text string) []string {
	return append(os.Environ(), "GORACE=atexit_sleep_ms=0",
		"PROBE_TEST_CHILD="+role, "PROBE_TEST_ADDRESS="+address, "PROBE_TEST_TEXT="+text)
}

func start(t *testing.T, role, address, text string, env ...string) *process {
	t.Helper()
	child := exec.Command("/proc/self/exe")
	child.Env = append(childEnv(role, address, text), env...)
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{child, t, stdin, stdout}
	t.Cleanup(p.end)
	return p
}

// hear waits until the process has said what it did.
func (p *process) hear() {
	p.Helper()
	if _, err := p.stdout.Read(make([]byte, 10)); err != nil {
		p.Fatal(err)
	}
}

// end ends the process and those that hold its input.
func (p *process) end() {
	p.stdin.Close()
	io.Copy(io.Discard, p.stdout)
	p.Wait()
}

// hub is a Notify, and what it told.
type hub struct {
	*testing.T
	*probe.Notify
	ready     chan tree.Ref
	strangers chan int
	others    chan probe.Said
}

func newHub(t *testing.T) *hub {
	t.Helper()
	h := &hub{T: t, ready: make(chan tree.Ref, 2000), strangers: make(chan int, 2000), others: make(chan probe.Said, 2000)}
	n, err := probe.NewNotify(func(said probe.Said) {
		switch {
		case said.Ready:
			h.ready <- said.Ref
		case said.Stranger != 0:
			h.strangers <- said.Stranger
		default:
			h.others <- said
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	h.Notify = n
	t.Cleanup(n.Close)
	return h
}

func (h *hub) open(ref tree.Ref) string {
	h.Helper()
	address, _, err := h.Open(ref, os.Geteuid())
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() { h.Cancel(ref) })
	return address
}

// quiet checks that nothing was told. Callbacks come in order, so the readiness
// of another incarnation follows all that was due before.
func (h *hub) quiet() {
	h.Helper()
	marker := tree.Ref{ID: "marker", Generation: 1}
	address := h.open(marker)
	h.SetPID(marker, os.Getpid())
	if err := send(address, []byte("READY=1"), nil); err != nil {
		h.Fatal(err)
	}
	if got := <-h.ready; got != marker {
		h.Errorf("told that %v is ready", got)
	}
	if len(h.strangers) > 0 {
		h.Errorf("told of the stranger %d", <-h.strangers)
	}
	h.Cancel(marker)
}

var api = tree.Ref{ID: "api", Generation: 3}

func TestWhoMaySayIt(t *testing.T) {
	for _, role := range []string{"send", "send and go", "parent", "parent of a session"} {
		h := newHub(t)
		address := h.open(api)
		p := start(t, role, address, "READY=1")
		if role == "send and go" {
			p.end()
		}
		h.SetPID(api, p.Process.Pid)
		if got := <-h.ready; got != api {
			t.Errorf("%s: told %v", role, got)
		}
		if len(h.strangers) > 0 {
			t.Errorf("%s: is a stranger", role)
		}
	}
}

// A process in a session of its own whose parent has gone is known by the
// environment that it inherited.
func TestOrphanInASessionOfItsOwn(t *testing.T) {
	h := newHub(t)
	address := h.open(api)
	p := start(t, "orphan", address, "READY=1", "NOTIFY_SOCKET="+address)
	h.SetPID(api, p.Process.Pid)
	if _, err := p.Process.Wait(); err != nil {
		t.Fatal(err)
	}
	p.stdin.Write([]byte("x"))
	if got := <-h.ready; got != api {
		t.Errorf("told %v", got)
	}
}

// A sender that lives and belongs to none of it is not heard, and told once.
func TestStranger(t *testing.T) {
	h := newHub(t)
	address := h.open(api)
	p := start(t, "wait", "", "")
	h.SetPID(api, p.Process.Pid)
	for range 3 {
		stranger := start(t, "send", address, "READY=1\nSTATUS=mine")
		stranger.hear()
		if h.Drain(api) || h.Told(api).Status != "" {
			t.Error("a stranger was heard")
		}
	}
	<-h.strangers
	h.quiet()
}

// held is a Notify whose goroutine waits in a callback, so that messages are read
// when Drain is called and not before.
func held(t *testing.T) *probe.Notify {
	t.Helper()
	entered, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	n, err := probe.NewNotify(func(probe.Said) {
		once.Do(func() { close(entered) })
		<-release
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { close(release); n.Close() })
	ref := tree.Ref{ID: "holds", Generation: 1}
	address, _, err := n.Open(ref, os.Geteuid())
	if err != nil {
		t.Fatal(err)
	}
	n.SetPID(ref, os.Getpid())
	if err := send(address, []byte("READY=1"), nil); err != nil {
		t.Fatal(err)
	}
	<-entered
	return n
}

// A process that says its word and is gone when that is read (systemd-notify) is
// believed by its user: the daemon's or the process's own, and no other.
func TestDeadSender(t *testing.T) {
	self, other := os.Geteuid(), 65533
	for _, c := range []struct {
		sender, owner int
		ready         bool
	}{
		{self, self, true},
		{self, other, true},
		{other, other, true},
		{other, self, false},
	} {
		n := held(t)
		address, _, err := n.Open(api, c.owner)
		if err != nil {
			t.Fatal(err)
		}
		n.SetPID(api, start(t, "wait", "", "").Process.Pid)
		child := exec.Command("/proc/self/exe")
		child.Env = childEnv("send and go", address, "READY=1")
		child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if c.sender != self {
			child.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(c.sender), Gid: uint32(c.sender)}
		}
		if err := child.Run(); errors.Is(err, syscall.EPERM) {
			t.Skip("sending as another user needs root: ", err)
		} else if err != nil {
			t.Fatal(err)
		}
		if got := n.Drain(api); got != c.ready {
			t.Errorf("user %d sends for a process of user %d: ready is %v", c.sender, c.owner, got)
		}
	}
}

func TestMessagesBeforeThePIDIsKnown(t *testing.T) {
	h := newHub(t)
	address := h.open(api)
	p := start(t, "send", address, "STATUS=loading\nREADY=1")
	p.hear()
	if h.Drain(api) || h.Told(api).Status != "" {
		t.Error("believed before anybody could know who it is")
	}
	p.end() // what is known of the sender was found out before
	h.SetPID(api, p.Process.Pid)
	if !h.Drain(api) || h.Told(api).Status != "loading" {
		t.Errorf("not ready, status %q", h.Told(api).Status)
	}
	if got := <-h.ready; got != api {
		t.Errorf("told %v", got)
	}
	h.quiet()
}

// READY=1 sent just before the end counts, however the race between the two is
// decided.
func TestDrainSeesWhatWasSentBeforeTheEnd(t *testing.T) {
	h := newHub(t)
	for i := range 30 {
		ref := tree.Ref{ID: "api", Generation: tree.Generation(i + 1)}
		address := h.open(ref)
		p := start(t, "send and go", address, "READY=1")
		h.SetPID(ref, p.Process.Pid)
		p.end()
		if !h.Drain(ref) {
			t.Fatalf("incarnation %d was not ready", i)
		}
		if got := <-h.ready; got != ref {
			t.Errorf("told %v", got)
		}
		h.Cancel(ref)
		if h.Drain(ref) {
			t.Error("ready after Cancel")
		}
	}
}

func TestOddMessages(t *testing.T) {
	h := newHub(t)
	address := h.open(api)
	h.SetPID(api, os.Getpid())
	long := strings.Repeat("X=1\n", 3000)
	for _, text := range []string{
		"", "\n", "=", "READY", "READY=", "READY=0", "READY=12", "ready=1", " READY=1", "X=READY=1",
		"\x00", "\xff\xfe", "MAINPID=1\nWATCHDOG=1", "FDSTORE=1", long + "READY=1", "STATUS=",
	} {
		if err := send(address, []byte(text), nil); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if h.Drain(api) || h.Told(api).Status != "" {
			t.Errorf("%.20q was heard: status %q", text, h.Told(api).Status)
		}
	}
	for text, status := range map[string]string{
		"STATUS=one line":                           "one line",
		"X=1\r\nSTATUS=grün\r\nY=2":                 "grün",
		"STATUS=\x1b[2Jclear":                       "[2Jclear",
		"STATUS=a\nSTATUS=b":                        "b",
		"STATUS=\xff!":                              "\uFFFD!",
		"STATUS=" + strings.Repeat("x", 300):        strings.Repeat("x", 256),
		"STATUS=kept\n" + strings.Repeat("y", 9000): "kept",
	} {
		if err := send(address, []byte(text), nil); err != nil {
			t.Fatal(err)
		}
		if h.Drain(api); h.Told(api).Status != status {
			t.Errorf("%.20q: status %q, want %q", text, h.Told(api).Status, status)
		}
	}
	if err := send(address, []byte("EXTEND=1\nREADY=1"), nil); err != nil {
		t.Fatal(err)
	}
	if !h.Drain(api) {
		t.Error("READY=1 was not heard")
	}
}

// Descriptors that come with a message are closed, also with one of 0 bytes or
// one that is not believed: a barrier waits for just that.
func TestPassedDescriptorsAreClosed(t *testing.T) {
	h := newHub(t)
	address := h.open(api)
	h.SetPID(api, os.Getpid())
	for _, text := range []string{"BARRIER=1", "READY=1", "x", ""} {
		var ends [2]int
		if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		fds := make([]int, 253)
		for i := range fds {
			fds[i] = ends[1]
		}
		if err := send(address, []byte(text), fds); err != nil {
			t.Fatal(err)
		}
		unix.Close(ends[1])
		// The end of the pipe comes when the last copy is closed.
		if n, err := unix.Read(ends[0], make([]byte, 1)); n != 0 || err != nil {
			t.Errorf("read %d, %v", n, err)
		}
		unix.Close(ends[0])
	}
}

// A thousand processes at once have one goroutine and a descriptor each.
func TestThousandSockets(t *testing.T) {
	h := newHub(t)
	addresses := map[tree.Ref]string{}
	for i := range 1000 {
		ref := tree.Ref{ID: "p" + strconv.Itoa(i), Generation: 1}
		addresses[ref] = h.open(ref)
		h.SetPID(ref, os.Getpid())
	}
	for ref, address := range addresses {
		if err := send(address, []byte("READY=1"), nil); err != nil {
			t.Fatalf("%v: %v", ref, err)
		}
	}
	for range addresses {
		ref := <-h.ready
		if addresses[ref] == "" {
			t.Errorf("%v told twice", ref)
		}
		addresses[ref] = ""
	}
}

// A flood of one process does not keep others from being heard.
func TestFloodOfMessages(t *testing.T) {
	h := newHub(t)
	flooded := tree.Ref{ID: "flood", Generation: 1}
	address := h.open(flooded)
	h.SetPID(flooded, os.Getpid())
	done := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-done:
				return
			default:
				send(address, []byte("STATUS=flood"), nil)
			}
		}
	}()
	for i := range 100 {
		ref := tree.Ref{ID: "api", Generation: tree.Generation(i + 1)}
		address := h.open(ref)
		h.SetPID(ref, os.Getpid())
		if err := send(address, []byte("READY=1"), nil); err != nil {
			t.Fatal(err)
		}
		if got := <-h.ready; got != ref {
			t.Fatalf("told %v", got)
		}
		h.Drain(flooded)
		h.Cancel(ref)
	}
	close(done)
	<-stopped
}

// FuzzNotice sends anything: what is kept of it is harmless.
func FuzzNotice(f *testing.F) {
	for _, seed := range []string{"READY=1", "STATUS=x\nREADY=1\n", "STATUS=\x1b[2J\xff\xfe", "\n\n=\n==", strings.Repeat("STATUS=é", 999)} {
		f.Add([]byte(seed))
	}
	n, err := probe.NewNotify(func(probe.Said) {})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(n.Close)
	f.Fuzz(func(t *testing.T, data []byte) {
		address, _, err := n.Open(api, os.Geteuid())
		if err != nil {
			t.Fatal(err)
		}
		defer n.Cancel(api)
		n.SetPID(api, os.Getpid())
		if err := send(address, data[:min(len(data), 60_000)], nil); err != nil {
			t.Fatal(err)
		}
		n.Drain(api)
		status := n.Told(api).Status
		if len(status) > 256 || strings.ToValidUTF8(status, "") != status || strings.ContainsAny(status, "\n\r\x1b\x00") {
			t.Errorf("status %q", status)
		}
	})
}
