package probe

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"coppice/tree"
)

// socket is where one incarnation's processes send their messages, or the pipe into
// which it writes a newline.
type socket struct {
	ref     tree.Ref
	number  int32 // by which epoll reports it
	fd      int
	address string
	uid     int // that the process runs as
	pid     int // of its main process, 0 while unknown
	held    []message
	pipe    bool // … is a pipe
	ended   bool // nobody can write to the pipe any more
	ready   bool
	told    Told
	strange bool // a stranger was reported
	keeping keeping
	dog     watchdog
	// span is what the process has chosen for its watchdog, 0: nothing; spans is how
	// often that was told, and spanning that it waits to be told.
	span     time.Duration
	spans    int
	spanning bool
	extend   tree.Time // the last wish for more time
	// extending: it waits to be told.
	extending bool
}

// newAddress makes a name that nobody can guess.
func newAddress() string {
	var name [16]byte
	rand.Read(name[:])
	return "@coppice-" + hex.EncodeToString(name[:])
}

// listen binds a datagram socket that is told who sends.
func listen(address string) (int, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, err
	}
	err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PASSCRED, 1)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrUnix{Name: address})
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// copySocket makes an own descriptor of a socket that somebody has kept, and
// closes theirs.
func copySocket(kept *os.File) (fd int, address string, err error) {
	defer kept.Close()
	if fd, err = unix.FcntlInt(kept.Fd(), unix.F_DUPFD_CLOEXEC, 3); err != nil {
		return -1, "", err
	}
	name, err := unix.Getsockname(fd)
	bound, ok := name.(*unix.SockaddrUnix)
	if err != nil || !ok {
		unix.Close(fd)
		return -1, "", errors.Join(err, errors.New("it is not a socket with a name"))
	}
	return fd, bound.Name, unix.SetNonblock(fd, true)
}
