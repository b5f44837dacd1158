package ipc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

// headerBytesMax is the size of the largest request header.
const headerBytesMax = 64 << 10

// ServerOptions are what a Server may be told. The zero value works.
type ServerOptions struct {
	// ErrorLog hears of connections that failed; nil: nobody does.
	ErrorLog *log.Logger
	// WriteTimeout is the time a reader has to take one chunk of an answer; 0 is
	// ten seconds.
	WriteTimeout time.Duration
}

// Server answers requests with what a Backend says. It is made by NewServer.
type Server struct {
	backend      Backend
	writeTimeout time.Duration
	mux          *http.ServeMux
	http         http.Server
}

// NewServer returns a Server for one listener.
func NewServer(b Backend, opts ServerOptions) *Server {
	s := &Server{backend: b, writeTimeout: opts.WriteTimeout, mux: http.NewServeMux()}
	if s.writeTimeout == 0 {
		s.writeTimeout = writeTimeout
	}
	s.http = http.Server{
		Handler:                      s,
		ReadHeaderTimeout:            readTimeout,
		IdleTimeout:                  time.Minute,
		MaxHeaderBytes:               headerBytesMax,
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     opts.ErrorLog,
		ConnContext: func(ctx context.Context, nc net.Conn) context.Context {
			return withPeer(ctx, nc.(*conn).peer)
		},
	}
	if opts.ErrorLog == nil {
		s.http.ErrorLog = log.New(io.Discard, "", 0)
	}
	s.register()
	return s
}

// Serve answers what comes in at l until Shutdown; then it returns nil.
func (s *Server) Serve(l net.Listener) error {
	open := &conns{Listener: l, max: connsMax}
	s.http.ConnState = open.watch
	s.http.RegisterOnShutdown(open.closeIdle)
	if err := s.http.Serve(open); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("cannot serve the socket: %w", err)
	}
	return nil
}

// Shutdown accepts nothing more and returns when all answers are complete; it
// relies on the Backend to end what is followed. When ctx is done first, the
// rest is cut off.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		return errors.Join(err, s.http.Close())
	}
	return nil
}

// register gives every path its methods, and a problem to everything else.
func (s *Server) register() {
	allow := map[string]string{}
	for _, r := range routes {
		s.mux.HandleFunc(r.method+" "+r.path, func(w http.ResponseWriter, req *http.Request) {
			s.answer(w, req, r)
		})
		allow[r.path] = r.method
	}
	for path, method := range allow {
		s.mux.HandleFunc(path, func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("Allow", method)
			s.fail(w, badInput(http.StatusMethodNotAllowed, "%s is not for %s; use %s", path, quote(req.Method), method))
		})
	}
	s.mux.HandleFunc("/", func(w http.ResponseWriter, req *http.Request) {
		s.fail(w, noSuchPath(req))
	})
}

func noSuchPath(r *http.Request) *Error {
	return badInput(http.StatusNotFound, "there is nothing at %s", quote(r.URL.Path))
}

// ServeHTTP lets a request through to its route when its sender may speak and
// its address is in order.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer s.recover(w)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if err := admit(r); err != nil {
		w.Header().Set("Connection", "close") // its body is not worth reading
		s.fail(w, err)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// recover tells the peer when a handler panicked. A stream that was cut on
// purpose goes on to net/http.
func (s *Server) recover(w http.ResponseWriter) {
	switch cause := recover(); cause {
	case nil:
	case http.ErrAbortHandler:
		panic(cause)
	default:
		s.http.ErrorLog.Printf("cannot answer a request: %v", cause)
		s.fail(w, fmt.Errorf("cannot answer: %v", cause))
	}
}

// admit is the one place where a request is turned away for who sent it, or
// through what.
func admit(r *http.Request) error {
	if p := peerFrom(r.Context()); !p.may() {
		return &Error{Code: CodeForbidden, Title: fmt.Sprintf("uid %d may not speak to this daemon; only its own user and root may", p.uid)}
	}
	if r.Header.Get("Origin") != "" {
		return &Error{Code: CodeForbidden, Title: "a web page may not speak to this daemon"}
	}
	if !plainHost(r.Host) {
		return badInput(http.StatusMisdirectedRequest, "cannot answer for host %s; use http://coppice/", quote(r.Host))
	}
	if p := r.URL.Path; !strings.HasPrefix(p, "/") || path.Clean(p) != p {
		return noSuchPath(r)
	}
	return nil
}

// plainHost accepts what a person writes before a path on a Unix socket: a word,
// or this machine's loopback. A name with a dot may come from a web page whose
// DNS was bent to a proxy in front of the socket.
func plainHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	if ip := net.ParseIP(host); ip != nil {
		return ip.IsLoopback()
	}
	return !strings.Contains(strings.Trim(host, "."), ".")
}

// fail answers with a problem, unless the answer has begun.
func (s *Server) fail(w http.ResponseWriter, err error) {
	status, body := encodeProblem(asError(err))
	s.send(w, status, "application/problem+json", body)
}

func (s *Server) send(w http.ResponseWriter, status int, kind string, body []byte) {
	// A connection without deadlines is none of ours, and one that is gone
	// needs no answer.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.writeTimeout))
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
