package ipc_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"coppice/ipc"
)

// mortal is a daemon under a keeper: its listening socket outlives it, and each
// life is another server behind it.
type mortal struct {
	t      *testing.T
	socket *net.UnixListener
	life   *ipc.Server
	served chan error
}

func newMortal(t *testing.T) (*mortal, *ipc.Client) {
	path := filepath.Join(t.TempDir(), ipc.SocketName)
	socket, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	return &mortal{t: t, socket: socket}, &ipc.Client{Socket: path, Patience: time.Minute}
}

// live begins a life; the listener of each is a duplicate.
func (m *mortal) live(b ipc.Backend) {
	m.t.Helper()
	file, err := m.socket.File()
	if err != nil {
		m.t.Fatal(err)
	}
	defer file.Close()
	l, err := net.FileListener(file)
	if err != nil {
		m.t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	m.life, m.served = ipc.NewServer(b, ipc.ServerOptions{}), make(chan error, 1)
	go func(life *ipc.Server, served chan error) { served <- life.Serve(l) }(m.life, m.served)
}

// die cuts off all that is being answered.
func (m *mortal) die() {
	m.t.Helper()
	dead, cancel := context.WithCancel(ctx)
	cancel()
	_ = m.life.Shutdown(dead)
	if err := <-m.served; err != nil {
		m.t.Error(err)
	}
}

// hung is a Backend that answers nothing.
type hung struct {
	*fake
	asked chan struct{}
	let   chan struct{}
}

func newHung(t *testing.T) hung {
	h := hung{&fake{}, make(chan struct{}, 10), make(chan struct{})}
	t.Cleanup(func() { close(h.let) })
	return h
}

func (h hung) hang() error { h.asked <- struct{}{}; <-h.let; return errors.New("dead") }

func (h hung) Tree(context.Context, bool) (*ipc.Tree, error) { return nil, h.hang() }

func (h hung) Trunk(context.Context) (*ipc.Tree, error)                          { return nil, h.hang() }
func (h hung) Started(context.Context) error                                     { return h.hang() }
func (h hung) Down(context.Context) error                                        { return h.hang() }
func (h hung) Do(context.Context, ipc.Command) (*ipc.Result, error)              { return nil, h.hang() }
func (h hung) Logs(context.Context, ipc.LogQuery, func(ipc.LogLine) error) error { return h.hang() }
func (h hung) Events(context.Context, uint64, bool, func(ipc.Event) error) error { return h.hang() }

// What changes nothing when it is asked twice is asked again of the next daemon.
func TestTheNextDaemonIsAsked(t *testing.T) {
	for name, ask := range map[string]func(*ipc.Client) error{
		"tree":    func(c *ipc.Client) error { _, err := c.Tree(ctx, false); return err },
		"started": func(c *ipc.Client) error { return c.Started(ctx) },
		"down":    func(c *ipc.Client) error { return c.Down(ctx) },
		"events": func(c *ipc.Client) error {
			return c.Events(ctx, 0, false, func(ipc.Event) error { return nil })
		},
		"logs": func(c *ipc.Client) error {
			return c.Logs(ctx, ipc.LogQuery{Last: -1}, func(ipc.LogLine) error { return nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			m, c := newMortal(t)
			h := newHung(t)
			m.live(h)
			answered := make(chan error, 1)
			go func() { answered <- ask(c) }()
			for range 3 {
				<-h.asked
				m.die()
				m.live(h)
			}
			<-h.asked
			m.die()
			m.live(&fake{events: []ipc.Event{{Seq: 1}}, lines: []ipc.LogLine{{Node: "db"}}})
			if err := <-answered; err != nil {
				t.Error(err)
			}
			m.die()
		})
	}
}

func TestAVerbIsNotRepeated(t *testing.T) {
	m, c := newMortal(t)
	h := newHung(t)
	m.live(h)
	answered := make(chan error, 1)
	go func() { _, err := c.Do(ctx, ipc.Command{Verb: "restart", Node: "db"}); answered <- err }()
	<-h.asked
	m.die()
	if err := <-answered; !errors.Is(err, ipc.ErrDaemonGone) {
		t.Errorf("got %v, want ErrDaemonGone", err)
	}
}

// A socket that is gone after a daemon that went away is no daemon that went away
// some other time: the first error is the one that tells more.
func TestNobodyAfterADaemonThatWentAway(t *testing.T) {
	m, c := newMortal(t)
	h := newHung(t)
	m.live(h)
	answered := make(chan error, 1)
	go func() { _, err := c.Tree(ctx, false); answered <- err }()
	<-h.asked
	m.socket.Close()
	m.die()
	if err := <-answered; !errors.Is(err, ipc.ErrDaemonGone) {
		t.Errorf("got %v, want ErrDaemonGone", err)
	}
}

// book is a Backend whose events and log lines outlive it: a log of numbered lines
// of two outputs, each with a position. A life shows some of them and then hangs
// until it is cut off.
type book struct {
	*fake
	mu    *sync.Mutex
	pages int // how many lines there are
	show  int // a life shows so many and hangs
	hangs chan struct{}
	let   chan struct{}
}

func (b *book) Logs(_ context.Context, q ipc.LogQuery, emit func(ipc.LogLine) error) error {
	b.mu.Lock()
	pages, left := b.pages, b.show
	b.mu.Unlock()
	at := map[string]int{"db": 0, "db:err": 0}
	for _, text := range q.From {
		output, place, _ := strings.Cut(text, "@1:")
		at[output], _ = strconv.Atoi(place)
	}
	for _, output := range []string{"db", "db:err"} {
		if err := emit(ipc.LogLine{Node: "db", At: fmt.Sprintf("%s@1:%d", output, at[output])}); err != nil {
			return err
		}
	}
	if err := emit(ipc.LogLine{}); err != nil {
		return err
	}
	for i := 1; i <= pages; i++ {
		output := []string{"db", "db:err"}[i%2]
		if i <= at[output] {
			continue
		}
		if left--; left < 0 {
			break
		}
		line := ipc.LogLine{Time: time.Unix(int64(i), 0), Node: "db", Text: strconv.Itoa(i), At: fmt.Sprintf("%s@1:%d", output, i)}
		if err := emit(line); err != nil {
			return err
		}
	}
	b.hangs <- struct{}{}
	<-b.let
	return errors.New("dead")
}

// Over any number of lives no line is lost, none comes twice, and where nothing is
// asked for there are no positions.
func TestFollowedLogsGoOnWithTheNextDaemon(t *testing.T) {
	m, c := newMortal(t)
	let := make(chan struct{})
	defer close(let)
	b := &book{fake: &fake{}, mu: &sync.Mutex{}, pages: 100, hangs: make(chan struct{}, 1), let: let}
	got := make(chan string, 1000)
	ctx, cancel := context.WithCancel(ctx)
	followed := make(chan error, 1)
	m.live(b)
	go func() {
		followed <- c.Logs(ctx, ipc.LogQuery{Last: 5, Follow: true}, func(l ipc.LogLine) error {
			if l.At != "" {
				t.Errorf("a position that nobody asked for: %+v", l)
			}
			got <- l.Text
			return nil
		})
	}()
	var seen []string
	for life := range 60 {
		<-b.hangs
		b.mu.Lock()
		shown := b.show
		b.show = life % 4
		b.mu.Unlock()
		for range min(shown, b.pages-len(seen)) {
			seen = append(seen, <-got)
		}
		m.die()
		m.live(b)
	}
	cancel()
	if err := <-followed; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	m.die()
	var want []string
	for i := range seen {
		want = append(want, strconv.Itoa(i+1))
	}
	if !slices.Equal(seen, want) || len(seen) < 80 {
		t.Errorf("%d lines: %q", len(seen), seen)
	}
}

// chronicle is a Backend of events: each life tells those that are new and one
// more, and then dies.
type chronicle struct {
	*fake
	upTo  uint64
	kind  string
	asked chan uint64
	let   chan struct{}
}

func (c chronicle) Events(_ context.Context, since uint64, _ bool, emit func(ipc.Event) error) error {
	for seq := since + 1; seq <= c.upTo; seq++ {
		if err := emit(ipc.Event{Seq: seq, Kind: c.kind}); err != nil {
			return err
		}
	}
	c.asked <- since
	<-c.let
	if c.kind == "daemon_stopping" {
		return nil
	}
	return errors.New("dead")
}

func TestFollowedEventsGoOnWithTheNextDaemon(t *testing.T) {
	m, c := newMortal(t)
	let := make(chan struct{})
	seen := make(chan uint64, 100)
	followed := make(chan error, 1)
	asked := make(chan uint64, 1)
	m.live(chronicle{&fake{}, 2, "started", asked, let})
	go func() {
		followed <- c.Events(ctx, 0, true, func(e ipc.Event) error { seen <- e.Seq; return nil })
	}()
	var told []uint64
	for _, life := range []struct {
		told int
		upTo uint64
		kind string
	}{{2, 5, "started"}, {3, 9, "started"}, {4, 10, "daemon_stopping"}} {
		check(t, nil, <-asked, uint64(len(told)))
		for range life.told {
			told = append(told, <-seen)
		}
		m.die()
		m.live(chronicle{&fake{}, life.upTo, life.kind, asked, let})
	}
	check(t, nil, <-asked, uint64(9))
	close(let)
	ok(t, <-followed) // this one stopped its tree: nothing follows
	check(t, nil, append(told, <-seen), []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10})
	m.die()
}

// A follower whose daemon is not followed by another says how its own one ended.
func TestFollowingEndsWithPatience(t *testing.T) {
	m, c := newMortal(t)
	c.Patience = 50 * time.Millisecond
	h := newHung(t)
	m.live(h)
	followed := make(chan error, 1)
	go func() {
		followed <- c.Logs(ctx, ipc.LogQuery{Last: -1, Follow: true}, func(ipc.LogLine) error { return nil })
	}()
	<-h.asked
	m.socket.Close()
	m.die()
	if err := <-followed; !errors.Is(err, ipc.ErrDaemonGone) {
		t.Errorf("got %v, want ErrDaemonGone", err)
	}
}
