package main

import (
	"context"
	"fmt"
	"time"
)

// killPause keeps one restart out of the next one's way.
const killPause = 15 * time.Millisecond

// enough is how many of a thing that is repeated are done, however long they take.
const enough = 3

// restart kills one child after the other, the one that has lived longest first, and notes how long it
// takes from the kill to the first instruction of the next, and what that costs the supervisor.
func (l *life) restart(ctx context.Context) error {
	pids, err := l.run.supervisors()
	if err != nil {
		return err
	}
	if err := l.settle(ctx); err != nil {
		return err
	}
	before, end := measureEffort(pids), now()+int64(l.options.budget)
	var took []float64
	for len(took) < l.options.kills && (len(took) < enough || now() < end) {
		ms, err := l.killOldest(ctx)
		if err != nil {
			return err
		}
		took = append(took, ms)
		if err := pause(ctx, killPause); err != nil {
			return err
		}
	}
	if err := pause(ctx, afterwards); err != nil {
		return err
	}
	spent := measureEffort(pids).less(before)
	l.noteLatencies(took)
	l.note("cpu", float64(spent.cpu.Microseconds())/float64(len(took)))
	return nil
}

// noteLatencies notes what a table shows of many of them, in milliseconds.
func (l *life) noteLatencies(ms []float64) {
	l.note("p50", percentile(ms, 0.5))
	l.note("p90", percentile(ms, 0.9))
	l.note("p99", percentile(ms, 0.99))
	l.note("max", percentile(ms, 1))
	l.note("count", float64(len(ms)))
}

// killOldest kills the child that has lived longest, and returns the milliseconds until it was back.
func (l *life) killOldest(ctx context.Context) (float64, error) {
	oldest, err := l.eldest(ctx)
	if err != nil {
		return 0, err
	}
	victim := l.latest[oldest]
	at := now()
	if err := victim.kill(); err != nil {
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
