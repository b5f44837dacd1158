package ipc

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// bodyBytesMax is the size of the largest body.
const bodyBytesMax = 1 << 20

// readTimeout is the time a peer has for its header, and again for its body.
const readTimeout = 5 * time.Second

// readBody takes the whole body at once, also where none is wanted: what is left
// of it would be waited for after the answer, without a limit.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if enc := r.Header.Get("Content-Encoding"); enc != "" && enc != "identity" {
		return nil, badInput(http.StatusUnsupportedMediaType, "cannot read a body with Content-Encoding %q; send plain JSON", enc)
	}
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Now().Add(readTimeout))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyBytesMax))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, badInput(http.StatusRequestEntityTooLarge, "cannot read a body of more than %d bytes", bodyBytesMax)
	}
	if err != nil {
		return nil, badInput(http.StatusRequestTimeout, "cannot read the body: it did not come within %v", readTimeout)
	}
	_ = rc.SetReadDeadline(time.Time{})
	return body, nil
}

// decodeObject reads one JSON object into the given fields. An empty body is an
// empty object. Names are exact, and each comes at most once: what
// encoding/json would forgive, a hand-made request would regret.
func decodeObject(body []byte, fields map[string]any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	if !utf8.Valid(body) {
		return badInput(0, "cannot read the body: it is not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return badInput(0, "cannot read the body: it is not a JSON object")
	}
	seen := map[string]bool{}
	for dec.More() {
		if err := decodeField(dec, fields, seen); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return badInput(0, "cannot read the body: %v", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return badInput(0, "cannot read the body: something follows the JSON object")
	}
	return nil
}

func decodeField(dec *json.Decoder, fields map[string]any, seen map[string]bool) error {
	token, err := dec.Token()
	if err != nil {
		return badInput(0, "cannot read the body: %v", err)
	}
	name, _ := token.(string)
	into, known := fields[name]
	if !known {
		return badInput(0, "cannot read the body: there is no field %s here", quote(name))
	}
	if seen[name] {
		return badInput(0, "cannot read the body: field %s comes twice", quote(name))
	}
	seen[name] = true
	if err := dec.Decode(into); err != nil {
		return badInput(0, "cannot read field %s: %v", quote(name), err)
	}
	return nil
}

// query is the parameters of one request.
type query struct{ values url.Values }

// parseQuery refuses parameters that the route does not know, and any but name and
// from that comes twice.
func parseQuery(r *http.Request, known ...string) (query, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return query{}, badInput(0, "cannot read the query: %v", err)
	}
	for key, all := range values {
		if !slices.Contains(known, key) {
			return query{}, badInput(0, "there is no parameter %s here", quote(key))
		}
		if len(all) > 1 && key != "name" && key != "from" {
			return query{}, badInput(0, "parameter %s comes twice", quote(key))
		}
	}
	return query{values}, nil
}

func (q query) flag(key string) (bool, error) {
	switch text := q.values.Get(key); text {
	case "", "0", "false":
		return false, nil
	case "1", "true":
		return true, nil
	default:
		return false, badInput(0, "parameter %s is 1 or 0, not %s", key, quote(text))
	}
}

// flags reads several flags; the first wrong one is the error.
func (q query) flags(into map[string]*bool) error {
	for key, to := range into {
		value, err := q.flag(key)
		if err != nil {
			return err
		}
		*to = value
	}
	return nil
}

func (q query) number(key string, unset uint64) (uint64, error) {
	text := q.values.Get(key)
	if text == "" {
		return unset, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, badInput(0, "parameter %s is a number from 0, not %s", key, quote(text))
	}
	return n, nil
}

// moment reads a time; the zero time when there is none.
func (q query) moment(key string) (time.Time, error) {
	text := q.values.Get(key)
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}, badInput(0, "parameter %s is a time such as 2026-01-02T15:04:05Z, not %s", key, quote(text))
	}
	return t, nil
}

// checkName answers at once for what cannot be a node's name.
func checkName(name string) error {
	legal := len(name) >= 1 && len(name) <= 64 && !strings.ContainsAny(name[:1], "_.-") &&
		strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-") == ""
	if !legal {
		return &Error{Code: CodeNoNode, Title: "there is no node " + quote(name)}
	}
	return nil
}

// signalName checks a signal's full name.
func signalName(name string) (string, error) {
	if name == "" {
		return "SIGTERM", nil
	}
	// What real-time signals there are is the backend's to know.
	if unix.SignalNum(name) == 0 && !strings.HasPrefix(name, "SIGRT") {
		return "", badInput(0, "there is no signal %s; signals are named like SIGHUP", quote(name))
	}
	return name, nil
}

// quote shows a peer's text in an error, short and without control characters.
func quote(text string) string {
	if len(text) > 80 {
		return strconv.QuoteToASCII(text[:80]) + "…"
	}
	return strconv.QuoteToASCII(text)
}
