package ipc

import (
	"context"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// peer is who opened a connection, as the kernel noted it then.
type peer struct {
	uid   uint32
	known bool
}

type peerKey struct{}

func peerOf(conn *net.UnixConn) peer {
	raw, err := conn.SyscallConn()
	if err != nil {
		return peer{}
	}
	var p peer
	err = raw.Control(func(fd uintptr) {
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			p = peer{uid: cred.Uid, known: true}
		}
	})
	if err != nil {
		return peer{}
	}
	return p
}

// may says whether the peer may speak: only the daemon's own user and root.
func (p peer) may() bool {
	return p.known && (p.uid == 0 || int(p.uid) == os.Geteuid())
}

func withPeer(ctx context.Context, p peer) context.Context {
	return context.WithValue(ctx, peerKey{}, p)
}

func peerFrom(ctx context.Context) peer {
	p, _ := ctx.Value(peerKey{}).(peer)
	return p
}

// PIDNamespace is the number of this process's pid namespace, as the link
// /proc/self/ns/pid has it; 0 where that cannot be read.
func PIDNamespace() uint64 {
	var st unix.Stat_t
	if unix.Stat("/proc/self/ns/pid", &st) != nil {
		return 0
	}
	return st.Ino
}
