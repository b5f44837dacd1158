package keeper

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// notifier speaks sd_notify(3) for the tree: the service's main process is the
// keeper. Without a path it is silent.
type notifier struct {
	path  string // NOTIFY_SOCKET: a path, or "@" and an abstract name
	ready bool   // READY=1 was sent
}

// tell passes on what the daemon has to say.
func (n *notifier) tell(m message) {
	switch m.kind {
	case msgReady:
		if !n.ready {
			n.ready = true
			n.notify("READY=1")
		}
	case msgStopping:
		n.notify("STOPPING=1")
	case msgStatus:
		n.notify("STATUS=" + strings.ReplaceAll(m.text, "\n", " "))
	}
}

// succeed says that this process is the main one now.
func (n *notifier) succeed() { n.notify("MAINPID=" + strconv.Itoa(os.Getpid())) }

// notify sends a datagram, unless that would wait. Nobody is told of a failure:
// the service manager sees that nothing came.
func (n *notifier) notify(line string) {
	if n.path == "" || n.path[0] != '/' && n.path[0] != '@' {
		return
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	_ = unix.Sendto(fd, []byte(line), unix.MSG_NOSIGNAL, &unix.SockaddrUnix{Name: n.path})
}
