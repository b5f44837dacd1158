package ipc_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"coppice/ipc"
)

// Every hostile request gets a clear answer, or its connection is closed; the
// daemon answers the next one as ever.
func TestHostileRequests(t *testing.T) {
	const post = "POST /v1/nodes/db/kill HTTP/1.1\r\nHost: coppice\r\n"
	get := func(target string) string { return "GET " + target + " HTTP/1.1\r\nHost: coppice\r\n\r\n" }
	body := func(text string) string {
		return fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", post, len(text), text)
	}
	child := func(text string) string { return strings.Replace(body(text), "db/kill", "jobs/children", 1) }
	tests := []struct {
		name, request string
		status        int // 0: closed without an answer
		detail        string
	}{
		{"nothing", "", 0, ""},
		{"no request line", "\r\n\r\n\r\n", 400, ""},
		{"garbage", "\x00\xff\x16\x03\x01\r\n\r\n", 400, ""},
		{"HTTP/0.9", "GET /v1/tree\r\n\r\n", 400, ""},
		{"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 404, "there is nothing at"},
		{"missing host", "GET /v1/tree HTTP/1.1\r\n\r\n", 400, ""},
		{"two hosts", "GET /v1/tree HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, ""},
		{"foreign host", "GET /v1/tree HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421, "cannot answer for host"},
		{"foreign absolute URI", "GET http://evil.example/v1/tree HTTP/1.1\r\nHost: coppice\r\n\r\n", 421, "cannot answer for host"},
		{"foreign address", "GET /v1/tree HTTP/1.1\r\nHost: 10.0.0.1:80\r\n\r\n", 421, "cannot answer for host"},
		{"web page", "GET /v1/tree HTTP/1.1\r\nHost: coppice\r\nOrigin: http://evil.example\r\n\r\n", 403, "web page"},
		{"length and chunks", post + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 200, ""},
		{"negative chunk", post + "Transfer-Encoding: chunked\r\n\r\n-1\r\n", 408, "cannot read the body"},
		{"huge chunk", post + "Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n", 408, "cannot read the body"},
		{"header of 1 MiB", "GET /v1/tree HTTP/1.1\r\nHost: coppice\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n", 431, ""},
		{"10001 headers", "GET /v1/tree HTTP/1.1\r\nHost: coppice\r\n" + strings.Repeat("X-Y: zzzz\r\n", 10001) + "\r\n", 431, ""},
		{"NUL in a header", "GET /v1/tree HTTP/1.1\r\nHost: coppice\r\nX: \x00\r\n\r\n", 400, ""},
		{"upgrade", "GET /v1/tree HTTP/1.1\r\nHost: coppice\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 200, ""},
		{"method BREW", "BREW /v1/tree HTTP/1.1\r\nHost: coppice\r\n\r\n", 405, "use GET"},
		{"DELETE", "DELETE /v1/nodes/db/stop HTTP/1.1\r\nHost: coppice\r\n\r\n", 405, "use POST"},
		{"GET on a verb", get("/v1/nodes/db/stop"), 405, "use POST"},
		{"OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: coppice\r\n\r\n", 404, "there is nothing at"},
		{"CONNECT", "CONNECT coppice:80 HTTP/1.1\r\nHost: coppice\r\n\r\n", 404, "there is nothing at"},
		{"no path", get("/"), 404, "there is nothing at"},
		{"other version", get("/v2/tree"), 404, "there is nothing at"},
		{"dots", get("/v1/../v1/tree"), 404, "there is nothing at"},
		{"escaped dots", get("/v1/%2e%2e/v1/tree"), 404, "there is nothing at"},
		{"double slash", get("//v1/tree"), 404, "there is nothing at"},
		{"slash at the end", get("/v1/tree/"), 404, "there is nothing at"},
		{"NUL", get("/v1/logs/%00"), 404, "there is no node"},
		{"slash in a name", get("/v1/logs/a%2Fb"), 404, "there is no node"},
		{"escape in a name", get("/v1/logs/%1b%5D0;x%07"), 404, `\x1b]0;x\a`},
		{"path of 64 KiB", get("/" + strings.Repeat("a", 60<<10)), 404, "…"},
		{"100000 parameters", get("/v1/tree?" + strings.Repeat("a&", 30<<10)), 400, "query"},
		{"unknown parameter", get("/v1/tree?verbose=1"), 400, `no parameter "verbose"`},
		{"parameter twice", get("/v1/tree?usage=1&usage=0"), 400, "comes twice"},
		{"no flag", get("/v1/tree?usage=yes"), 400, "1 or 0"},
		{"bad escape", get("/v1/tree?usage=%zz"), 400, "cannot read the query"},
		{"negative since", get("/v1/events?since=-1"), 400, "number from 0"},
		{"since of 2^64", get("/v1/events?since=18446744073709551616"), 400, "number from 0"},
		{"raw of two", get("/v1/logs?name=a&name=b&raw=1"), 400, "exactly one"},
		{"stderr without raw", get("/v1/logs/a?stderr=1"), 400, "raw=1"},
		{"a child without a name", child(`{}`), 400, "not allowed"},
		{"a child named badly", child(`{"name":"../x"}`), 400, "not allowed"},
		{"a child with more", child(`{"name":"a","restart":"temporary"}`), 400, "no field"},
		{"a child's args", child(`{"name":"a","args":"x"}`), 400, "field"},
		{"GET on a node", get("/v1/nodes/db"), 405, "use DELETE"},
		{"unknown verb", "POST /v1/nodes/db/explode HTTP/1.1\r\nHost: coppice\r\n\r\n", 404, "there is no verb"},
		{"null", body("null"), 400, "not a JSON object"},
		{"list", body("[]"), 400, "not a JSON object"},
		{"string", body(`"x"`), 400, "not a JSON object"},
		{"open object", body(`{`), 400, "cannot read the body"},
		{"two objects", body(`{}{}`), 400, "something follows"},
		{"unknown field", body(`{"sig":"SIGHUP"}`), 400, `no field "sig"`},
		{"wrong case", body(`{"Signal":"SIGHUP"}`), 400, `no field "Signal"`},
		{"field twice", body(`{"all":true,"all":false}`), 400, "comes twice"},
		{"wrong type", body(`{"all":1e400}`), 400, `field "all"`},
		{"depth 10001", body(`{"signal":` + strings.Repeat("[", 10001)), 400, `field "signal"`},
		{"invalid UTF-8", body("{\"signal\":\"\xff\"}"), 400, "not UTF-8"},
		{"byte order mark", body("\ufeff{}"), 400, "not a JSON object"},
		{"lone surrogate", body(`{"signal":"\ud800"}`), 400, "there is no signal"},
		{"unknown signal", body(`{"signal":"SIGFOO"}`), 400, "there is no signal"},
		{"body where none is wanted", "POST /v1/nodes/db/stop HTTP/1.1\r\nHost: coppice\r\nContent-Length: 7\r\n\r\n{\"a\":1}", 400, `no field "a"`},
		{"body of 10 MiB", post + "Content-Length: 10485760\r\n\r\n" + strings.Repeat(" ", 2<<20), 413, "more than"},
		{"gzip", post + "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b", 415, "plain JSON"},
		{"half a body", post + "Content-Length: 10\r\n\r\n{", 408, "cannot read the body"},
	}
	c := daemon(t, &fake{}, ipc.ServerOptions{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			conn := raw(t, c)
			go func() {
				_, _ = io.WriteString(conn, tt.request) // the daemon may close before all is said
				_ = conn.(*net.UnixConn).CloseWrite()
			}()
			wantAnswer(t, conn, tt.status, tt.detail)
		})
	}
	if _, err := c.Tree(ctx, false); err != nil {
		t.Errorf("after all of that: %v", err)
	}
}

// wantAnswer reads one answer; with a detail it must be a problem that has it.
func wantAnswer(t *testing.T, conn net.Conn, status int, detail string) {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		if status != 0 {
			t.Errorf("no answer: %v, want status %d", err, status)
		}
		return
	}
	defer resp.Body.Close()
	if resp.StatusCode != status {
		t.Errorf("status %d, want %d", resp.StatusCode, status)
	}
	if detail == "" {
		return
	}
	var got struct{ Title, Detail, Code string }
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil || got.Title == "" || got.Code == "" {
		t.Errorf("not a problem: %+v, %v", got, err)
	}
	if !strings.Contains(got.Detail, detail) {
		t.Errorf("detail %q, want it to have %q", got.Detail, detail)
	}
}

func TestPipelinedRequestsAreAllAnswered(t *testing.T) {
	const many = 1000
	conn := raw(t, daemon(t, &fake{}, ipc.ServerOptions{}))
	go func() {
		_, _ = io.WriteString(conn, strings.Repeat("GET /v1/tree HTTP/1.1\r\nHost: coppice\r\n\r\n", many))
	}()
	answers := bufio.NewReader(conn)
	for i := range many {
		resp, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatalf("answer %d: %v", i, err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
	}
}

// Peers that say nothing take the places of each other, never of one that
// speaks.
func TestSilentPeersKeepNobodyOut(t *testing.T) {
	b := &fake{more: make(chan ipc.Event)}
	c := daemon(t, b, ipc.ServerOptions{})
	busy := raw(t, c)
	if _, err := io.WriteString(busy, "GET /v1/events?follow=1 HTTP/1.1\r\nHost: coppice\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(busy), nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 600 {
		raw(t, c)
	}
	if _, err := c.Tree(ctx, false); err != nil {
		t.Errorf("a client behind 600 silent peers: %v", err)
	}
	b.more <- ipc.Event{Seq: 5}
	var got ipc.Event
	ok(t, json.NewDecoder(answer.Body).Decode(&got))
	check(t, nil, got.Seq, uint64(5))
	close(b.more)
}

func TestManyFollowersAreTurnedAwayInWords(t *testing.T) {
	b := &fake{more: make(chan ipc.Event), events: []ipc.Event{{Seq: 1}}}
	c := daemon(t, b, ipc.ServerOptions{})
	web := browser(t, c)
	for range 256 {
		resp, err := web.Get("http://coppice/v1/events?follow=1")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
	}
	wantAnswer(t, raw(t, c), 503, "no room")
	close(b.more)
}

func TestASlowHeaderIsNotWaitedForOverWallTime(t *testing.T) {
	if testing.Short() {
		t.Skip("takes the five seconds that a header may take")
	}
	t.Parallel()
	conn := raw(t, daemon(t, &fake{}, ipc.ServerOptions{}))
	if _, err := io.WriteString(conn, "GET /v1/tree HTTP/1.1\r\nHost:"); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	_, _ = io.ReadAll(conn)
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("the connection was closed after %v", took)
	}
}

func FuzzKillBody(f *testing.F) {
	for _, seed := range []string{``, `{}`, `{"signal":"SIGHUP"}`, `{"all":true,"signal":""}`, `{"all":true,"all":true}`, `null`, "\xff", `{"signal":{"a":[1]}}`} {
		f.Add([]byte(seed))
	}
	b := &fake{}
	c := daemon(f, b, ipc.ServerOptions{})
	web := browser(f, c)
	f.Fuzz(func(t *testing.T, body []byte) {
		resp, err := web.Post("http://coppice/v1/nodes/db/kill", "application/json", strings.NewReader(string(body)))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		switch resp.StatusCode {
		case 200:
			if cmd := b.last().(ipc.Command); cmd.Node != "db" || !strings.HasPrefix(cmd.Signal, "SIG") {
				t.Errorf("%q was taken as %+v", body, cmd)
			}
		case 400, 413:
			var problem struct{ Detail string }
			if json.Unmarshal(text, &problem) != nil || problem.Detail == "" {
				t.Errorf("%q: not a problem: %s", body, text)
			}
		default:
			t.Errorf("%q: status %d: %s", body, resp.StatusCode, text)
		}
	})
}
