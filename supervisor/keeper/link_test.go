package keeper

import (
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestNilLink(t *testing.T) {
	var l *Link
	check(t, l.Put("a", 0))
	check(t, l.Upgrade(0, "a"))
	l.Drop("a")
	l.Claimed()
	l.Taken(Exit{})
	l.Run(nil)
	if l.Held() != nil || l.Exits() != nil || l.Keeper() != 0 || l.HangUpIgnored() {
		t.Error("a link that is none knows something")
	}
}

// A keeper that does not read keeps nobody waiting; in the end it reads everything,
// in order, though the descriptors were closed long ago.
func TestLinkToADeafKeeper(t *testing.T) {
	ours, theirs, err := socketPair()
	check(t, err)
	defer unix.Close(ours)
	for _, fd := range []int{ours, theirs} {
		check(t, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 1))
	}
	l := newLink(theirs, false)
	if l.Keeper() != os.Getpid() {
		t.Errorf("the keeper is %d", l.Keeper())
	}
	const many = 300
	for i := range many {
		fd, err := unix.MemfdCreate("x", unix.MFD_CLOEXEC)
		check(t, err)
		_, err = unix.Write(fd, fmt.Append(nil, i))
		check(t, err)
		check(t, l.Put(fmt.Sprint(i), fd))
		unix.Close(fd)
		l.Heard(syscall.Signal(1 + i%64))
	}
	var in inbox
	for i := range 2 * many {
		var m message
		var fds []int
		for err = unix.EAGAIN; err == unix.EAGAIN; m, fds, err = in.receive(ours) {
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(ours), Events: unix.POLLIN}}, -1)
		}
		check(t, err)
		if i%2 == 1 {
			if m.kind != msgHeard || m.number != uint64(1+i/2%64) {
				t.Fatalf("message %d is %v", i, m)
			}
			continue
		}
		text := make([]byte, 10)
		n, err := unix.Pread(fds[0], text, 0)
		check(t, err)
		if got := string(text[:n]); m.kind != msgPut || m.names[0] != got || got != fmt.Sprint(i/2) {
			t.Fatalf("message %d is %v with %q", i, m, got)
		}
		closeAll(fds)
	}
	check(t, l.file.Close())
	if _, _, err := in.receive(ours); err != io.EOF {
		t.Errorf("the end is %v", err)
	}
}
