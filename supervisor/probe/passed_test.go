package probe_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"coppice/supervisor/probe"
	"coppice/tree"
)

// pipeEnd is the write end of a pipe, to be passed, and how to see that nobody has a copy
// of it any more.
func pipeEnd(t *testing.T) (fd int, gone func() bool) {
	t.Helper()
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(ends[0]) })
	return ends[1], func() bool {
		n, err := unix.Read(ends[0], make([]byte, 1))
		return n == 0 && err == nil
	}
}

// kept is a hub whose incarnation may leave descriptors.
func kept(t *testing.T, limit int) (h *hub, address string, all func() []probe.Passed) {
	t.Helper()
	h = newHub(t)
	passed := make(chan probe.Passed, 2000)
	h.Keep(api, limit, func(p probe.Passed) { passed <- p })
	return h, h.open(api), func() (list []probe.Passed) {
		h.Drain(api)
		for len(passed) > 0 {
			list = append(list, <-passed)
		}
		return list
	}
}

// What is to be stored is passed on with its name; what is to be removed, without
// descriptors; all else is closed.
func TestPassed(t *testing.T) {
	long := strings.Repeat("n", 255)
	for _, c := range []struct {
		text string
		want string // NAME NUMBER FOREVER
	}{
		{"FDSTORE=1", "stored 1 false"},
		{"FDSTORE=1\nFDNAME=web", "web 1 false"},
		{"FDNAME=a b\nFDSTORE=1\nREADY=1", "a b 1 false"},
		{"FDSTORE=1\nFDNAME=", " 1 false"},
		{"FDSTORE=1\nFDNAME=a:b", "stored 1 false"},
		{"FDSTORE=1\nFDNAME=gr\u00fcn", "stored 1 false"},
		{"FDSTORE=1\nFDNAME=a\tb", "stored 1 false"},
		{"FDSTORE=1\nFDNAME=" + long, long + " 1 false"},
		{"FDSTORE=1\nFDNAME=n" + long, "stored 1 false"},
		{"FDSTORE=1\nFDPOLL=0", "stored 1 true"},
		{"FDSTORE=1\nFDPOLL=1", "stored 1 false"},
		{"FDSTORE=0", ""},
		{"FDNAME=web", ""},
		{"READY=1", ""},
		{"", ""},
		{"FDSTOREREMOVE=1", ""},
		{"FDSTOREREMOVE=1\nFDNAME=a:b", ""},
		{"FDSTOREREMOVE=1\nFDNAME=web", "web 0 false"},
		{"FDSTOREREMOVE=1\nFDSTORE=1\nFDNAME=web", "web 0 false"},
	} {
		h, address, all := kept(t, 1)
		h.SetPID(api, os.Getpid())
		fd, gone := pipeEnd(t)
		if err := send(address, []byte(c.text), []int{fd}); err != nil {
			t.Fatal(err)
		}
		unix.Close(fd)
		var got string
		for _, p := range all() {
			if p.Ref != api {
				t.Errorf("%q is %v's", c.text, p.Ref)
			}
			got += fmt.Sprintf("%s %d %v", p.Name, len(p.FDs), p.Forever)
			for _, fd := range p.FDs {
				if gone() {
					t.Errorf("%q: it is closed", c.text)
				}
				unix.Close(fd)
			}
		}
		if got != c.want {
			t.Errorf("%q: passed %q, want %q", c.text, got, c.want)
		}
		if !gone() {
			t.Errorf("%q: somebody has it still", c.text)
		}
		h.Cancel(api)
	}
}

// To store nothing means nothing.
func TestNothingPassed(t *testing.T) {
	h, address, all := kept(t, 1)
	h.SetPID(api, os.Getpid())
	if err := send(address, []byte("FDSTORE=1\nFDNAME=web"), nil); err != nil {
		t.Fatal(err)
	}
	if got := all(); len(got) > 0 {
		t.Errorf("passed %+v", got)
	}
}

// Before the process is known only so many are held as it may leave; a stranger's are
// closed then, and those of one who is never known.
func TestPassedEarly(t *testing.T) {
	for _, who := range []string{"own", "stranger", "nobody", "closed"} {
		h, address, all := kept(t, 3)
		var gones []func() bool
		for range 100 {
			fd, gone := pipeEnd(t)
			gones = append(gones, gone)
			if err := send(address, []byte("FDSTORE=1"), []int{fd}); err != nil {
				t.Fatal(err)
			}
			unix.Close(fd)
			h.Drain(api)
		}
		held := 0
		for _, gone := range gones {
			if !gone() {
				held++
			}
		}
		want := 0
		switch who {
		case "own":
			h.SetPID(api, os.Getpid())
			want = 3
		case "stranger":
			h.SetPID(api, start(t, "wait", "", "").Process.Pid)
		case "nobody":
			h.Cancel(api)
		case "closed":
			h.Close()
		}
		got := 0
		for _, p := range all() {
			got += len(p.FDs)
			for _, fd := range p.FDs {
				unix.Close(fd)
			}
		}
		if held != 3 || got != want {
			t.Errorf("%s: %d were held and %d passed, want %d", who, held, got, want)
		}
		for i, gone := range gones {
			if !gone() {
				t.Errorf("%s: somebody has descriptor %d still", who, i)
			}
		}
	}
}

// A socket that would hold up who closes it last does not.
func TestDiscardDoesNotLinger(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	copied, err := unix.Dup(fd)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(copied)
	if err := unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1, Linger: 1000}); err != nil {
		t.Fatal(err)
	}
	probe.Discard(fd)
	if l, err := unix.GetsockoptLinger(copied, unix.SOL_SOCKET, unix.SO_LINGER); err != nil || l.Onoff != 0 {
		t.Errorf("%+v, %v", l, err)
	}
}

// FuzzStore sends anything with a descriptor: it is passed on under a name that
// LISTEN_FDNAMES can have, or closed.
func FuzzStore(f *testing.F) {
	for _, seed := range []string{"FDSTORE=1", "FDSTORE=1\nFDNAME=web", "FDNAME=:\nFDSTORE=1", "FDSTOREREMOVE=1\nFDNAME=x", "FDSTORE=1\x00\nFDPOLL=0", "READY=1"} {
		f.Add([]byte(seed), uint8(1), true)
	}
	n, err := probe.NewNotify(func(probe.Said) {})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(n.Close)
	generation := tree.Generation(0)
	f.Fuzz(func(t *testing.T, data []byte, count uint8, early bool) {
		generation++
		ref := tree.Ref{ID: "api", Generation: generation}
		n.Keep(ref, 5, func(p probe.Passed) {
			if len(p.Name) > 255 || strings.ContainsFunc(p.Name, func(r rune) bool { return r < ' ' || r > '~' || r == ':' }) {
				t.Errorf("the name %q", p.Name)
			}
			for _, fd := range p.FDs {
				probe.Discard(fd)
			}
		})
		address, _, err := n.Open(ref, os.Geteuid())
		if err != nil {
			t.Fatal(err)
		}
		if !early {
			n.SetPID(ref, os.Getpid())
		}
		fd, gone := pipeEnd(t)
		fds := make([]int, min(int(count), 253))
		for i := range fds {
			fds[i] = fd
		}
		if err := send(address, data[:min(len(data), 60_000)], fds); err != nil {
			t.Fatal(err)
		}
		unix.Close(fd)
		n.Drain(ref)
		n.SetPID(ref, os.Getpid())
		n.Cancel(ref)
		if !gone() {
			t.Errorf("%q with %d: somebody has it still", data, len(fds))
		}
	})
}
