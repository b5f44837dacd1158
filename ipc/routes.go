package ipc

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"slices"
)

// A route is one thing that can be asked for.
type route struct {
	method, path string
	answer       func(*Server, *request) error
}

// routes is everything that the socket offers. All of it is for the daemon's own
// user and root.
var routes = []route{
	{"GET", "/v1/tree", (*Server).getTree},
	{"GET", "/v1/started", (*Server).getStarted},
	{"GET", "/v1/events", (*Server).getEvents},
	{"GET", "/v1/logs", (*Server).getLogs},
	{"GET", "/v1/logs/{name}", (*Server).getLogs},
	{"POST", "/v1/nodes/{name}/{verb}", (*Server).postNode},
	{"DELETE", "/v1/nodes/{name}", (*Server).deleteNode},
	{"POST", "/v1/reload", (*Server).postReload},
	{"POST", "/v1/down", (*Server).postDown},
	{"POST", "/v1/upgrade", (*Server).postUpgrade},
	{"POST", "/v1/leave", (*Server).postLeave},
}

// request is a request, and the way to answer it.
type request struct {
	*http.Request
	w    http.ResponseWriter
	body []byte
}

// answer reads the request's body and tells what went wrong on its route.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, to route) {
	body, err := readBody(w, r)
	if err != nil {
		w.Header().Set("Connection", "close")
		s.fail(w, err)
		return
	}
	if err := to.answer(s, &request{Request: r, w: w, body: body}); err != nil {
		s.fail(w, err)
	}
}

func (s *Server) getTree(r *request) error {
	var usage, trunk bool
	if err := r.params(map[string]*bool{"usage": &usage, "trunk": &trunk}); err != nil {
		return err
	}
	ask := func(ctx context.Context) (*Tree, error) { return s.backend.Tree(ctx, usage) }
	if trunk {
		ask = s.backend.Trunk
	}
	tree, err := ask(r.Context())
	if err != nil {
		return err
	}
	body, err := EncodeTree(tree)
	if err != nil {
		return err
	}
	s.send(r.w, http.StatusOK, "application/json", append(body, '\n'))
	return nil
}

func (s *Server) getStarted(r *request) error {
	if err := r.params(nil); err != nil {
		return err
	}
	if err := s.backend.Started(r.Context()); err != nil {
		return refused(err)
	}
	return s.json(r, http.StatusOK, Result{Message: "the tree is started"})
}

func (s *Server) postDown(r *request) error {
	if err := r.params(nil); err != nil {
		return err
	}
	if err := decodeObject(r.body, nil); err != nil {
		return err
	}
	if err := s.backend.Down(r.Context()); err != nil {
		return err
	}
	return s.json(r, http.StatusOK, Result{Message: "the tree is down"})
}

func (s *Server) postUpgrade(r *request) error {
	var req UpgradeRequest
	if err := r.params(nil); err != nil {
		return err
	}
	if err := decodeObject(r.body, map[string]any{"binary": &req.Binary}); err != nil {
		return err
	}
	if err := s.backend.Upgrade(r.Context(), req); err != nil {
		return err
	}
	return s.json(r, http.StatusAccepted, Result{Message: "the daemon makes way"})
}

func (s *Server) postLeave(r *request) error {
	if err := r.params(nil); err != nil {
		return err
	}
	if err := decodeObject(r.body, nil); err != nil {
		return err
	}
	if err := s.backend.Leave(r.Context()); err != nil {
		return err
	}
	return s.json(r, http.StatusAccepted, Result{Message: "the tree is left alone"})
}

func (s *Server) postReload(r *request) error {
	var req ReloadRequest
	if err := r.params(nil); err != nil {
		return err
	}
	if err := decodeObject(r.body, map[string]any{"dry_run": &req.DryRun, "file": &req.File}); err != nil {
		return err
	}
	result, err := s.backend.Reload(r.Context(), req)
	if err != nil {
		return err
	}
	return s.json(r, http.StatusOK, result)
}

func (s *Server) postNode(r *request) error {
	if r.PathValue("verb") == "children" {
		return s.postChild(r)
	}
	cmd, err := r.command()
	if err != nil {
		return err
	}
	return s.do(r, cmd)
}

func (s *Server) do(r *request, cmd Command) error {
	result, err := s.backend.Do(r.Context(), cmd)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if cmd.NoWait {
		status = http.StatusAccepted
	}
	return s.json(r, status, result)
}

// command reads one verb on one node.
func (r *request) command() (Command, error) {
	cmd := Command{Verb: r.PathValue("verb"), Node: r.PathValue("name")}
	if !slices.Contains([]string{"start", "stop", "restart", "reload", "freeze", "thaw", "kill"}, cmd.Verb) {
		return cmd, badInput(http.StatusNotFound, "there is no verb %s; use start, stop, restart, reload, freeze, thaw, kill or children", quote(cmd.Verb))
	}
	if err := checkName(cmd.Node); err != nil {
		return cmd, err
	}
	if err := r.params(map[string]*bool{"no_wait": &cmd.NoWait}); err != nil {
		return cmd, err
	}
	if cmd.Verb != "kill" {
		return cmd, decodeObject(r.body, nil)
	}
	if err := decodeObject(r.body, map[string]any{"signal": &cmd.Signal, "all": &cmd.All}); err != nil {
		return cmd, err
	}
	var err error
	cmd.Signal, err = signalName(cmd.Signal)
	return cmd, err
}

func (s *Server) getEvents(r *request) error {
	q, err := parseQuery(r.Request, "since", "follow")
	if err != nil {
		return err
	}
	since, err := q.number("since", 0)
	if err != nil {
		return err
	}
	follow, err := q.flag("follow")
	if err != nil {
		return err
	}
	out := s.stream(r, "application/x-ndjson", follow)
	return out.end(s.backend.Events(r.Context(), since, follow, func(e Event) error { return out.line(e) }))
}

func (s *Server) getLogs(r *request) error {
	q, err := r.logQuery()
	if err != nil {
		return err
	}
	if q.Raw && !q.Positions {
		out := s.stream(r, "application/octet-stream", q.Follow)
		return out.end(s.backend.Logs(r.Context(), q, func(l LogLine) error { return out.write(l.Bytes) }))
	}
	out := s.stream(r, "application/x-ndjson", q.Follow)
	return out.end(s.backend.Logs(r.Context(), q, func(l LogLine) error {
		if l.Bytes != nil && q.Raw {
			l.Text = "" // Bytes says it
		} else {
			l.Bytes = nil // Text says it
		}
		return out.line(l)
	}))
}

// logQuery reads what output is wanted; one name may stand in the path.
func (r *request) logQuery() (LogQuery, error) {
	var q LogQuery
	named := r.PathValue("name")
	known := []string{"n", "follow", "raw", "stderr", "since", "from", "positions"}
	if named == "" {
		known = append(known, "name")
	}
	params, err := parseQuery(r.Request, known...)
	if err != nil {
		return q, err
	}
	if q.Names = params.values["name"]; named != "" {
		q.Names = []string{named}
	}
	for _, name := range q.Names {
		if err := checkName(name); err != nil {
			return q, err
		}
	}
	last, err := params.number("n", math.MaxUint64)
	if err != nil {
		return q, err
	}
	if q.Last = -1; last <= math.MaxInt32 {
		q.Last = int(last)
	}
	flags := map[string]*bool{"follow": &q.Follow, "raw": &q.Raw, "stderr": &q.Stderr, "positions": &q.Positions}
	if err := params.flags(flags); err != nil {
		return q, err
	}
	if err := decodeObject(r.body, map[string]any{"from": &q.From}); err != nil {
		return q, err
	}
	q.From = append(q.From, params.values["from"]...)
	if q.Since, err = params.moment("since"); err != nil {
		return q, err
	}
	return q, q.check()
}

// check refuses what cannot be selected together.
func (q LogQuery) check() error {
	if q.Raw && len(q.Names) != 1 {
		return badInput(0, "raw output is that of one process; name exactly one")
	}
	if q.Stderr && !q.Raw {
		return badInput(0, "stderr=1 goes with raw=1")
	}
	if len(q.From) > 0 && q.Last >= 0 {
		return badInput(0, "from and n do not go together: n counts from the end")
	}
	return nil
}

// params reads a query that consists of flags alone.
func (r *request) params(flags map[string]*bool) error {
	known := make([]string, 0, len(flags))
	for name := range flags {
		known = append(known, name)
	}
	q, err := parseQuery(r.Request, known...)
	if err != nil {
		return err
	}
	return q.flags(flags)
}

func (s *Server) stream(r *request, kind string, follow bool) *stream {
	return newStream(r.w, kind, follow, s.writeTimeout)
}

func (s *Server) json(r *request, status int, answer any) error {
	body, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	s.send(r.w, status, "application/json", append(body, '\n'))
	return nil
}

// refused makes a refusal of an error that says why the tree did not start.
func refused(err error) error {
	_, typed := errors.AsType[*Error](err)
	if typed || errors.Is(err, context.Canceled) {
		return err
	}
	return &Error{Code: CodeRefused, Title: err.Error()}
}
