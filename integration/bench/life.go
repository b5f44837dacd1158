package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// life is one run of a peer with its children, from an empty folder to an empty process table.
type life struct {
	peer   peer
	run    run
	job    job
	stamps *stamps
	began  int64    // the clock right before start
	latest []latest // by the id of the child
	seen   int      // stamps that have been taken in
	note   func(metric string, value float64)
}

// latest is the incarnation of a child that is running, as far as anybody has heard.
type latest struct {
	pid  int // as the bench sees it
	born int64
}

// begin starts a peer with children made of a program, in dir, which it makes.
func begin(ctx context.Context, p peer, j job, stampsPath string, note func(string, float64)) (*life, error) {
	l := &life{peer: p, job: j, note: note, latest: make([]latest, len(j.children))}
	var err error
	if l.stamps, err = newStamps(stampsPath); err != nil {
		return nil, err
	}
	if l.run, err = p.prepare(ctx, j); err != nil {
		return l, err
	}
	l.began = now()
	return l, l.run.start(ctx)
}

// end leaves nothing behind: no process, no file. It needs no context, for it also ends what was interrupted.
func (l *life) end() error {
	if l.run != nil {
		l.run.kill()
	}
	l.stamps.close()
	return errors.Join(sweep(l.job.dir), os.RemoveAll(l.job.dir))
}

// sweep ends every process that belongs to a life in dir.
func sweep(dir string) error {
	const tries, pause = 200, 20 * time.Millisecond
	for range tries {
		all := marked(dir)
		if len(all) == 0 {
			return nil
		}
		killAll(all)
		time.Sleep(pause)
	}
	return fmt.Errorf("processes that do not die: %v", marked(dir))
}

// wait returns when n stamps have come since the last wait, and has taken them in.
func (l *life) wait(ctx context.Context, n int) ([]stamp, error) {
	from := l.seen
	if err := l.stamps.wait(ctx, from+n); err != nil {
		return nil, err
	}
	return l.take()
}

// take takes in the stamps that have been read.
func (l *life) take() ([]stamp, error) {
	fresh := l.stamps.all[l.seen:]
	l.seen = len(l.stamps.all)
	inner := make([]int, len(fresh))
	for i, s := range fresh {
		inner[i] = s.pid
	}
	outer, err := l.run.pids(inner)
	if err != nil {
		return nil, err
	}
	for i, s := range fresh {
		if s.id < 0 || s.id >= len(l.latest) {
			return nil, fmt.Errorf("a child says that it is number %d of %d", s.id, len(l.latest))
		}
		if s.ns > l.latest[s.id].born {
			l.latest[s.id] = latest{outer[i], s.ns}
		}
	}
	return fresh, nil
}
