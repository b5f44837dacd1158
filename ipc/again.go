package ipc

import (
	"context"
	"errors"
	"time"
)

const (
	// patienceMax is how long a Client asks again after the daemon has gone: the
	// next one is there in less than a second, if there is one.
	patienceMax = 5 * time.Second
	// endPatience is how long it asks again after a stream that was complete: the
	// daemon may have made room for another one.
	endPatience = time.Second
	// againDelay is the pause between two tries.
	againDelay = 20 * time.Millisecond
	// lasting is how long a stream lasts that shows a daemon in order.
	lasting = time.Second
)

// again asks until there is an answer, a refusal or the end of patience: it is for
// requests that may be carried out twice. Nobody there, after a daemon that went
// away, is its end.
func (c *Client) again(ctx context.Context, ask func() error) error {
	err := ask()
	for until := time.Now().Add(c.patience()); errors.Is(err, ErrDaemonGone) && time.Now().Before(until); {
		if err := pause(ctx); err != nil {
			return err
		}
		next := ask()
		if errors.Is(next, ErrNoDaemon) {
			return err
		}
		err = next
	}
	return err
}

func (c *Client) patience() time.Duration {
	if c.Patience > 0 {
		return c.Patience
	}
	return patienceMax
}

func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(againDelay):
		return nil
	}
}

// ending is what one try to follow something ended with.
type ending struct {
	err   error
	seen  bool // it brought something new
	final bool // nothing can follow
}

// answered says that a daemon was there.
func (e ending) answered() bool { return e.err == nil || errors.Is(e.err, ErrDaemonGone) }

// away says that the next daemon may still come: one that is about to end
// refuses, and then nobody is there for a moment.
func (e ending) away() bool {
	refusal, refused := errors.AsType[*Error](e.err)
	return refused && (refusal.Code == CodeRefused || refusal.Code == CodeEnded) || errors.Is(e.err, ErrNoDaemon)
}

// keepUp tries to follow something again and again, each time behind what was
// seen. It returns what the last daemon's stream ended with once no other daemon
// goes on with it for a while.
func (c *Client) keepUp(ctx context.Context, try func() ending) error {
	end := try()
	for more := true; more && !end.final && end.answered(); {
		end, more = c.next(ctx, end, try)
	}
	return end.err
}

// next tries until a daemon goes on, and returns how that one's stream ended;
// false and end itself if none does.
func (c *Client) next(ctx context.Context, end ending, try func() ending) (ending, bool) {
	until := time.Now().Add(endPatience)
	if end.err != nil {
		until = time.Now().Add(c.patience())
	}
	for time.Now().Before(until) {
		if err := pause(ctx); err != nil {
			return ending{err: err}, false
		}
		began := time.Now()
		next := try()
		switch {
		case next.final, !next.answered() && !next.away():
			return next, false
		case next.answered() && (next.seen || time.Since(began) >= lasting):
			return next, true
		}
	}
	return end, false
}
