package ipc

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"coppice/tree"
)

// Client speaks to a daemon; its methods are those of Backend. The zero value
// with one of its fields set is ready to use, by many goroutines at once.
//
// A refusal is an *Error. When nobody listens the error is ErrNoDaemon, when
// the daemon ends in the middle of an answer ErrDaemonGone. What may be asked twice
// is then asked again, of the daemon that follows: all but Do, StartChild and Reload.
type Client struct {
	// Dir is a state folder, whose socket is dialled.
	Dir string
	// Socket is a socket's path; it goes before Dir.
	Socket string
	// Patience is how long the next daemon is waited for; 0 is five seconds.
	Patience time.Duration
}

var _ Backend = (*Client)(nil)

// Tree implements Backend.
func (c *Client) Tree(ctx context.Context, usage bool) (t *Tree, err error) {
	err = c.again(ctx, func() error {
		t, err = c.tree(ctx, flags{"usage": usage})
		return err
	})
	return t, err
}

// Trunk implements Backend. A daemon that was built before there were trunks gives the
// whole tree.
func (c *Client) Trunk(ctx context.Context) (t *Tree, err error) {
	err = c.again(ctx, func() error {
		t, err = c.tree(ctx, flags{"trunk": true})
		return err
	})
	if refusal, ok := errors.AsType[*Error](err); ok && refusal.Code == CodeBadInput {
		return c.Tree(ctx, false)
	}
	return t, err
}

// Do implements Backend.
func (c *Client) Do(ctx context.Context, cmd Command) (*Result, error) {
	var body any
	if cmd.Verb == "kill" {
		body = map[string]any{"signal": cmd.Signal, "all": cmd.All}
	}
	path, query := "/v1/nodes/"+url.PathEscape(cmd.Node), flags{"no_wait": cmd.NoWait}.query()
	if cmd.Verb == "delete" {
		return ask[Result](ctx, c, "DELETE", path+query, nil)
	}
	return ask[Result](ctx, c, "POST", path+"/"+cmd.Verb+query, body)
}

// Reload implements Backend.
func (c *Client) Reload(ctx context.Context, req ReloadRequest) (*ReloadResult, error) {
	return ask[ReloadResult](ctx, c, "POST", "/v1/reload", req)
}

// Down implements Backend.
func (c *Client) Down(ctx context.Context) error {
	return c.again(ctx, func() error {
		_, err := ask[Result](ctx, c, "POST", "/v1/down", nil)
		return err
	})
}

// Upgrade implements Backend.
func (c *Client) Upgrade(ctx context.Context, req UpgradeRequest) error {
	_, err := ask[Result](ctx, c, "POST", "/v1/upgrade", req)
	return err
}

// Leave implements Backend.
func (c *Client) Leave(ctx context.Context) error {
	_, err := ask[Result](ctx, c, "POST", "/v1/leave", nil)
	return err
}

// Started implements Backend.
func (c *Client) Started(ctx context.Context) error {
	return c.again(ctx, func() error {
		_, err := ask[Result](ctx, c, "GET", "/v1/started", nil)
		return err
	})
}

// Events implements Backend. With follow it goes on with the next daemon's, until
// one has told that it stops the tree.
func (c *Client) Events(ctx context.Context, since uint64, follow bool, emit func(Event) error) error {
	stopping := false
	try := func() (end ending) {
		end.err = c.events(ctx, since, follow, func(e Event) error {
			end.seen, since = true, max(since, e.Seq)
			if kind := tree.Kind(e.Kind); kind == tree.DaemonStarted || kind == tree.DaemonStopping {
				stopping = kind == tree.DaemonStopping
			}
			err := emit(e)
			end.final = err != nil
			return err
		})
		end.final = end.final || ctx.Err() != nil || end.err == nil && stopping
		return end
	}
	return c.stream(ctx, follow, try)
}

func (c *Client) events(ctx context.Context, since uint64, follow bool, emit func(Event) error) error {
	path := "/v1/events" + flags{"follow": follow}.query("since", strconv.FormatUint(since, 10))
	resp, err := c.send(ctx, "GET", path, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return c.fault(ctx, readLines(resp.Body, emit))
}

// Logs implements Backend. With Follow it goes on with the next daemon, behind
// the last line that it has seen.
func (c *Client) Logs(ctx context.Context, q LogQuery, emit func(LogLine) error) error {
	var cursor Cursor
	wanted := q.Positions
	try := func() (end ending) {
		if q.Follow {
			q = cursor.Resume(q)
		}
		end.err = c.logs(ctx, q, func(l LogLine) error {
			shown := !q.Positions || cursor.Note(l)
			end.seen = end.seen || shown
			if !wanted {
				if l.At = ""; !shown {
					return nil
				}
			}
			err := emit(l)
			end.final = err != nil
			return err
		})
		// Who was shown something without positions cannot go on behind it.
		end.final = end.final || ctx.Err() != nil || end.seen && !cursor.Began()
		return end
	}
	return c.stream(ctx, q.Follow, try)
}

// stream asks for a stream: again until it has begun or, where it is followed, as
// long as there is a daemon.
func (c *Client) stream(ctx context.Context, follow bool, try func() ending) error {
	if follow {
		return c.keepUp(ctx, try)
	}
	var end ending
	err := c.again(ctx, func() error {
		if end = try(); end.seen || end.final {
			return nil
		}
		return end.err
	})
	return cmp.Or(err, end.err)
}

func (c *Client) logs(ctx context.Context, q LogQuery, emit func(LogLine) error) error {
	pairs, body := q.fields()
	set := flags{"follow": q.Follow, "raw": q.Raw, "stderr": q.Stderr, "positions": q.Positions}
	resp, err := c.send(ctx, "GET", "/v1/logs"+set.query(pairs...), body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if !q.Raw || q.Positions {
		return c.fault(ctx, readLines(resp.Body, emit))
	}
	return c.fault(ctx, readChunks(resp.Body, func(chunk []byte) error {
		return emit(LogLine{Node: q.Names[0], Bytes: chunk})
	}))
}

// flags are parameters that are 1 or absent.
type flags map[string]bool

// query writes the flags that are set, and pairs of names and values.
func (f flags) query(pairs ...string) string {
	values := url.Values{}
	for name, set := range f {
		if set {
			values.Set(name, "1")
		}
	}
	for i := 0; i < len(pairs); i += 2 {
		values.Add(pairs[i], pairs[i+1])
	}
	if len(values) == 0 {
		return ""
	}
	return "?" + values.Encode()
}

// ask sends one request and reads one document.
func ask[T any](ctx context.Context, c *Client, method, path string, body any) (*T, error) {
	resp, err := c.send(ctx, method, path, body)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var answer T
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return nil, c.fault(ctx, err)
	}
	return &answer, nil
}

// tree asks for the tree: the one document that may be long.
func (c *Client) tree(ctx context.Context, how flags) (*Tree, error) {
	resp, err := c.send(ctx, "GET", "/v1/tree"+how.query(), nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var text strings.Builder
	text.Grow(int(max(resp.ContentLength, 0)))
	if _, err := io.Copy(&text, resp.Body); err != nil {
		return nil, c.fault(ctx, err)
	}
	t, err := decodeTree(text.String())
	return t, c.fault(ctx, err)
}

// send returns the answer to a request when it is a success. Each request has a
// connection of its own, which ends with the answer's body: a Client has nothing to
// close, and no goroutine. http.Transport would have two for each.
func (c *Client) send(ctx context.Context, method, path string, body any) (*http.Response, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	if body == nil {
		text = nil
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://coppice"+path, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	req.Close = true
	conn, err := c.dial(ctx)
	if err != nil {
		return nil, c.fault(ctx, err)
	}
	resp, err := converse(ctx, conn, req)
	if err != nil {
		return nil, c.fault(ctx, err)
	}
	if resp.StatusCode >= http.StatusMultipleChoices {
		defer resp.Body.Close()
		return nil, decodeProblem(resp)
	}
	return resp, nil
}

// converse sends a request and reads the answer as far as its body, with which the
// connection is closed. When ctx is done it is cut.
func converse(ctx context.Context, conn *os.File, req *http.Request) (*http.Response, error) {
	cut := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	hangUp := func() error {
		cut()
		return conn.Close()
	}
	// A daemon that has no room answers before it has read, and goes: what it said
	// counts, not that it did not listen.
	_ = req.Write(conn)
	resp, err := http.ReadResponse(bufio.NewReader(conn), req)
	if err != nil {
		return nil, errors.Join(err, hangUp())
	}
	resp.Body = &lastBody{resp.Body, hangUp}
	return resp, nil
}

// lastBody is the body of the only answer on a connection.
type lastBody struct {
	io.Reader
	hangUp func() error
}

// Close ends the connection, whatever of the body was not read.
func (b *lastBody) Close() error { return b.hangUp() }

func (c *Client) dial(ctx context.Context) (*os.File, error) {
	path := c.Socket
	if path == "" {
		path = filepath.Join(c.Dir, SocketName)
	}
	conn, err := dial(ctx, path)
	if err != nil {
		return nil, &dialError{err}
	}
	return conn, nil
}

// dialError marks an error before the request went out.
type dialError struct{ error }

// fault sorts the errors of a conversation: the reader's own, the end of its
// patience, nobody there, and everything else, which is a daemon that went away.
func (c *Client) fault(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if own, ok := errors.AsType[*emitError](err); ok {
		return own.err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if dialled, ok := errors.AsType[*dialError](err); ok {
		return dialled.error
	}
	if _, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("cannot read the daemon's answer: %w", err)
	}
	return ErrDaemonGone
}
