package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
)

// templateRun is a tree whose children are started through the socket, one after the other.
type templateRun struct{ *coppiceRun }

func (r *templateRun) start(ctx context.Context) error {
	if err := r.coppiceRun.start(ctx); err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", r.job.path(".coppice/sock"))
	}}}
	defer client.CloseIdleConnections()
	for _, c := range r.job.children {
		if err := startChild(ctx, client, c); err != nil {
			return fmt.Errorf("start of %s: %w", c.name, err)
		}
	}
	return nil
}

func startChild(ctx context.Context, client *http.Client, c child) error {
	body, err := json.Marshal(map[string]any{"name": c.name, "args": c.argv})
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://coppice/v1/nodes/jobs/children", bytes.NewReader(body))
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	said, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode/100 != 2 {
		err = fmt.Errorf("%s: %s", response.Status, said)
	}
	return err
}
