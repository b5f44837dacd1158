package probe

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"

	"coppice/configs"
)

const (
	// headerMax is how many bytes of a response's header are read, bodyMax of its
	// body, so that the server can end in order.
	headerMax = 32 << 10
	bodyMax   = 64 << 10
)

// get asks whether an HTTP server answers with a good status. It asks once, on a
// connection of its own, and follows nothing. (net/http's client keeps goroutines
// for each connection, and tells the program's log what a server does wrong.)
func get(ctx context.Context, p configs.Probe) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.Target, nil)
	if err != nil {
		return failure(p, err)
	}
	request.Close = true
	request.Header.Set("User-Agent", "coppice")
	if user := request.URL.User; user != nil {
		password, _ := user.Password()
		request.SetBasicAuth(user.Username(), password)
	}
	conn, err := connect(ctx, request.URL)
	if err != nil {
		return failure(p, err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	response, err := exchange(conn, request)
	if err != nil {
		return failure(p, errors.Join(err, ctx.Err())) // which closes the connection too
	}
	for _, r := range p.Status {
		if r[0] <= response.StatusCode && response.StatusCode <= r[1] {
			return nil
		}
	}
	return errors.New(Clean(fmt.Sprintf("%s: it answers %s", p, response.Status)))
}

// connect connects to the server of a URL. One that speaks TLS is not asked for a
// certificate that somebody has signed: the question is whether it answers.
func connect(ctx context.Context, u *url.URL) (net.Conn, error) {
	port := u.Port()
	if port == "" {
		port = u.Scheme // a service by that name
	}
	dialer := net.Dialer{KeepAlive: -1}
	address := net.JoinHostPort(u.Hostname(), port)
	if u.Scheme != "https" {
		return dialer.DialContext(ctx, "tcp", address)
	}
	secure := tls.Dialer{NetDialer: &dialer, Config: &tls.Config{InsecureSkipVerify: true, ServerName: u.Hostname()}}
	return secure.DialContext(ctx, "tcp", address)
}

// exchange sends a request and reads the response, as far as it is wanted. What the
// body says, or whether it ends, does not matter.
func exchange(conn net.Conn, request *http.Request) (*http.Response, error) {
	writeErr := request.Write(conn) // a server may answer before it has heard all
	limited := &io.LimitedReader{R: conn, N: headerMax}
	reader := bufio.NewReader(limited)
	response, err := http.ReadResponse(reader, request)
	for err == nil && response.StatusCode < 200 { // an informational one comes before
		response, err = http.ReadResponse(reader, request)
	}
	switch {
	case limited.N == 0:
		return nil, errors.New("its header is too long")
	case err != nil:
		return nil, errors.Join(err, writeErr)
	}
	defer response.Body.Close()
	limited.N = bodyMax
	_, _ = io.Copy(io.Discard, response.Body)
	return response, nil
}
