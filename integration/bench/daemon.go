package main

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// daemonPause is the time between two kills.
const daemonPause = 1200 * time.Millisecond

// errImmortal is of a peer whose terms promise more than its run can do.
var errImmortal = errors.New("there is no daemon of it to kill")

// daemon kills the supervisor again and again and notes how long it takes until it answers, and how many
// children were started again for it.
func (l *life) daemon(ctx context.Context) error {
	m, ok := l.run.(mortal)
	if !ok {
		return errImmortal
	}
	var took []float64
	for range l.options.daemonKills {
		at, err := killDaemon(m)
		if err != nil {
			return err
		}
		if err := m.answers(ctx); err != nil {
			return err
		}
		took = append(took, milliseconds(at, now()))
		if err := pause(ctx, daemonPause); err != nil {
			return err
		}
	}
	l.note("p50", percentile(took, 0.5))
	l.note("max", percentile(took, 1))
	if err := l.stamps.read(); err != nil {
		return err
	}
	fresh, err := l.take()
	l.note("restarted", float64(len(fresh)))
	return err
}

// killDaemon returns when it did so.
func killDaemon(m mortal) (int64, error) {
	pid, err := m.daemon()
	if err != nil {
		return 0, err
	}
	at := now()
	return at, unix.Kill(pid, unix.SIGKILL)
}
