package supervisor

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"coppice/tree"
)

// clock tells the time as the tree counts it: CLOCK_MONOTONIC of this boot, which
// goes on over daemons, so that restart windows, delays and time limits do.
type clock struct {
	base   tree.Time
	origin time.Time
	zero   time.Time // of tree.Time, on the wall clock
}

func newClock() (clock, error) {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return clock{}, fmt.Errorf("cannot read the monotonic clock: %w", err)
	}
	return clock{base: tree.Time(now.Nano()), origin: time.Now()}, nil
}

// now is the present, never 0.
func (c *clock) now() tree.Time { return max(c.base+tree.Time(time.Since(c.origin)), 1) }

// clockStep is how far the wall clock has to move for the times of the tree to
// be told anew. Below it the same time is told in the same way every time.
const clockStep = 10 * time.Millisecond

// wall is a time of the tree's on the wall clock.
func (c *clock) wall(at tree.Time) time.Time {
	zero := time.Now().Add(-time.Duration(c.now()))
	if zero.Sub(c.zero).Abs() > clockStep {
		c.zero = zero.Round(0)
	}
	return c.zero.Add(time.Duration(at)).UTC()
}

// told is a time as it crosses the socket: in whole microseconds.
func told(at time.Time) time.Time { return at.Truncate(time.Microsecond) }
