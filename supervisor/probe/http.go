package probe

import (
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

// newWeb makes a client that asks once, and keeps and follows nothing. Who answers
// is not asked for a certificate that somebody has signed: the question is whether
// it answers, and it is told nothing.
func newWeb() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext:            (&net.Dialer{KeepAlive: -1}).DialContext,
			TLSClientConfig:        &tls.Config{InsecureSkipVerify: true},
			DisableKeepAlives:      true,
			DisableCompression:     true,
			MaxResponseHeaderBytes: headerMax,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// get asks whether an HTTP server answers with a good status.
func (p *Prober) get(ctx context.Context, probe configs.Probe) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, probe.Target, nil)
	if err != nil {
		return failure(probe, err)
	}
	request.Header.Set("User-Agent", "coppice")
	response, err := p.web.Do(request)
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err // which does not repeat the URL
	}
	if err != nil {
		return failure(probe, err)
	}
	defer response.Body.Close()
	for _, r := range probe.Status {
		if r[0] <= response.StatusCode && response.StatusCode <= r[1] {
			// What the body says, or whether it ends, does not matter.
			_, _ = io.CopyN(io.Discard, response.Body, bodyMax)
			return nil
		}
	}
	return errors.New(Clean(fmt.Sprintf("%s: it answers %s", probe, response.Status)))
}
