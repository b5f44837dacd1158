package main

import (
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// floor is its children, by their place in the job and by pid.
type floor struct {
	commands [][]string
	pids     []int // 0: does not run
	child    map[int]int
	null     *os.File
	out      *os.File
	environ  []string
	ending   bool
	serial   bool
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "floor:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	job, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	out, err := os.OpenFile(args[1], os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	f := &floor{child: map[int]int{}, null: null, out: out, environ: os.Environ(), serial: len(args) > 2}
	for line := range strings.Lines(string(job)) {
		f.commands = append(f.commands, strings.Fields(line))
	}
	f.pids = make([]int, len(f.commands))
	ends, term := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(ends, syscall.SIGCHLD)
	signal.Notify(term, syscall.SIGTERM)
	for i := range f.commands {
		if err := f.start(i); err != nil {
			return err
		}
	}
	for !f.ending || len(f.child) > 0 {
		select {
		case <-ends:
			if err := f.reap(); err != nil {
				return err
			}
		case <-term:
			f.stop()
		}
	}
	return nil
}

func (f *floor) start(i int) error {
	files := []uintptr{f.null.Fd(), f.out.Fd(), f.out.Fd()}
	pid, err := syscall.ForkExec(f.commands[i][0], f.commands[i], &syscall.ProcAttr{Env: f.environ, Files: files})
	if err != nil {
		return err
	}
	f.pids[i], f.child[pid] = pid, i
	return nil
}

// reap takes all ends that there are, and starts again who ended.
func (f *floor) reap() error {
	for {
		pid, _ := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		if pid <= 0 {
			return nil
		}
		i := f.child[pid]
		delete(f.child, pid)
		f.pids[i] = 0
		switch {
		case !f.ending:
			if err := f.start(i); err != nil {
				return err
			}
		case f.serial:
			f.stopLast()
		}
	}
}

func (f *floor) stop() {
	f.ending = true
	if f.serial {
		f.stopLast()
		return
	}
	for _, pid := range f.pids {
		if pid > 0 {
			_ = syscall.Kill(pid, syscall.SIGTERM)
		}
	}
}

// stopLast stops the last child that runs.
func (f *floor) stopLast() {
	for i := len(f.pids) - 1; i >= 0; i-- {
		if f.pids[i] > 0 {
			_ = syscall.Kill(f.pids[i], syscall.SIGTERM)
			return
		}
	}
}
