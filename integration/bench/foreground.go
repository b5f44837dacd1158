package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// foreground is a supervisor that runs as a child of the bench until it is asked to stop: what most
// peers are. A run may embed it, and has all of run but what it must say itself.
type foreground struct {
	job  job
	argv []string
	env  []string // beside the job's
	// ask is the signal that makes it stop its children and end.
	ask  syscall.Signal
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

func (f *foreground) start(context.Context) error {
	out, err := os.Create(f.job.path("supervisor.out"))
	if err != nil {
		return err
	}
	defer out.Close()
	f.cmd = exec.Command(f.argv[0], f.argv[1:]...)
	f.cmd.Dir, f.cmd.Stdout, f.cmd.Stderr = f.job.dir, out, out
	f.cmd.Env = append(f.job.environ(), f.env...)
	f.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for the bench
	if err := f.cmd.Start(); err != nil {
		f.cmd = nil
		return err
	}
	f.done = make(chan struct{})
	go func() {
		_ = f.cmd.Wait() // how it ended is nobody's concern
		close(f.done)
	}()
	return nil
}

// over is closed when the supervisor has ended.
func (f *foreground) over() <-chan struct{} { return f.done }

// said is the end of what the supervisor printed, for an error.
func (f *foreground) said() string {
	const most = 300
	b, _ := os.ReadFile(f.job.path("supervisor.out"))
	return string(b[max(0, len(b)-most):])
}

func (f *foreground) supervisors() ([]int, error) {
	all := family(f.cmd.Process.Pid)
	if len(all) == 0 {
		return nil, fmt.Errorf("it has ended: %q", f.said())
	}
	return all, nil
}

func (f *foreground) pids(seen []int) ([]int, error) { return seen, nil }

func (f *foreground) stop(ctx context.Context) error {
	if err := f.cmd.Process.Signal(f.ask); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return f.ended(ctx)
}

// ended waits until it has.
func (f *foreground) ended(ctx context.Context) error {
	select {
	case <-f.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("it does not end: %w", context.Cause(ctx))
	}
}

func (f *foreground) kill() {
	if f.cmd == nil {
		return
	}
	select {
	case <-f.done:
	default:
		killAll(family(f.cmd.Process.Pid))
		<-f.done
	}
}

func (f *foreground) control() *control { return nil }

func (f *foreground) logs() ([]string, error) { return nil, nil }
