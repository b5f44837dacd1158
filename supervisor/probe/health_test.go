package probe_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"coppice/configs"
	"coppice/supervisor/probe"
	"coppice/tree"
)

// once is the answer to a question about health.
func once(t *testing.T, how configs.Probe) probe.Answer {
	t.Helper()
	p, answers := newProber(t)
	if how.Timeout == 0 {
		how.Timeout = 5 * tree.Second
	}
	p.Ask(probe.Question{Ref: api, Probe: how, Interval: time.Millisecond})
	a := <-answers
	p.Cancel(api)
	if a.Ref != api || !a.Health || a.OK != (a.Cause == "") {
		t.Fatalf("told %+v", a)
	}
	return a
}

// A process is asked again and again, and each answer is told.
func TestHealthIsAskedAgain(t *testing.T) {
	p, answers := newProber(t)
	l := listen(t, "127.0.0.1:0")
	p.Ask(probe.Question{Ref: api, Probe: tcp(l.Addr().String()), Interval: time.Millisecond})
	for range 5 {
		if a := <-answers; !a.OK || !a.Health {
			t.Fatalf("told %+v", a)
		}
	}
	l.Close()
	for a := range answers {
		if a.OK {
			continue
		}
		if want := l.Addr().String() + ": connection refused"; a.Cause != want {
			t.Errorf("told %q, not %q", a.Cause, want)
		}
		break
	}
	p.Cancel(api)
	again := listen(t, "127.0.0.1:0")
	p.Ask(probe.Question{Ref: api, Probe: tcp(again.Addr().String()), Interval: time.Millisecond})
	for a := range answers {
		if a.OK {
			break
		}
	}
}

// A question of the same incarnation takes the place of the one before.
func TestQuestionIsExchanged(t *testing.T) {
	p, answers := newProber(t)
	p.Ask(probe.Question{Ref: api, Probe: tcp(freeAddress(t)), Interval: time.Hour})
	p.Ask(probe.Question{Ref: api, Probe: tcp(listen(t, "127.0.0.1:0").Addr().String()), Interval: time.Millisecond})
	if a := <-answers; !a.OK {
		t.Errorf("told %+v", a)
	}
}

func TestHTTP(t *testing.T) {
	var followed atomic.Bool
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ok":
			w.WriteHeader(http.StatusNoContent)
		case "/moved":
			http.Redirect(w, r, "/followed", http.StatusFound)
		case "/followed":
			followed.Store(true)
		case "/endless":
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		case "/hangs":
			<-r.Context().Done()
		case "/hints":
			w.WriteHeader(http.StatusEarlyHints)
		case "/header":
			w.Header().Set("X", strings.Repeat("x", 1<<20))
		default:
			http.Error(w, "no", http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(s.Close)
	get := func(path string, status ...[2]int) configs.Probe {
		if status == nil {
			status = [][2]int{{200, 299}}
		}
		return configs.Probe{Kind: configs.ProbeHTTP, Target: s.URL + path, Status: status, Timeout: 10 * tree.Second}
	}
	slow := get("/hangs")
	slow.Timeout = tree.Second / 20
	for name, c := range map[string]struct {
		probe configs.Probe
		cause string
	}{
		"ok":                 {get("/ok"), ""},
		"another status":     {get("/ok", [2]int{200, 200}), "/ok: it answers 204 No Content"},
		"unavailable":        {get("/"), "/: it answers 503 Service Unavailable"},
		"that was expected":  {get("/", [2]int{200, 200}, [2]int{500, 599}), ""},
		"a redirect":         {get("/moved"), "/moved: it answers 302 Found"},
		"a body without end": {get("/endless"), ""},
		"a huge header":      {get("/header"), "/header: its header is too long"},
		"early hints":        {get("/hints"), ""},
		"no answer":          {slow, "/hangs: no answer within 50ms"},
		"nobody":             {configs.Probe{Kind: configs.ProbeHTTP, Target: "http://" + freeAddress(t)}, ": connection refused"},
		"no such host":       {configs.Probe{Kind: configs.ProbeHTTP, Target: "http://nobody.invalid/"}, "http://nobody.invalid/: "},
	} {
		a := once(t, c.probe)
		if c.cause == "" && !a.OK || !strings.Contains(a.Cause, c.cause) {
			t.Errorf("%s: told %+v, want %q", name, a, c.cause)
		}
	}
	if followed.Load() {
		t.Error("a redirect was followed")
	}
}

// What a server answers is cleaned, and a password in the URL is not told.
func TestHTTPAnswersAreMadeSafe(t *testing.T) {
	l := listen(t, "127.0.0.1:0")
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 4<<10)) // its request
			fmt.Fprintf(conn, "HTTP/1.1 500 \x1b[2J\u202eevil %s\r\n\r\n", strings.Repeat("x", 9000))
			conn.Close()
		}
	}()
	a := once(t, configs.Probe{Kind: configs.ProbeHTTP, Target: "http://user:secret@" + l.Addr().String() + "/"})
	if len(a.Cause) > 500 || strings.ContainsAny(a.Cause, "\x1b\u202e") || strings.Contains(a.Cause, "secret") || !strings.Contains(a.Cause, "500") {
		t.Errorf("told %q", a.Cause)
	}
}

// A certificate is not asked for a signature.
func TestHTTPS(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(s.Close)
	if a := once(t, configs.Probe{Kind: configs.ProbeHTTP, Target: s.URL, Status: [][2]int{{200, 200}}}); !a.OK {
		t.Errorf("told %+v", a)
	}
}

func TestUnix(t *testing.T) {
	dir := t.TempDir()
	path, abstract := filepath.Join(dir, "s"), fmt.Sprintf("@coppice-test-%d", os.Getpid())
	for _, name := range []string{path, abstract} {
		how := configs.Probe{Kind: configs.ProbeUnix, Target: name}
		if a := once(t, how); a.OK {
			t.Errorf("%s: told %+v, and nobody is there", name, a)
		}
		l, err := net.Listen("unix", name)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		if a := once(t, how); !a.OK {
			t.Errorf("%s: told %+v", name, a)
		}
	}
	if a := once(t, configs.Probe{Kind: configs.ProbeUnix, Target: filepath.Join(dir, "none")}); !strings.HasSuffix(a.Cause, "/none: no such file or directory") {
		t.Errorf("told %+v", a)
	}
}

// Thousands of processes cost no goroutine each, whether they answer or hang.
func TestManyAreAskedByFew(t *testing.T) {
	p, answers := newProber(t)
	l := listen(t, "127.0.0.1:0") // accepts nothing by itself: the kernel does until its queue is full
	for i := range 5000 {
		how := tcp(l.Addr().String())
		how.Timeout = tree.Second / 5
		p.Ask(probe.Question{Ref: tree.Ref{ID: fmt.Sprint("p", i)}, Probe: how, Interval: time.Minute})
	}
	for range 500 {
		<-answers
		if n := runtime.NumGoroutine(); n > 1024+200 {
			t.Fatalf("%d goroutines ask", n)
		}
	}
}

// Those that hang hold up neither the readiness of others nor what is asked in
// another way.
func TestWhoHangsHoldsUpNobody(t *testing.T) {
	p, answers := newProber(t)
	hang := func(name string, kind configs.ProbeKind, interval time.Duration) {
		for i := range 100 {
			p.Ask(probe.Question{
				Ref: tree.Ref{ID: fmt.Sprint(name, i)}, Probe: configs.Probe{Kind: kind}, Interval: interval,
				Ask: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
			})
		}
	}
	hang("health", configs.ProbeCommand, time.Millisecond)
	hang("ready", configs.ProbeCommand, 0)
	p.Ask(probe.Question{
		Ref: api, Probe: configs.Probe{Kind: configs.ProbeLog}, Ask: func(context.Context) error { return nil },
	})
	if got := nextReady(answers); got != api {
		t.Errorf("told %v", got)
	}
	p.Ask(probe.Question{Ref: api, Probe: tcp(listen(t, "127.0.0.1:0").Addr().String()), Interval: time.Millisecond})
	if got := nextReady(answers); got != api {
		t.Errorf("told %v", got)
	}
}
