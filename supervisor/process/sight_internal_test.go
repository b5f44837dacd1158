package process

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// Who cannot be looked at for want of a descriptor is not taken for gone.
func TestSightWithoutDescriptors(t *testing.T) {
	child, err := os.StartProcess("/bin/sleep", []string{"sleep", "1000"}, &os.ProcAttr{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = child.Kill()
		_, _ = child.Wait()
	}()
	id, err := Identify(child.Pid)
	if err != nil {
		t.Fatal(err)
	}
	looks := map[string]func(r *Reaper) bool{ // each says that nobody is there
		"stat":     func(r *Reaper) bool { _, err := r.sight.stat(child.Pid); return err != nil },
		"children": func(r *Reaper) bool { return len(r.sight.childrenOf(os.Getpid())) == 0 },
		"unit":     func(r *Reaper) bool { return r.sight.unit(child.Pid) == "" },
		"members":  func(r *Reaper) bool { return len(r.members(unix.Getpgrp())) == 0 },
	}
	defer withoutDescriptors(t)()
	for name, look := range looks {
		r := &Reaper{}
		if r.sure(func() bool { return look(r) }) {
			t.Errorf("%s: nobody is there for sure", name)
		}
		if r.census != nil {
			t.Errorf("%s: what was not seen is remembered", name)
		}
	}
	g := &group{number: child.Pid, leader: id}
	if !id.Lives() || !g.led() || g.replaced() || !isTrampoline(child.Pid) {
		t.Error("who cannot be looked at has ended, or has become somebody else")
	}
}

// withoutDescriptors takes the free descriptors of this process away, until what it
// returns is called. A test that has them taken must not run beside another.
func withoutDescriptors(t *testing.T) (back func()) {
	t.Helper()
	var limit unix.Rlimit
	if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, nil, &limit); err != nil {
		t.Fatal(err)
	}
	none := unix.Rlimit{Cur: 0, Max: limit.Max}
	if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, &none, nil); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, &limit, nil); err != nil {
			t.Fatal(err)
		}
	}
}
