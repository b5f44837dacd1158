package probe_test

import (
	"net"
	"strconv"
	"sync"
	"testing"

	"coppice/configs"
	"coppice/supervisor/probe"
	"coppice/tree"
)

// newProber makes a Prober and the channel of what it tells.
func newProber(t *testing.T) (*probe.Prober, chan probe.Answer) {
	t.Helper()
	answers := make(chan probe.Answer, 10_000)
	p := probe.NewProber(func(a probe.Answer) { answers <- a })
	t.Cleanup(p.Close)
	return p, answers
}

// tcp asks whether a port is open.
func tcp(address string) configs.Probe {
	return configs.Probe{Kind: configs.ProbeTCP, Target: address, Timeout: 5 * tree.Second}
}

// askReady asks an incarnation whether it is ready.
func askReady(p *probe.Prober, ref tree.Ref, how configs.Probe) {
	p.Ask(probe.Question{Ref: ref, Probe: how})
}

// nextReady is the next process that is ready; reasons why one is not are left
// out.
func nextReady(answers chan probe.Answer) tree.Ref {
	for a := range answers {
		if a.OK {
			return a.Ref
		}
	}
	return tree.Ref{}
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

func TestProberReadyAtOnceAndLater(t *testing.T) {
	p, ready := newProber(t)
	address := freeAddress(t)
	askReady(p, api, tcp(address))
	now := tree.Ref{ID: "now", Generation: 1}
	askReady(p, now, tcp(listen(t, "127.0.0.1:0").Addr().String()))
	if got := nextReady(ready); got != now {
		t.Fatalf("told %v", got)
	}
	listen(t, address)
	if got := nextReady(ready); got != api {
		t.Errorf("told %v", got)
	}
}

// What the process sees is a connection that is closed in order.
func TestProberConnectionIsClosed(t *testing.T) {
	p, ready := newProber(t)
	l := listen(t, "127.0.0.1:0")
	_, port, _ := net.SplitHostPort(l.Addr().String())
	askReady(p, api, tcp("localhost:"+port))
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil || err.Error() != "EOF" {
		t.Errorf("read %d, %v", n, err)
	}
	nextReady(ready)
}

// A ref that was cancelled is not told, whatever state its attempt is in; bad
// addresses are asked in vain.
func TestProberCancel(t *testing.T) {
	p, ready := newProber(t)
	address := freeAddress(t)
	for i := range 200 {
		askReady(p, tree.Ref{ID: "cancelled", Generation: tree.Generation(i)}, tcp(address))
	}
	for i := range 200 {
		p.Cancel(tree.Ref{ID: "cancelled", Generation: tree.Generation(i)})
	}
	p.Cancel(api)
	askReady(p, tree.Ref{ID: "bad"}, tcp("not an address"))
	askReady(p, tree.Ref{ID: "bad", Generation: 1}, tcp("127.0.0.1:99999"))
	listen(t, address)
	askReady(p, api, tcp(address))
	if got := nextReady(ready); got != api {
		t.Errorf("told %v", got)
	}
}

func TestProberThousandAtOnce(t *testing.T) {
	p, ready := newProber(t)
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
		askReady(p, tree.Ref{ID: "p" + strconv.Itoa(i)}, tcp(l.Addr().String()))
		askReady(p, tree.Ref{ID: "q" + strconv.Itoa(i)}, tcp(nobody))
	}
	told := map[tree.Ref]bool{}
	for len(told) < 1000 {
		ref := nextReady(ready)
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
func TestProberConnectionToItselfIsNone(t *testing.T) {
	p, ready := newProber(t)
	address := freeAddress(t)
	for i := range 500 {
		askReady(p, tree.Ref{ID: "self", Generation: tree.Generation(i)}, tcp(address))
	}
	for range 500 {
		// On an address of its own, or one of these listeners happens to get that port.
		askReady(p, api, tcp(listen(t, "127.0.0.2:0").Addr().String()))
		if got := nextReady(ready); got != api {
			t.Fatalf("told %v, where nobody listens", got)
		}
	}
}
