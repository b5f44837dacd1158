package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// commandsMax is how often a command is run at most.
const commandsMax = 15

// commands measures what people wait for: the command line's own start, the status of all, a stop and a start of
// one child. Times are of whole processes, from the fork to the end.
func (l *life) commands(ctx context.Context) error {
	c := l.run.control()
	if c == nil {
		return nil
	}
	for _, plain := range []struct {
		metric string
		argv   []string
	}{{"bare", c.bare}, {"status", c.status}} {
		if plain.argv == nil {
			continue
		}
		err := l.repeat(ctx, func(took map[string][]float64) error {
			ms, err := l.time(ctx, c, plain.argv)
			took[plain.metric] = append(took[plain.metric], ms)
			return err
		})
		if err != nil {
			return err
		}
	}
	if c.stop == nil || c.start == nil {
		return nil
	}
	return l.repeat(ctx, func(took map[string][]float64) error { return l.stopAndStart(ctx, c, took) })
}

// repeat does something with a command some times and notes the medians of what it took.
func (l *life) repeat(ctx context.Context, once func(took map[string][]float64) error) error {
	took, end := map[string][]float64{}, now()+int64(l.options.budget)
	for i := 0; i < commandsMax && (i < enough || now() < end); i++ {
		if err := once(took); err != nil {
			return err
		}
		if err := pause(ctx, killPause); err != nil {
			return err
		}
	}
	for metric, ms := range took {
		l.note(metric, percentile(ms, 0.5))
	}
	return nil
}

// stopAndStart stops the child that has lived longest and starts it again: several peers let one that has just begun wait
// for either. Between both it waits until the child is dead: some commands only ask for it.
func (l *life) stopAndStart(ctx context.Context, c *control, took map[string][]float64) error {
	eldest, err := l.eldest(ctx)
	if err != nil {
		return err
	}
	name, victim := l.job.children[eldest].name, l.latest[eldest].pid
	ms, err := l.time(ctx, c, c.stop(name))
	if err != nil {
		return err
	}
	took["stop"] = append(took["stop"], ms)
	for alive(victim) {
		if err := pause(ctx, time.Millisecond); err != nil {
			return fmt.Errorf("%s, which was stopped, lives: %w", name, err)
		}
	}
	if err := pause(ctx, killPause); err != nil {
		return err
	}
	at := now()
	if ms, err = l.time(ctx, c, c.start(name)); err != nil {
		return err
	}
	fresh, err := l.wait(ctx, 1)
	if err != nil {
		return err
	}
	took["start"] = append(took["start"], ms)
	took["start-main"] = append(took["start-main"], milliseconds(at, fresh[0].ns))
	return nil
}

// time runs a command with its output to nowhere, and returns the milliseconds that it took.
func (l *life) time(ctx context.Context, c *control, argv []string) (float64, error) {
	complaint, err := os.Create(l.job.path("command.err")) // a pipe would want somebody who reads it meanwhile
	if err != nil {
		return 0, err
	}
	defer complaint.Close()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env, cmd.Stderr = c.dir, c.env, complaint
	at := now()
	err = cmd.Run()
	ms := milliseconds(at, now())
	if err != nil {
		said, _ := os.ReadFile(complaint.Name())
		return 0, fmt.Errorf("%v: %w %s", argv, err, said)
	}
	return ms, nil
}
