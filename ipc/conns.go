package ipc

import (
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// connsMax is how many connections are open at once. One more closes the oldest
// that waits for a request, so that silent peers keep nobody out.
const connsMax = 256

// conns accepts connections and counts them.
type conns struct {
	net.Listener
	max int

	mu   sync.Mutex // guards open and each conn's busy
	open []*conn    // oldest first
}

// conn is an accepted connection.
type conn struct {
	net.Conn
	of   *conns
	peer peer
	busy bool // a request is being answered
	gone sync.Once
}

// Accept returns the next connection for which there is room.
func (c *conns) Accept() (net.Conn, error) {
	for {
		raw, err := c.Listener.Accept()
		if err != nil {
			return nil, err
		}
		accepted := &conn{Conn: raw, of: c}
		if u, ok := raw.(*net.UnixConn); ok {
			accepted.peer = peerOf(u)
		}
		if c.admit(accepted) {
			return accepted, nil
		}
		turnAway(raw)
	}
}

// admit makes room for one more; false: every connection is busy.
func (c *conns) admit(next *conn) bool {
	c.mu.Lock()
	var idle *conn
	if len(c.open) >= c.max {
		at := slices.IndexFunc(c.open, func(o *conn) bool { return !o.busy })
		if at < 0 {
			c.mu.Unlock()
			return false
		}
		idle = c.open[at]
		c.open = slices.Delete(c.open, at, at+1)
	}
	c.open = append(c.open, next)
	c.mu.Unlock()
	if idle != nil {
		_ = idle.Close() // it may have closed itself meanwhile
	}
	return true
}

// watch is the http.Server's ConnState: it learns which connections are busy.
func (c *conns) watch(nc net.Conn, state http.ConnState) {
	if cn, ok := nc.(*conn); ok {
		c.mu.Lock()
		cn.busy = state == http.StateActive
		c.mu.Unlock()
	}
}

// closeIdle closes every connection that waits for a request.
func (c *conns) closeIdle() {
	c.mu.Lock()
	idle := slices.DeleteFunc(slices.Clone(c.open), func(o *conn) bool { return o.busy })
	c.mu.Unlock()
	for _, o := range idle {
		_ = o.Close() // it may have closed itself meanwhile
	}
}

// Close closes the connection and frees its place.
func (c *conn) Close() error {
	c.gone.Do(func() {
		c.of.mu.Lock()
		defer c.of.mu.Unlock()
		if at := slices.Index(c.of.open, c); at >= 0 {
			c.of.open = slices.Delete(c.of.open, at, at+1)
		}
	})
	return c.Conn.Close()
}

// turnAway answers a connection for which there is no room. The answer fits
// into an empty socket buffer, so nobody waits for the peer.
func turnAway(raw net.Conn) {
	status, body := encodeProblem(&Error{
		Code: CodeRefused, Status: http.StatusServiceUnavailable,
		Title: "the daemon has no room for another connection; close one",
	})
	head := "HTTP/1.1 " + strconv.Itoa(status) + " " + http.StatusText(status) +
		"\r\nContent-Type: application/problem+json\r\nConnection: close\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n"
	_ = raw.SetWriteDeadline(time.Now().Add(time.Second)) // cutting it off is all right too
	_, _ = raw.Write(append([]byte(head), body...))
	_ = raw.Close()
}
