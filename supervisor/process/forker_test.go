package process

import (
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
)

// listing has a shell show what it has open, on a pipe, and returns that.
func listing(t *testing.T, f *forker) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	out := w.Fd()
	attr := &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{null.Fd(), out, out, closed, out}, Sys: &syscall.SysProcAttr{Setsid: true}}
	done := f.order("/bin/sh", []string{"sh", "-c", "cd /proc/self/fd && echo *"}, attr)
	w.Close()
	if done.err != nil {
		t.Fatal(done.err)
	}
	text := make([]byte, 1000)
	n, _ := r.Read(text)
	if _, err := syscall.Wait4(done.pid, nil, 0, nil); err != nil {
		t.Error(err)
	}
	return strings.TrimSpace(string(text[:n]))
}

// A child of the forker has what it was given and nothing else, wherever the thread
// comes from.
func TestForker(t *testing.T) {
	for range 20 { // one of these may begin on the first thread
		f := startForker()
		if f == nil {
			t.Skip("this kernel, or a filter, has no pidfd_getfd(2)")
		}
		if got := listing(t, f); got != "0 1 2 3 4" { // 3 is what it looks with
			t.Errorf("the child has %s open", got)
		}
		f.end()
		runtime.Gosched()
	}
}

// A collection of garbage that begins on the forker's thread finds what the runtime needs
// there.
func TestForkerCollectsGarbage(t *testing.T) {
	f := startForker()
	if f == nil {
		t.Skip("this kernel, or a filter, has no pidfd_getfd(2)")
	}
	defer f.end()
	r, w, err := os.Pipe() // known to the runtime's poller
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	defer debug.SetGCPercent(debug.SetGCPercent(1))
	env := make([]string, 20_000) // what the fork makes of them is garbage, and made on that thread
	for i := range env {
		env[i] = "NAME=" + strings.Repeat("x", 40)
	}
	attr := &syscall.ProcAttr{Env: env, Files: []uintptr{0, 1, 2}, Sys: &syscall.SysProcAttr{}}
	for range 50 {
		if done := f.order("/nowhere", []string{"nowhere"}, attr); done.err != syscall.ENOENT {
			t.Fatalf("forked %+v", done)
		}
	}
}

// A descriptor that the process has not got is none that a child could get.
func TestForkerWithoutDescriptor(t *testing.T) {
	f := startForker()
	if f == nil {
		t.Skip("this kernel, or a filter, has no pidfd_getfd(2)")
	}
	defer f.end()
	attr := &syscall.ProcAttr{Files: []uintptr{0, 1, 1 << 20}, Sys: &syscall.SysProcAttr{}}
	if done := f.order("/bin/true", []string{"true"}, attr); !done.unable || done.err != syscall.EBADF {
		t.Errorf("forked %+v", done)
	}
}
