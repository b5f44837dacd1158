package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// afterwards is how long a supervisor may go on to work when the last child is up; what it computes until then
// belongs to what happened.
const afterwards = 200 * time.Millisecond

// crowd takes the measures of one life, each in its own time, and tells of each before. It returns the one that failed.
func (l *life) crowd(ctx context.Context, measures []measure, about func(measure)) (measure, error) {
	within := func(m measure) error {
		about(m)
		ctx, cancel := context.WithTimeoutCause(ctx, l.options.limit, errTime)
		defer cancel()
		return l.measure(ctx, m)
	}
	if measures[0] != measureUp { // whoever is to be measured has to be there
		note := l.note
		l.note = func(string, float64) {}
		if err := within(measureUp); err != nil {
			return measures[0], err
		}
		l.note = note
	}
	for _, m := range measures {
		if err := within(m); err != nil {
			return m, err
		}
	}
	if measures[len(measures)-1] == measureStop {
		return "", nil
	}
	last := measures[len(measures)-1]
	ctx, cancel := context.WithTimeoutCause(ctx, l.options.limit, errTime)
	defer cancel()
	return last, l.run.stop(ctx)
}

// measure takes one measure of a life with a crowd.
func (l *life) measure(ctx context.Context, m measure) error {
	switch m {
	case measureUp:
		return l.up(ctx)
	case measureMemory:
		return l.memory(ctx)
	case measureIdle:
		return l.idle(ctx)
	case measureRestart:
		return l.restart(ctx)
	case measureControl:
		return l.commands(ctx)
	case measureMass:
		return l.mass(ctx)
	case measureDaemon:
		return l.daemon(ctx)
	case measureStop:
		return l.stop(ctx)
	}
	return fmt.Errorf("%s is not measured in a crowd", m)
}

// up waits for all children. It is there in every life, measured or not.
func (l *life) up(ctx context.Context) error {
	fresh, err := l.wait(ctx, len(l.latest))
	if err != nil {
		return err
	}
	first, last := fresh[0].ns, fresh[0].ns
	for _, s := range fresh {
		first, last = min(first, s.ns), max(last, s.ns)
	}
	l.note("first-last", milliseconds(first, last))
	l.note("start-last", milliseconds(l.began, last))
	return nil
}

// memory notes what the supervisor takes a while after bring-up.
func (l *life) memory(ctx context.Context) error {
	pids, err := l.run.supervisors() // to be asked for them is work, too
	if err != nil {
		return err
	}
	if err := pause(ctx, l.options.rest); err != nil {
		return err
	}
	f := measureFootprint(pids)
	l.note("pss", f.pss)
	l.note("processes", float64(f.processes))
	l.note("threads", float64(f.threads))
	l.note("fds", float64(f.fds))
	return nil
}

// idle notes what the supervisor computes when nothing happens, for a time and scaled to 30 s.
func (l *life) idle(ctx context.Context) error {
	pids, err := l.run.supervisors()
	if err != nil {
		return err
	}
	if err := pause(ctx, 2*l.options.rest); err != nil { // the question itself has been work
		return err
	}
	before := measureEffort(pids)
	if err := pause(ctx, l.options.idle); err != nil {
		return err
	}
	spent := measureEffort(pids).less(before)
	scale := float64(30*time.Second) / float64(l.options.idle)
	l.note("cpu", float64(spent.cpu.Microseconds())/1000*scale)
	l.note("switches", float64(spent.switches)*scale)
	return nil
}

// mass kills all children at once and waits until all are back.
func (l *life) mass(ctx context.Context) error {
	if err := l.settle(ctx); err != nil {
		return err
	}
	pids, err := l.run.supervisors()
	if err != nil {
		return err
	}
	before, at := measureEffort(pids), now()
	for i, c := range l.latest {
		if err := c.kill(); err != nil {
			return fmt.Errorf("child %d, pid %d: %w", i, c.pid, err)
		}
	}
	fresh, err := l.wait(ctx, len(l.latest))
	if err != nil {
		return err
	}
	last := int64(0)
	for _, s := range fresh {
		last = max(last, s.ns)
	}
	if err := pause(ctx, afterwards); err != nil {
		return err
	}
	l.note("back", milliseconds(at, last))
	l.note("cpu", float64(measureEffort(pids).less(before).cpu.Microseconds())/1000)
	return nil
}

// stop has the supervisor stop everything and notes when the last child was dead. The children's pidfds are opened before,
// and waited for one after the other, so that this process is woken up as seldom as can be.
func (l *life) stop(ctx context.Context) error {
	if err := l.settle(ctx); err != nil { // supervise is deaf for a second after a start
		return err
	}
	var fds []int
	defer func() {
		for _, fd := range fds {
			_ = unix.Close(fd)
		}
	}()
	for i, c := range l.latest {
		fd, err := unix.PidfdOpen(c.pid, 0)
		if err != nil {
			return os.NewSyscallError("pidfd_open of child "+strconv.Itoa(i), err)
		}
		fds = append(fds, fd)
	}
	at, stopped := now(), make(chan error, 1)
	go func() { stopped <- l.run.stop(ctx) }()
	for i, fd := range fds {
		for dead := false; !dead; {
			if ctx.Err() != nil {
				return fmt.Errorf("child %d of %d lives: %w", i, len(fds), context.Cause(ctx))
			}
			n, _ := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 100)
			dead = n > 0
		}
	}
	l.note("dead", milliseconds(at, now()))
	if err := <-stopped; err != nil {
		return err
	}
	l.note("gone", milliseconds(at, now()))
	return nil
}
