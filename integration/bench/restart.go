package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// settledLife is how long a child has lived before it is killed: several peers delay the restart of one that
// has lived for less than a second.
const settledLife = 1200 * time.Millisecond

// killPause keeps one restart out of the next one's way.
const killPause = 15 * time.Millisecond

// restart kills one child after the other, the one that has lived longest first, and notes how long it
// takes from the kill to the first instruction of the next, and what that costs the supervisor.
func (l *life) restart(ctx context.Context, kills int, budget time.Duration) error {
	pids, err := l.run.supervisors()
	if err != nil {
		return err
	}
	const enough = 5 // restarts, whatever the budget says
	before, end := measureEffort(pids), now()+int64(budget)
	var took []float64
	for len(took) < kills && (len(took) < enough || now() < end) {
		ms, err := l.killOldest(ctx)
		if err != nil {
			return err
		}
		took = append(took, ms)
		time.Sleep(killPause)
	}
	spent := measureEffort(pids).less(before)
	l.noteLatencies("", took)
	l.note("cpu", float64(spent.cpu.Microseconds())/float64(len(took)))
	return nil
}

// noteLatencies notes what a table shows of many of them, in milliseconds.
func (l *life) noteLatencies(prefix string, ms []float64) {
	for _, p := range []struct {
		name string
		at   float64
	}{{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"max", 1}} {
		l.note(prefix+p.name, percentile(ms, p.at))
	}
	l.note(prefix+"count", float64(len(ms)))
}

// killOldest kills the child that has lived longest once it has lived long enough, and returns the milliseconds
// until it was back.
func (l *life) killOldest(ctx context.Context) (float64, error) {
	oldest := 0
	for i, c := range l.latest {
		if c.born < l.latest[oldest].born {
			oldest = i
		}
	}
	victim := l.latest[oldest]
	if victim.pid == 0 {
		return 0, fmt.Errorf("child %d has no pid", oldest)
	}
	time.Sleep(time.Duration(victim.born + int64(settledLife) - now()))
	at := now()
	if err := unix.Kill(victim.pid, unix.SIGKILL); err != nil {
		return 0, fmt.Errorf("child %d, pid %d: %w", oldest, victim.pid, err)
	}
	fresh, err := l.wait(ctx, 1)
	if err != nil {
		return 0, err
	}
	if len(fresh) != 1 || fresh[0].id != oldest {
		return 0, fmt.Errorf("child %d was killed, and %v came up", oldest, fresh)
	}
	return milliseconds(at, fresh[0].ns), nil
}
