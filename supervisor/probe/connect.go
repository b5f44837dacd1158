package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
	"unicode"

	"coppice/configs"
)

// causeMax is how many bytes of a reason are told.
const causeMax = 400

// accepts asks whether somebody accepts a connection. A connection from a port to
// itself is none: the kernel makes one when it happens to choose the very port as
// the one to connect from.
func accepts(ctx context.Context, network string, p configs.Probe) error {
	dialer := net.Dialer{KeepAlive: -1}
	conn, err := dialer.DialContext(ctx, network, p.Target)
	if err != nil {
		return failure(p, err)
	}
	defer conn.Close()
	if network == "tcp" && conn.LocalAddr().String() == conn.RemoteAddr().String() {
		return failure(p, syscall.ECONNREFUSED)
	}
	return nil
}

// failure says in one line why a probe had no good answer, or that it had none.
func failure(p configs.Probe, err error) error {
	if err := unasked(p, err); err != nil {
		return err
	}
	var errno syscall.Errno
	text := err.Error()
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), timedOut(err):
		text = "no answer within " + time.Duration(p.Timeout).String()
	case errors.Is(err, syscall.EAGAIN):
		text = "its queue of connections is full"
	case errors.As(err, &errno):
		text = errno.Error()
	}
	return errors.New(Clean(fmt.Sprintf("%s: %s", p, text)))
}

func timedOut(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// Clean makes one short line of valid text without control characters: what a
// process answers is its own.
func Clean(text string) string {
	text = strings.ToValidUTF8(text[:min(len(text), causeMax)], "\uFFFD")
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
			return ' '
		}
		return r
	}, text))
}

// strangerError is why a process is not ready that is told at once: it cannot
// become ready by itself.
type strangerError struct{ text string }

func (e *strangerError) Error() string { return e.text }
