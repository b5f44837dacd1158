package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// What a chatter writes: lines of lineBytes, so many in a write of blockBytes.
const (
	lineBytes  = 100
	blockBytes = 4096
	rotateAt   = 16 << 20 // bytes of a full log file, where a peer can be told
)

// chatterJob is one child that writes up to megabytes in writes of chunk bytes, for a time at most, once gate is opened.
func chatterJob(dir, program, stamps, gate string, megabytes, chunk int, most time.Duration) job {
	return job{
		dir: dir,
		children: crowd(1, program, stamps, gate, strconv.Itoa(megabytes), strconv.Itoa(chunk),
			strconv.FormatInt(most.Milliseconds(), 10)),
		output: &output{size: rotateAt, keep: megabytes*1_000_000/rotateAt + 2},
	}
}

// chatter opens the gate and notes how fast the child could write and what that cost the supervisor; and, after a
// graceful stop, how many lines are lost and how many are there twice. Meanwhile it calls during, if there is any.
func (l *life) chatter(ctx context.Context, gate string, during func(context.Context) error) error {
	if err := l.stamps.wait(ctx, 1, l.over()); err != nil {
		return err
	}
	if err := pause(ctx, afterwards); err != nil { // what a supervisor computes for its own start is over
		return err
	}
	pids, err := l.run.supervisors()
	if err != nil {
		return err
	}
	before := measureEffort(pids)
	if err := open(ctx, gate); err != nil {
		return err
	}
	if during != nil {
		if err := during(ctx); err != nil {
			return err
		}
	}
	if err := l.stamps.wait(ctx, 3, l.over()); err != nil {
		return err
	}
	begin, end := l.stamps.all[1], l.stamps.all[2]
	lines, seconds := end.id, milliseconds(begin.ns, end.ns)/1000
	spent := quiet(ctx, pids).less(before)
	gigabytes := float64(lines*lineBytes) / 1e9
	l.note("rate", gigabytes*1000/seconds)
	if during == nil { // else those that were killed are not in the sum
		l.note("cpu", spent.cpu.Seconds()/gigabytes)
	}
	if err := l.run.stop(ctx); err != nil {
		return err
	}
	return l.count(lines)
}

// open opens a FIFO for writing once somebody has it open for reading, which lets that one go on.
func open(ctx context.Context, gate string) error {
	for {
		fd, err := unix.Open(gate, unix.O_WRONLY|unix.O_NONBLOCK, 0)
		if err == nil {
			return unix.Close(fd)
		}
		if !errors.Is(err, unix.ENXIO) {
			return os.NewSyscallError("open", err)
		}
		if err := pause(ctx, pollEvery); err != nil {
			return fmt.Errorf("the child does not come up: %w", err)
		}
	}
}

// quiet waits until the supervisor has nothing to do any more, and returns what it has done in all.
func quiet(ctx context.Context, pids []int) effort {
	const look, little = 100 * time.Millisecond, time.Millisecond
	last := measureEffort(pids)
	for pause(ctx, look) == nil {
		e := measureEffort(pids)
		if e.less(last).cpu < little {
			return e
		}
		last = e
	}
	return last
}

// count notes what has become of the lines.
func (l *life) count(lines int) error {
	files, err := l.run.logs()
	if err != nil {
		return err
	}
	c := newCensus(lines)
	if err := c.readFiles(files); err != nil {
		return err
	}
	l.note("lost", float64(c.lost()))
	l.note("doubled", float64(c.doubled))
	return nil
}

// killMeanwhile kills the daemon some times while the child writes.
func killMeanwhile(m mortal) func(context.Context) error {
	const kills, between = 5, 150 * time.Millisecond
	return func(ctx context.Context) error {
		for range kills {
			if err := pause(ctx, between); err != nil {
				return err
			}
			if _, err := killDaemon(m); err != nil {
				return err
			}
			if err := m.answers(ctx); err != nil {
				return err
			}
		}
		return nil
	}
}
