package supervisor

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"coppice/supervisor/probe"
	"coppice/tree"
)

var leaver = tree.Ref{ID: "api", Generation: 1}

// memory makes a descriptor of its own.
func memory(t *testing.T) int {
	t.Helper()
	fd, err := unix.MemfdCreate("stored", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

// leave stores descriptors, and says whether all were.
func leave(s *fdStore, limit int, name string, fds ...int) bool {
	return s.pass(probe.Passed{Ref: leaver, Name: name, FDs: fds}, limit)
}

// given are the names that the next incarnation is told.
func given(t *testing.T, s *fdStore) string {
	t.Helper()
	passed, env, err := s.give(leaver.ID)
	if err != nil {
		t.Fatal(err)
	}
	passed.Close()
	if env == nil {
		return ""
	}
	return strings.TrimPrefix(env[0], "LISTEN_FDS=") + " " + strings.TrimPrefix(env[1], "LISTEN_FDNAMES=")
}

// Descriptors come back in the order in which they were left, also those of one name.
func TestStore(t *testing.T) {
	s := newFDStore(&keeping{})
	if got := given(t, s); got != "" {
		t.Errorf("of nothing %s is given", got)
	}
	for _, name := range []string{"web", "admin", "web", "", "a b"} {
		leave(s, 5, name, memory(t))
	}
	if got := given(t, s); got != "5 web:admin:web::a b" {
		t.Errorf("given %s", got)
	}
	if got := given(t, s); got != "5 web:admin:web::a b" {
		t.Errorf("the second time %s", got)
	}
	leave(s, 5, "nobody")
	leave(s, 5, "web")
	if got := given(t, s); got != "3 admin::a b" {
		t.Errorf("after a removal %s", got)
	}
	if s.cut(leaver.ID, 1); given(t, s) != "1 admin" {
		t.Errorf("after a cut %s", given(t, s))
	}
	if s.release(leaver.ID); given(t, s) != "" || s.count(leaver.ID) != 0 || len(s.nodes()) != 0 {
		t.Error("something is left")
	}
}

// What is too much is closed and told; what was stored before is no more.
func TestStoreIsFull(t *testing.T) {
	s := newFDStore(&keeping{})
	fd, over := memory(t), memory(t)
	if !leave(s, 2, "a", fd, memory(t)) {
		t.Error("two are too much for two")
	}
	again, err := unix.Dup(fd)
	if err != nil {
		t.Fatal(err)
	}
	if !leave(s, 2, "b", again) || s.count(leaver.ID) != 2 {
		t.Error("what is stored already is refused, or stored again")
	}
	if leave(s, 2, "c", over) || s.count(leaver.ID) != 2 {
		t.Error("a third one is not refused")
	}
	for _, fd := range []int{again, over} {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != unix.EBADF {
			t.Errorf("a descriptor that was not kept is open: %v", err)
		}
	}
	told := 0
	keep := s.keeper(2, func() { told++ })
	for range 3 {
		keep(probe.Passed{Ref: leaver, FDs: []int{memory(t)}})
	}
	if told != 1 {
		t.Errorf("told %d times that there were too many", told)
	}
}

// A connection that was hung up makes room, and is not given back, unless that is wanted.
func TestHungUpIsDropped(t *testing.T) {
	for _, forever := range []bool{false, true} {
		s := newFDStore(&keeping{})
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		s.pass(probe.Passed{Ref: leaver, Name: "talk", FDs: pair[:1], Forever: forever}, 1)
		if given(t, s) != "1 talk" {
			t.Errorf("while it stands given %q", given(t, s))
		}
		unix.Close(pair[1])
		want := map[bool]string{false: "", true: "1 talk"}[forever]
		if got := given(t, s); got != want {
			t.Errorf("FDPOLL=0 %v: given %q", forever, got)
		}
		if leave(s, 1, "next", memory(t)) == forever {
			t.Errorf("FDPOLL=0 %v: the next one is stored: %v", forever, !forever)
		}
	}
}

// Another daemon takes over what its keeper has, in the same order.
func TestStoreIsRestored(t *testing.T) {
	s := newFDStore(&keeping{})
	for i, name := range []string{"web", "", "a b", strings.Repeat("n", 255), "web"} {
		s.pass(probe.Passed{Ref: leaver, Name: name, FDs: []int{memory(t)}, Forever: i == 2}, 9)
	}
	k := &keeping{held: map[string]int{"lock": 0, "stored": 0, "stored x y poll z": 0}}
	var names []string
	s.each(func(kept string, fd int) {
		k.held[kept] = fd
		names = append(names, kept)
	})
	next := newFDStore(k)
	next.restore()
	if !slices.Equal(next.all[leaver.ID], s.all[leaver.ID]) || next.last != s.last || len(k.held) != 3 {
		t.Errorf("restored %+v of %q, left is %v", next.all, names, k.held)
	}
	for _, name := range names {
		if len(name) > 400 {
			t.Errorf("the keeper does not take a name of %d bytes", len(name))
		}
	}
}

// Two descriptors of one open file are the same, two files of one kind are not.
func TestSameFile(t *testing.T) {
	a, b := memory(t), memory(t)
	defer unix.Close(a)
	defer unix.Close(b)
	again, err := unix.Dup(a)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(again)
	if sameFile(a, b) || !sameFile(a, again) {
		t.Errorf("two files are one: %v, one is one: %v", sameFile(a, b), sameFile(a, again))
	}
}
