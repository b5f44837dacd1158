package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// life is one run of a peer with its children, from an empty folder to an empty process table.
type life struct {
	peer    peer
	run     run
	job     job
	options options // how much of everything
	stamps  *stamps
	began   int64    // the clock right before start
	latest  []latest // by the id of the child
	seen    int      // stamps that have been taken in
	// note keeps a value of the measure that is being taken.
	note func(metric string, value float64)
}

// latest is the incarnation of a child that is running, as far as anybody has heard.
type latest struct {
	pid  int // as the bench sees it
	born int64
}

// kill kills the child. One that is gone has no number to be signalled by: 0 would be this process's own group.
func (l latest) kill() error {
	if l.pid <= 1 {
		return unix.ESRCH
	}
	return unix.Kill(l.pid, unix.SIGKILL)
}

// begin starts a peer with a job. A life that is returned beside an error must be ended, too.
func begin(ctx context.Context, p peer, j job, stampsPath string, o options) (*life, error) {
	l := &life{peer: p, job: j, options: o, latest: make([]latest, len(j.children))}
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

// wait returns when n stamps have come since the last one that was taken in, and takes them in.
func (l *life) wait(ctx context.Context, n int) ([]stamp, error) {
	if err := l.stamps.wait(ctx, l.seen+n, l.over()); err != nil {
		if _, e := l.run.supervisors(); e != nil { // which knows why
			err = fmt.Errorf("%w: %w", err, e)
		}
		return nil, err
	}
	return l.take()
}

// over is closed when the supervisor has ended; nil if that cannot be known without asking.
func (l *life) over() <-chan struct{} {
	if f, ok := l.run.(interface{ over() <-chan struct{} }); ok {
		return f.over()
	}
	return nil
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

// settle returns when every child has lived long enough to be killed: several peers delay the restart of one that
// has lived for less than a second.
func (l *life) settle(ctx context.Context) error {
	youngest := int64(0)
	for _, c := range l.latest {
		youngest = max(youngest, c.born)
	}
	return pause(ctx, time.Duration(youngest+int64(settledLife)-now()))
}

// eldest is the child that has lived longest, once it has lived long enough to be killed.
func (l *life) eldest(ctx context.Context) (int, error) {
	eldest := 0
	for i, c := range l.latest {
		if c.born < l.latest[eldest].born {
			eldest = i
		}
	}
	return eldest, pause(ctx, time.Duration(l.latest[eldest].born+int64(settledLife)-now()))
}

// settledLife is how long a child has lived before it is killed.
const settledLife = 1200 * time.Millisecond

// pause is a sleep that an interrupt or the end of the time ends.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
