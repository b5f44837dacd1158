package process

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// Who cannot be looked at for want of a descriptor is not taken for gone.
func TestSightWithoutDescriptors(t *testing.T) {
	sleeper, err := os.StartProcess("/bin/sleep", []string{"sleep", "1000"}, &os.ProcAttr{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = sleeper.Kill()
		_, _ = sleeper.Wait()
	}()
	id, err := Identify(sleeper.Pid)
	if err != nil {
		t.Fatal(err)
	}
	looks := map[string]func(r *Reaper) bool{ // each says that nobody is there
		"stat":     func(r *Reaper) bool { _, err := r.sight.stat(sleeper.Pid); return err != nil },
		"children": func(r *Reaper) bool { return len(r.sight.childrenOf(os.Getpid())) == 0 },
		"unit":     func(r *Reaper) bool { return r.sight.unit(sleeper.Pid) == "" },
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
	g := &group{number: sleeper.Pid, leader: id}
	kept := &child{group: *g}
	there, _ := kept.fits(-1)
	if _, err := kept.executed(); err == nil || !there || !id.Lives() || !g.led() || g.replaced() {
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
