package ipc

import (
	"context"
	"net/http"
	"net/url"
)

// childBody is the body of POST /v1/nodes/SUPERVISOR/children.
type childBody struct {
	Name string            `json:"name"`
	Args []string          `json:"args,omitempty"`
	Env  map[string]string `json:"env,omitempty"`
}

// StartChild implements Backend.
func (c *Client) StartChild(ctx context.Context, req ChildRequest) (*Result, error) {
	path := "/v1/nodes/" + url.PathEscape(req.Supervisor) + "/children" + flags{"no_wait": req.NoWait}.query()
	return ask[Result](ctx, c, "POST", path, childBody{req.Name, req.Args, req.Env})
}

func (s *Server) postChild(r *request) error {
	req := ChildRequest{Supervisor: r.PathValue("name")}
	if err := checkName(req.Supervisor); err != nil {
		return err
	}
	if err := r.params(map[string]*bool{"no_wait": &req.NoWait}); err != nil {
		return err
	}
	if err := decodeObject(r.body, map[string]any{"name": &req.Name, "args": &req.Args, "env": &req.Env}); err != nil {
		return err
	}
	if checkName(req.Name) != nil {
		return badInput(0, "the name %s is not allowed: names are 1 to 64 of A-Z a-z 0-9 _ . -, beginning with a letter or digit", quote(req.Name))
	}
	result, err := s.backend.StartChild(r.Context(), req)
	if err != nil {
		return err
	}
	status := http.StatusCreated
	if req.NoWait {
		status = http.StatusAccepted
	}
	return s.json(r, status, result)
}

func (s *Server) deleteNode(r *request) error {
	cmd := Command{Verb: "delete", Node: r.PathValue("name")}
	if err := checkName(cmd.Node); err != nil {
		return err
	}
	if err := r.params(map[string]*bool{"no_wait": &cmd.NoWait}); err != nil {
		return err
	}
	if err := decodeObject(r.body, nil); err != nil {
		return err
	}
	return s.do(r, cmd)
}
