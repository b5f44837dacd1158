package process_test

import (
	"os"
	"syscall"
	"testing"

	"coppice/supervisor/process"
	"coppice/supervisor/trampoline"
)

// BenchmarkBare is the floor: fork, exec and wait for a child, nothing else.
func BenchmarkBare(b *testing.B) {
	program := quickProgram(b)
	attr := &syscall.ProcAttr{Files: []uintptr{0, 1, 2}, Sys: &syscall.SysProcAttr{Setsid: true}}
	for b.Loop() {
		pid, err := syscall.ForkExec(program, []string{program}, attr)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := syscall.Wait4(pid, nil, 0, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCycle is one child after the other: from Start to its Exited.
func BenchmarkCycle(b *testing.B) {
	w := newWorld(b)
	c := process.Command{Argv: []string{quickProgram(b)}}
	for b.Loop() {
		ref, _ := w.start(c)
		w.exited(ref)
	}
}

// BenchmarkBurst is a hundred children at once, as after a mass death: from the
// first Start to the last Exited.
func BenchmarkBurst(b *testing.B) {
	w := newWorld(b)
	c := process.Command{Argv: []string{quickProgram(b)}}
	for b.Loop() {
		for range 100 {
			w.Start(w.ref(), c)
		}
		for ended := 0; ended < 100; {
			if _, ok := w.next().(process.Exited); ok {
				ended++
			}
		}
	}
}

// BenchmarkTrampoline is BenchmarkCycle for a child that is set up by a trampoline, and
// BenchmarkNoNewPrivs for one that only has no_new_privs, which takes a thread and no
// trampoline.
func BenchmarkTrampoline(b *testing.B) {
	mask := 0o022
	benchmarkStart(b, process.Command{Setup: &trampoline.Spec{Umask: &mask}})
}

func BenchmarkNoNewPrivs(b *testing.B) { benchmarkStart(b, process.Command{NoNewPrivs: true}) }

func benchmarkStart(b *testing.B, c process.Command) {
	w := newWorld(b)
	c.Argv = []string{quickProgram(b)}
	for b.Loop() {
		ref, _ := w.start(c)
		w.exited(ref)
	}
}

// BenchmarkLives is what it costs to find out of one process whether it is the one that
// was started, and lives: a new daemon asks that of each child.
func BenchmarkLives(b *testing.B) {
	id, err := process.Identify(os.Getpid())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if !id.Lives() {
			b.Fatal("this process does not live")
		}
	}
}
