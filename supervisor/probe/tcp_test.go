package probe_test

import (
	"net"
	"strconv"
	"sync"
	"testing"

	"coppice/supervisor/probe"
	"coppice/tree"
)

// newTCP makes a TCP and the channel of what it tells.
func newTCP(t *testing.T) (*probe.TCP, chan tree.Ref) {
	ready := make(chan tree.Ref, 2000)
	p := probe.NewTCP(func(ref tree.Ref) { ready <- ref })
	t.Cleanup(p.Close)
	return p, ready
}

// freeAddress is one where nobody listens, for the moment.
func freeAddress(t *testing.T) string {
	t.Helper()
	l := listen(t, "127.0.0.1:0")
	address := l.Addr().String()
	l.Close()
	return address
}

func listen(t *testing.T, address string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func TestTCPReadyAtOnceAndLater(t *testing.T) {
	p, ready := newTCP(t)
	address := freeAddress(t)
	p.Watch(api, address)
	now := tree.Ref{ID: "now", Generation: 1}
	p.Watch(now, listen(t, "127.0.0.1:0").Addr().String())
	if got := <-ready; got != now {
		t.Fatalf("told %v", got)
	}
	listen(t, address)
	if got := <-ready; got != api {
		t.Errorf("told %v", got)
	}
}

// What the process sees is a connection that is closed in order.
func TestTCPConnectionIsClosed(t *testing.T) {
	p, ready := newTCP(t)
	l := listen(t, "127.0.0.1:0")
	_, port, _ := net.SplitHostPort(l.Addr().String())
	p.Watch(api, "localhost:"+port)
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil || err.Error() != "EOF" {
		t.Errorf("read %d, %v", n, err)
	}
	<-ready
}

// A ref that was cancelled is not told, whatever state its attempt is in; bad
// addresses are asked in vain.
func TestTCPCancel(t *testing.T) {
	p, ready := newTCP(t)
	address := freeAddress(t)
	for i := range 200 {
		p.Watch(tree.Ref{ID: "cancelled", Generation: tree.Generation(i)}, address)
	}
	for i := range 200 {
		p.Cancel(tree.Ref{ID: "cancelled", Generation: tree.Generation(i)})
	}
	p.Cancel(api)
	p.Watch(tree.Ref{ID: "bad"}, "not an address")
	p.Watch(tree.Ref{ID: "bad", Generation: 1}, "127.0.0.1:99999")
	listen(t, address)
	p.Watch(api, address)
	if got := <-ready; got != api {
		t.Errorf("told %v", got)
	}
}

func TestTCPThousandAtOnce(t *testing.T) {
	p, ready := newTCP(t)
	l := listen(t, "127.0.0.1:0")
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	})
	nobody := freeAddress(t)
	for i := range 1000 {
		p.Watch(tree.Ref{ID: "p" + strconv.Itoa(i)}, l.Addr().String())
		p.Watch(tree.Ref{ID: "q" + strconv.Itoa(i)}, nobody)
	}
	told := map[tree.Ref]bool{}
	for len(told) < 1000 {
		ref := <-ready
		if told[ref] || ref.ID[0] != 'p' {
			t.Fatalf("told %v", ref)
		}
		told[ref] = true
	}
	l.Close()
	accepting.Wait()
}

// A port in the range that connections start from can be connected to itself,
// with nobody there. Attempts are repeated, so sooner or later this would happen.
func TestTCPConnectionToItselfIsNone(t *testing.T) {
	p, ready := newTCP(t)
	address := freeAddress(t)
	for i := range 500 {
		p.Watch(tree.Ref{ID: "self", Generation: tree.Generation(i)}, address)
	}
	for range 500 {
		p.Watch(api, listen(t, "127.0.0.1:0").Addr().String())
		if got := <-ready; got != api {
			t.Fatalf("told %v, where nobody listens", got)
		}
	}
}
