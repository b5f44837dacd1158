package probe

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"testing"

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
	if !errors.As(err, &stranger) || !strings.Contains(err.Error(), nameOf(os.Getpid())+" (pid ") {
		t.Errorf("told %v", err)
	}
	l.Close()
	p.listeners.inodes = nil
	if err := p.listening(context.Background(), q); err == nil || errors.As(err, &stranger) && strings.Contains(err.Error(), nameOf(os.Getpid())) {
		t.Errorf("told %v, and nobody is there", err)
	}
}
