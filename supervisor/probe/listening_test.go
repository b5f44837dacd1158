package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"coppice/configs"
)

func TestParseListener(t *testing.T) {
	for line, want := range map[string]struct {
		port  int
		inode uint64
	}{
		"   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 31337 1 0000000000000000 100 0 0 10 0":                                      {8080, 31337},
		"   3: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 7 1 0000000000000000 100 0": {80, 7},
		"   0: 0100007F:1F90 0100007F:0050 01 00000000:00000000 00:00000000 00000000     0        0 31337 1":                                                                    {},
		"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode":                                                                      {},
		"0: x 0 0A 0 0 0 0 0 9": {},
		"":                      {},
	} {
		port, inode, ok := parseListener([]byte(line))
		if ok != (want.inode != 0) || ok && (port != want.port || inode != want.inode) {
			t.Errorf("%q is %d %d %v", line, port, inode, ok)
		}
	}
}

// The sockets of this very process are its own, and a stranger's for any other one.
func TestListening(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Prober{}
	q := Question{PID: os.Getpid(), Probe: configs.Probe{Kind: configs.ProbeListening, Port: l.Addr().(*net.TCPAddr).Port}}
	if err := p.listening(context.Background(), q); err != nil {
		t.Error(err)
	}
	q.PID = 1 << 22 // nobody
	err = p.listening(context.Background(), q)
	var stranger *strangerError
	if !errors.As(err, &stranger) || !strings.Contains(err.Error(), (&sight{}).nameOf(os.Getpid())+" (pid ") {
		t.Errorf("told %v", err)
	}
	l.Close()
	p.listeners.inodes = nil
	if err := p.listening(context.Background(), q); err == nil || errors.As(err, &stranger) && strings.Contains(err.Error(), (&sight{}).nameOf(os.Getpid())) {
		t.Errorf("told %v, and nobody is there", err)
	}
}

// A process may listen in a network of its own, where the same port of ours is another.
func TestListeningInAnotherNetwork(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make a network namespace")
	}
	ready, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ready.Close() })
	cmd := exec.Command(os.Args[0], "-test.run=^TestListenerOfItsOwn$")
	cmd.Env = append(os.Environ(), "LISTENER_OF_ITS_OWN=1")
	cmd.ExtraFiles = []*os.File{write}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	err = cmd.Start()
	write.Close()
	if err != nil {
		t.Skipf("cannot make a network namespace here: %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	if _, err := ready.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	p := &Prober{}
	q := Question{PID: cmd.Process.Pid, Probe: configs.Probe{Kind: configs.ProbeListening, Port: ownPort}}
	if err := p.listening(context.Background(), q); err != nil {
		t.Error(err)
	}
	q.PID = 1 << 22 // nobody
	if err := p.listening(context.Background(), q); err == nil {
		t.Error("another network's port makes ready who is not in it")
	}
}

// ownPort is the port of TestListenerOfItsOwn.
const ownPort = 39_555

// TestListenerOfItsOwn is the process of TestListeningInAnotherNetwork.
func TestListenerOfItsOwn(t *testing.T) {
	if os.Getenv("LISTENER_OF_ITS_OWN") == "" {
		t.Skip("it is another test's process")
	}
	l, err := net.Listen("tcp", fmt.Sprintf(":%d", ownPort))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, _ = os.NewFile(3, "ready").Write([]byte{1})
	time.Sleep(time.Minute)
}

// What could not be seen for want of a descriptor says nothing.
func TestListeningIsNotSeen(t *testing.T) {
	l := &sight{}
	if l.could(syscall.ENOENT); !errors.Is(l.unless(errNoTables), errNoTables) {
		t.Error("a process that has ended is a shortage")
	}
	l.could(fmt.Errorf("open: %w", syscall.EMFILE))
	if err := l.unless(errNoTables); !isUnasked(err) || !errors.Is(err, syscall.EMFILE) {
		t.Errorf("told %v", err)
	}
}
