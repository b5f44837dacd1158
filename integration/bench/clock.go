package main

import (
	"time"

	"golang.org/x/sys/unix"
)

// now is CLOCK_MONOTONIC in nanoseconds, the clock that children look at, too.
func now() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err) // there is no such Linux
	}
	return ts.Nano()
}

// cpuClock is how long a process has computed, all its threads together, those that are gone included; by the
// scheduler's own account, in nanoseconds. Other than /proc's it is not rounded to hundredths.
func cpuClock(pid int) time.Duration {
	var ts unix.Timespec
	const scheduler = 2 // CPUCLOCK_SCHED in linux/posix-timers.h
	if err := unix.ClockGettime(int32(^pid<<3|scheduler), &ts); err != nil {
		return 0 // it is gone
	}
	return time.Duration(ts.Nano())
}

// milliseconds between two readings of now.
func milliseconds(from, to int64) float64 { return float64(to-from) / 1e6 }
