package main

import (
	"context"
	"time"

	"golang.org/x/sys/unix"
)

// daemonKills is how often a supervisor is killed under its children; daemonPause is the time between two kills.
const (
	daemonKills = 8
	daemonPause = 1200 * time.Millisecond
)

// daemon kills the supervisor again and again and notes how long it takes until it answers, and how many
// children were started again for it.
func (l *life) daemon(ctx context.Context) error {
	m, ok := l.run.(mortal)
	if !ok {
		return nil
	}
	var took []float64
	for range daemonKills {
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
