package main

import (
	"context"
	"errors"
	"time"
)

// youngMost is how long a child that dies at once is watched where it comes back so slowly that there would
// not be enough to see.
const youngMost = 5 * time.Second

// young notes the times from one first instruction of a child to the next, and what a restart costs.
func (l *life) young(ctx context.Context) error {
	if _, err := l.wait(ctx, 1); err != nil {
		return err
	}
	pids, err := l.run.supervisors()
	if err != nil {
		return err
	}
	if err := l.stamps.read(); err != nil {
		return err
	}
	from, before, begin := len(l.stamps.all)-1, measureEffort(pids), now()
	for now() < begin+int64(l.options.young) || (len(l.stamps.all)-from <= enough && now() < begin+int64(youngMost)) {
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return err
		}
		if err := l.stamps.read(); err != nil {
			return err
		}
	}
	spent := measureEffort(pids).less(before)
	all := l.stamps.all[from:]
	var took []float64
	for i := 1; i < len(all); i++ {
		took = append(took, milliseconds(all[i-1].ns, all[i].ns))
	}
	if len(took) == 0 {
		return errors.New("it did not come back once")
	}
	l.noteLatencies(took)
	l.note("cpu", float64(spent.cpu.Microseconds())/float64(len(took)))
	return nil
}
