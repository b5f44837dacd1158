package ipc_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"coppice/ipc"
)

// fake is a Backend that records what it is asked and answers what it is told.
type fake struct {
	tree   ipc.Tree
	events []ipc.Event
	lines  []ipc.LogLine
	more   chan ipc.Event // followed after events
	refuse error          // answers everything, when set
	panics bool

	mu    sync.Mutex // guards asked
	asked []any
}

func (f *fake) note(what any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, what)
	if f.panics {
		panic("fake panics")
	}
	return f.refuse
}

func (f *fake) last() any {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.asked) == 0 {
		return nil
	}
	return f.asked[len(f.asked)-1]
}

func (f *fake) Tree(_ context.Context, usage bool) (*ipc.Tree, error) {
	return &f.tree, f.note(map[string]bool{"usage": usage})
}

func (f *fake) Trunk(context.Context) (*ipc.Tree, error) {
	return &ipc.Tree{Name: f.tree.Name}, f.note("trunk")
}

func (f *fake) Do(_ context.Context, cmd ipc.Command) (*ipc.Result, error) {
	return &ipc.Result{Message: "done: " + cmd.Verb + " " + cmd.Node}, f.note(cmd)
}

func (f *fake) StartChild(_ context.Context, req ipc.ChildRequest) (*ipc.Result, error) {
	return &ipc.Result{Message: "started: " + req.Name, PID: 7}, f.note(req)
}

func (f *fake) Reload(_ context.Context, req ipc.ReloadRequest) (*ipc.ReloadResult, error) {
	return &ipc.ReloadResult{DryRun: req.DryRun, Changes: []ipc.Change{}}, f.note(req)
}

func (f *fake) Down(context.Context) error    { return f.note("down") }
func (f *fake) Started(context.Context) error { return f.note("started") }

func (f *fake) Events(ctx context.Context, since uint64, follow bool, emit func(ipc.Event) error) error {
	if err := f.note([2]any{since, follow}); err != nil {
		return err
	}
	for _, e := range f.events {
		if err := emit(e); err != nil {
			return err
		}
	}
	for follow {
		select {
		case e, ok := <-f.more:
			if !ok {
				return nil
			}
			if err := emit(e); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (f *fake) Logs(_ context.Context, q ipc.LogQuery, emit func(ipc.LogLine) error) error {
	if err := f.note(q); err != nil {
		return err
	}
	for _, l := range f.lines {
		if err := emit(l); err != nil {
			return err
		}
	}
	return nil
}

// daemon serves b in a state folder of its own until the test ends.
func daemon(t testing.TB, b ipc.Backend, opts ipc.ServerOptions) *ipc.Client {
	t.Helper()
	dir := filepath.Join(t.TempDir(), ".coppice")
	l, err := ipc.Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	server := ipc.NewServer(b, opts)
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := errors.Join(<-served, l.Release()); err != nil {
			t.Errorf("Serve, Release: %v", err)
		}
	})
	return &ipc.Client{Dir: dir}
}

// raw opens a plain connection to the daemon of c.
func raw(t testing.TB, c *ipc.Client) net.Conn {
	t.Helper()
	conn, err := net.Dial("unix", filepath.Join(c.Dir, ipc.SocketName))
	for errors.Is(err, syscall.EAGAIN) { // the backlog is full for a moment
		runtime.Gosched()
		conn, err = net.Dial("unix", filepath.Join(c.Dir, ipc.SocketName))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// browser is an HTTP client that a stranger would use.
func browser(t testing.TB, c *ipc.Client) *http.Client {
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("unix", filepath.Join(c.Dir, ipc.SocketName))
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func (f *fake) Upgrade(_ context.Context, req ipc.UpgradeRequest) error { return f.note(req) }

func (f *fake) Leave(context.Context) error { return f.note("leave") }
