package ipc_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"coppice/ipc"
)

var ctx = context.Background()

func TestRoutesReachTheBackend(t *testing.T) {
	b := &fake{}
	web := browser(t, daemon(t, b, ipc.ServerOptions{}))
	tests := []struct {
		method, path, body string
		status             int
		asked              any
	}{
		{"GET", "/v1/tree", "", 200, map[string]bool{"usage": false}},
		{"GET", "/v1/tree?usage=1", "", 200, map[string]bool{"usage": true}},
		{"GET", "/v1/tree?trunk=1", "", 200, "trunk"},
		{"GET", "/v1/started", "", 200, "started"},
		{"POST", "/v1/down", "", 200, "down"},
		{"POST", "/v1/nodes/db/start", "", 200, ipc.Command{Verb: "start", Node: "db"}},
		{"POST", "/v1/nodes/db/stop?no_wait=1", "{}", 202, ipc.Command{Verb: "stop", Node: "db", NoWait: true}},
		{"POST", "/v1/nodes/a.b-c_1/restart", "", 200, ipc.Command{Verb: "restart", Node: "a.b-c_1"}},
		{"POST", "/v1/nodes/db/kill", "", 200, ipc.Command{Verb: "kill", Node: "db", Signal: "SIGTERM"}},
		{"POST", "/v1/nodes/db/kill", `{"signal":"SIGHUP","all":true}`, 200, ipc.Command{Verb: "kill", Node: "db", Signal: "SIGHUP", All: true}},
		{"POST", "/v1/nodes/jobs/children", `{"name":"a","args":["x",""],"env":{"A":"b"}}`, 201, ipc.ChildRequest{
			Supervisor: "jobs", Name: "a", Args: []string{"x", ""}, Env: map[string]string{"A": "b"},
		}},
		{"POST", "/v1/nodes/jobs/children?no_wait=1", `{"name":"a"}`, 202, ipc.ChildRequest{Supervisor: "jobs", Name: "a", NoWait: true}},
		{"DELETE", "/v1/nodes/a", "", 200, ipc.Command{Verb: "delete", Node: "a"}},
		{"DELETE", "/v1/nodes/a?no_wait=1", "", 202, ipc.Command{Verb: "delete", Node: "a", NoWait: true}},
		{"POST", "/v1/reload", "", 200, ipc.ReloadRequest{}},
		{"POST", "/v1/reload", `{"dry_run":true,"file":"/x"}`, 200, ipc.ReloadRequest{DryRun: true, File: "/x"}},
		{"GET", "/v1/events", "", 200, [2]any{uint64(0), false}},
		{"GET", "/v1/events?since=18446744073709551615", "", 200, [2]any{uint64(1<<64 - 1), false}},
		{"GET", "/v1/logs", "", 200, ipc.LogQuery{Last: -1}},
		{"GET", "/v1/logs/db?n=10&follow=1", "", 200, ipc.LogQuery{Names: []string{"db"}, Last: 10, Follow: true}},
		{"GET", "/v1/logs?name=a&name=b&n=0", "", 200, ipc.LogQuery{Names: []string{"a", "b"}}},
		{"GET", "/v1/logs/db?raw=1&stderr=1", "", 200, ipc.LogQuery{Names: []string{"db"}, Last: -1, Raw: true, Stderr: true}},
	}
	for _, tt := range tests {
		req, _ := http.NewRequest(tt.method, "http://localhost"+tt.path, strings.NewReader(tt.body))
		resp, err := web.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != tt.status {
			t.Errorf("%s %s: status %d, want %d: %s", tt.method, tt.path, resp.StatusCode, tt.status, text)
		}
		if diff := cmp.Diff(tt.asked, b.last()); diff != "" {
			t.Errorf("%s %s asked (-want +got):\n%s", tt.method, tt.path, diff)
		}
	}
}

func TestClientMirrorsTheBackend(t *testing.T) {
	at := time.Date(2026, 11, 22, 6, 0, 0, 123456000, time.UTC)
	code := 3
	b := &fake{
		tree:   ipc.Tree{Name: "shop", Daemon: ipc.Daemon{PID: 1, StartedAt: at}, Root: ipc.Node{Name: "root", Since: at}},
		events: []ipc.Event{{Seq: 1, Time: at, Node: "db", Kind: "started", PID: 7}, {Seq: 2, Time: at, Node: "db", Kind: "exited", Code: &code, Because: 1}},
		lines:  []ipc.LogLine{{Time: at, Node: "db", Text: "hello\x1b[2J"}, {Time: at, Node: "db", Text: ""}},
	}
	c := daemon(t, b, ipc.ServerOptions{})

	tree, err := c.Tree(ctx, true)
	check(t, err, b.last(), map[string]bool{"usage": true})
	check(t, nil, *tree, b.tree)

	child := ipc.ChildRequest{Supervisor: "jobs", Name: "a", Args: []string{"x y", "\t"}, Env: map[string]string{"A": "=b"}, NoWait: true}
	begun, err := c.StartChild(ctx, child)
	check(t, err, b.last(), child)
	check(t, nil, *begun, ipc.Result{Message: "started: a", PID: 7})
	_, err = c.Do(ctx, ipc.Command{Verb: "delete", Node: "a", NoWait: true})
	check(t, err, b.last(), ipc.Command{Verb: "delete", Node: "a", NoWait: true})

	result, err := c.Do(ctx, ipc.Command{Verb: "kill", Node: "db", Signal: "SIGUSR1", All: true, NoWait: true})
	check(t, err, b.last(), ipc.Command{Verb: "kill", Node: "db", Signal: "SIGUSR1", All: true, NoWait: true})
	check(t, nil, result.Message, "done: kill db")

	reload, err := c.Reload(ctx, ipc.ReloadRequest{DryRun: true, File: "/a b"})
	check(t, err, b.last(), ipc.ReloadRequest{DryRun: true, File: "/a b"})
	check(t, nil, reload.DryRun, true)

	ok(t, c.Started(ctx))
	check(t, nil, b.last(), "started")
	ok(t, c.Down(ctx))
	check(t, nil, b.last(), "down")

	var events []ipc.Event
	err = c.Events(ctx, 0, false, func(e ipc.Event) error { events = append(events, e); return nil })
	check(t, err, events, b.events)

	var lines []ipc.LogLine
	err = c.Logs(ctx, ipc.LogQuery{Names: []string{"db", "api"}, Last: 5}, func(l ipc.LogLine) error { lines = append(lines, l); return nil })
	check(t, err, lines, b.lines)
	check(t, nil, b.last(), ipc.LogQuery{Names: []string{"db", "api"}, Last: 5})
}

// check compares what an earlier call left with what was wanted of it.
func check(t *testing.T, err error, got, want any) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestRefusalsCrossTheSocket(t *testing.T) {
	b := &fake{}
	c := daemon(t, b, ipc.ServerOptions{})
	tests := []struct {
		refuse error
		want   ipc.Error
	}{
		{&ipc.Error{Code: ipc.CodeEnded, Title: "it has ended"}, ipc.Error{Code: ipc.CodeEnded, Title: "it has ended", Status: 409}},
		{&ipc.Error{Code: ipc.CodeRefused, Title: "db is restarting"}, ipc.Error{Code: ipc.CodeRefused, Title: "db is restarting", Status: 409}},
		{&ipc.Error{Code: ipc.CodeNoNode, Title: "no dbb"}, ipc.Error{Code: ipc.CodeNoNode, Title: "no dbb", Status: 404}},
		{&ipc.Error{Code: ipc.CodeBadTree, Title: "wrong", Faults: "a:1:2\n^"}, ipc.Error{Code: ipc.CodeBadTree, Title: "wrong", Faults: "a:1:2\n^", Status: 422}},
		{errors.New("disk full"), ipc.Error{Code: ipc.CodeInternal, Title: "disk full", Status: 500}},
	}
	calls := map[string]func() error{
		"tree":   func() error { _, err := c.Tree(ctx, false); return err },
		"do":     func() error { _, err := c.Do(ctx, ipc.Command{Verb: "stop", Node: "db"}); return err },
		"events": func() error { return c.Events(ctx, 0, true, nil) },
		"logs":   func() error { return c.Logs(ctx, ipc.LogQuery{}, nil) },
	}
	for _, tt := range tests {
		b.refuse = tt.refuse
		for name, call := range calls {
			got, ok := errors.AsType[*ipc.Error](call())
			if !ok || *got != tt.want {
				t.Errorf("%s: got %+v, want %+v", name, got, tt.want)
			}
		}
	}
	b.refuse = errors.New("db did not start")
	got, _ := errors.AsType[*ipc.Error](c.Started(ctx))
	if want := (ipc.Error{Code: ipc.CodeRefused, Title: "db did not start", Status: 409}); *got != want {
		t.Errorf("started: got %+v, want %+v", got, want)
	}
}

func TestProblemsAreProblemJSON(t *testing.T) {
	web := browser(t, daemon(t, &fake{refuse: &ipc.Error{Code: ipc.CodeRefused, Title: "no"}}, ipc.ServerOptions{}))
	resp, err := web.Get("http://coppice/v1/tree")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	check(t, nil, resp.Header.Get("Content-Type"), "application/problem+json")
	var got map[string]any
	ok(t, json.NewDecoder(resp.Body).Decode(&got))
	check(t, nil, got, map[string]any{
		"title": "The request was refused", "status": 409.0, "detail": "no", "code": "refused",
	})
}

func TestFollowBeginsBeforeTheFirstEvent(t *testing.T) {
	b := &fake{more: make(chan ipc.Event)}
	web := browser(t, daemon(t, b, ipc.ServerOptions{}))
	resp, err := web.Get("http://coppice/v1/events?follow=1")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	check(t, nil, resp.Header.Get("Content-Type"), "application/x-ndjson")
	b.more <- ipc.Event{Seq: 9}
	var got ipc.Event
	ok(t, json.NewDecoder(resp.Body).Decode(&got))
	check(t, nil, got.Seq, uint64(9))
	close(b.more)
	_, err = io.Copy(io.Discard, resp.Body)
	ok(t, err)
}

func TestFollowEndsWithItsReader(t *testing.T) {
	b := &fake{more: make(chan ipc.Event, 1)}
	c := daemon(t, b, ipc.ServerOptions{})
	b.more <- ipc.Event{Seq: 1}
	enough := errors.New("enough")
	if err := c.Events(ctx, 0, true, func(ipc.Event) error { return enough }); err != enough {
		t.Errorf("got %v, want the reader's own error", err)
	}
	patience, cancel := context.WithCancel(ctx)
	cancel()
	if err := c.Events(patience, 0, true, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func TestAStreamThatFailsIsCut(t *testing.T) {
	b := &fake{events: []ipc.Event{{Seq: 1}}}
	c := daemon(t, failing{b}, ipc.ServerOptions{})
	err := c.Events(ctx, 0, false, func(ipc.Event) error { return nil })
	if !errors.Is(err, ipc.ErrDaemonGone) {
		t.Errorf("got %v, want ErrDaemonGone", err)
	}
}

// failing fails after the events.
type failing struct{ *fake }

func (f failing) Events(ctx context.Context, since uint64, follow bool, emit func(ipc.Event) error) error {
	_ = f.fake.Events(ctx, since, follow, emit)
	return errors.New("the record is torn")
}

func TestAStalledReaderIsCutAndStopsNobody(t *testing.T) {
	b := &fake{}
	stalled := make(chan error, 1)
	c := daemon(t, endless{b, stalled}, ipc.ServerOptions{WriteTimeout: 50 * time.Millisecond})
	conn := raw(t, c)
	if _, err := io.WriteString(conn, "GET /v1/logs?follow=1 HTTP/1.1\r\nHost: coppice\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Tree(ctx, false); err != nil {
		t.Errorf("another client: %v", err)
	}
	if err := <-stalled; err == nil {
		t.Error("the stream went on without its reader")
	}
}

// endless writes logs until emit fails.
type endless struct {
	*fake
	ended chan error
}

func (e endless) Logs(_ context.Context, _ ipc.LogQuery, emit func(ipc.LogLine) error) error {
	line := ipc.LogLine{Node: "db", Text: strings.Repeat("x", 4096)}
	for {
		if err := emit(line); err != nil {
			e.ended <- err
			return err
		}
	}
}

func TestRawLogsAreBytes(t *testing.T) {
	b := &fake{lines: []ipc.LogLine{{Bytes: []byte("a\x00\xff")}, {Bytes: []byte("\r\nb")}}}
	c := daemon(t, b, ipc.ServerOptions{})
	var got []byte
	err := c.Logs(ctx, ipc.LogQuery{Names: []string{"db"}, Last: -1, Raw: true}, func(l ipc.LogLine) error {
		got = append(got, l.Bytes...)
		return nil
	})
	check(t, err, string(got), "a\x00\xff\r\nb")
	check(t, nil, b.last(), ipc.LogQuery{Names: []string{"db"}, Last: -1, Raw: true})
}

func TestAPanicIsAnAnswer(t *testing.T) {
	c := daemon(t, &fake{panics: true}, ipc.ServerOptions{})
	_, err := c.Tree(ctx, false)
	if got, ok := errors.AsType[*ipc.Error](err); !ok || got.Code != ipc.CodeInternal {
		t.Errorf("got %v, want an internal fault", err)
	}
}

func TestShutdownLetsAnswersComplete(t *testing.T) {
	b := slow{&fake{}, make(chan struct{}), make(chan struct{})}
	dir := t.TempDir() + "/s"
	l, err := ipc.Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	server := ipc.NewServer(b, ipc.ServerOptions{})
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	c := &ipc.Client{Dir: dir}
	raw(t, c) // a silent peer holds nobody up
	downed := make(chan error, 1)
	go func() { downed <- c.Down(ctx) }()
	<-b.asked
	shut := make(chan error, 1)
	go func() { shut <- server.Shutdown(ctx) }()
	ok(t, <-served)
	close(b.let)
	ok(t, <-downed)
	ok(t, <-shut)
	ok(t, l.Release())
}

// slow answers Down when it is let.
type slow struct {
	*fake
	asked, let chan struct{}
}

func (s slow) Down(context.Context) error {
	close(s.asked)
	<-s.let
	return nil
}

func TestADaemonThatDiesIsToldApart(t *testing.T) {
	b := slow{&fake{}, make(chan struct{}), make(chan struct{})}
	dir := t.TempDir() + "/s"
	l, err := ipc.Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	server := ipc.NewServer(b, ipc.ServerOptions{})
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	c := &ipc.Client{Dir: dir}
	downed := make(chan error, 1)
	go func() { downed <- c.Down(ctx) }()
	<-b.asked
	dead, cancel := context.WithCancel(ctx)
	cancel()
	_ = server.Shutdown(dead) // cuts everything off
	if err := <-downed; !errors.Is(err, ipc.ErrDaemonGone) {
		t.Errorf("got %v, want ErrDaemonGone", err)
	}
	close(b.let)
	ok(t, errors.Join(<-served, l.Release()))
	if err := c.Down(ctx); !errors.Is(err, ipc.ErrNoDaemon) {
		t.Errorf("got %v, want ErrNoDaemon", err)
	}
}

// A daemon that knows no trunks refuses the parameter, and gives the whole tree.
func TestTrunkOfAnOlderDaemon(t *testing.T) {
	socket := filepath.Join(t.TempDir(), ipc.SocketName)
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != "" {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusBadRequest)
			io.WriteString(w, `{"code":"bad_input","detail":"there is no parameter here"}`)
			return
		}
		io.WriteString(w, `{"name":"old"}`)
	}))
	tree, err := (&ipc.Client{Socket: socket}).Trunk(ctx)
	if err != nil || tree.Name != "old" {
		t.Errorf("Trunk = %v, %v; want the tree", tree, err)
	}
}
