package ipc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// SocketName is the name of the socket in a state folder.
const SocketName = "sock"

// Listener is the daemon's socket and its hold on the state folder.
type Listener struct {
	*net.UnixListener
	folder *folder
	lock   *os.File
	once   sync.Once // guards the removal of the socket
}

// Listen takes the lock of the state folder, which it creates if need be,
// removes the socket of a daemon that died and binds a new one with mode 0600.
// When another daemon has the folder the error is a *HeldError.
func Listen(stateDir string) (*Listener, error) {
	f, err := makeFolder(stateDir)
	if err != nil {
		return nil, err
	}
	lock, err := takeLock(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	l, err := bind(f)
	if err != nil {
		err = fmt.Errorf("cannot listen at %s: %w", filepath.Join(f.path, SocketName), err)
		return nil, errors.Join(err, dropLock(lock), f.Close())
	}
	return &Listener{UnixListener: l, folder: f, lock: lock}, nil
}

// Inherit goes on with the lock and the socket of a daemon that has died, from
// whoever kept them. A socket whose name is gone from the folder, or is another
// one's by now, is made anew. Both files are the listener's from now on.
func Inherit(stateDir string, lock, socket *os.File) (*Listener, error) {
	f, err := openFolder(filepath.Clean(stateDir))
	if err != nil {
		return nil, fmt.Errorf("cannot use the state folder %s: %w", stateDir, err)
	}
	// A full disk must not end what is kept: an old pid in the lock misleads
	// nobody but who is refused by it.
	_ = sign(f, lock)
	defer socket.Close() // the listener has a copy of its own
	if f.hasSocket() {
		if l, err := net.FileListener(socket); err == nil {
			return &Listener{UnixListener: l.(*net.UnixListener), folder: f, lock: lock}, nil
		}
	}
	l, err := bind(f)
	if err != nil {
		err = fmt.Errorf("cannot listen at %s: %w", filepath.Join(f.path, SocketName), err)
		return nil, errors.Join(err, f.Close())
	}
	return &Listener{UnixListener: l, folder: f, lock: lock}, nil
}

// hasSocket says whether the socket's name still leads to a socket. That it is ours follows from the lock: nobody else binds there.
func (f *folder) hasSocket() bool {
	var st unix.Stat_t
	err := unix.Fstatat(f.fd, SocketName, &st, unix.AT_SYMLINK_NOFOLLOW)
	return err == nil && st.Mode&unix.S_IFMT == unix.S_IFSOCK
}

// Lock is the lock's descriptor: whoever has a copy of it holds the folder. It
// stays the listener's.
func (l *Listener) Lock() *os.File { return l.lock }

// Close ends the listening and removes the socket; the folder stays locked.
func (l *Listener) Close() error {
	err := net.ErrClosed
	l.once.Do(func() {
		err = errors.Join(l.UnixListener.Close(), unix.Unlinkat(l.folder.fd, SocketName, 0))
	})
	return err
}

// Abandon ends the listening here and leaves the socket where it is: another
// process, which has a copy, goes on with it.
func (l *Listener) Abandon() {
	l.once.Do(func() { _ = l.UnixListener.Close() }) // nothing was written
}

// FD calls f with the socket's descriptor, which stays the listener's.
func (l *Listener) FD(f func(fd int)) error {
	raw, err := l.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(func(fd uintptr) { f(int(fd)) })
}

// Release ends the listening and gives the state folder back. It is the last
// thing a daemon does.
func (l *Listener) Release() error {
	err := l.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	return errors.Join(err, dropLock(l.lock), l.folder.Close())
}

func bind(f *folder) (*net.UnixListener, error) {
	if err := removeStale(f); err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot make a socket: %w", err)
	}
	file := os.NewFile(uintptr(fd), SocketName)
	defer file.Close() // net.FileListener has its own copy
	if err := bindPrivately(f, fd); err != nil {
		return nil, err
	}
	if err := unix.Listen(fd, unix.SOMAXCONN); err != nil {
		return nil, err
	}
	l, err := net.FileListener(file)
	if err != nil {
		return nil, err
	}
	return l.(*net.UnixListener), nil
}

// bindPrivately gives the socket's own inode its mode before it has a name:
// bind makes the file with that mode less the umask, so there is no moment in
// which others could connect, and no umask to change under other threads.
func bindPrivately(f *folder, fd int) error {
	if err := unix.Fchmod(fd, 0o600); err != nil {
		return err
	}
	err := f.within(SocketName, func(name string) error {
		return unix.Bind(fd, &unix.SockaddrUnix{Name: name})
	})
	if err != nil {
		return err
	}
	return unix.Fchmodat(f.fd, SocketName, 0o600, 0) // a umask may have taken our own bits
}

// removeStale removes what a daemon that died left. The lock is ours, so no
// daemon listens there.
func removeStale(f *folder) error {
	var st unix.Stat_t
	err := unix.Fstatat(f.fd, SocketName, &st, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFSOCK || int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("what is there is not a socket of uid %d; move it away", os.Geteuid())
	}
	return unix.Unlinkat(f.fd, SocketName, 0)
}

// dial connects to a daemon's socket. Nobody there is ErrNoDaemon.
func dial(ctx context.Context, path string) (*os.File, error) {
	f, err := openFolder(filepath.Dir(path))
	if err != nil {
		return nil, dialFault(path, err)
	}
	defer f.Close()
	if err := checkSocket(f, filepath.Base(path)); err != nil {
		return nil, dialFault(path, err)
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, dialFault(path, err)
	}
	err = f.within(filepath.Base(path), func(name string) error { return connect(ctx, fd, name) })
	if err != nil {
		_ = unix.Close(fd) // nothing was written
		return nil, dialFault(path, err)
	}
	// A file that does not block has all that is wanted of a connection, and asks
	// nothing about the ends of this one.
	return os.NewFile(uintptr(fd), path), nil
}

// connect waits for room in a full backlog, of which a Unix socket tells
// nothing but EAGAIN.
func connect(ctx context.Context, fd int, name string) error {
	for {
		err := unix.Connect(fd, &unix.SockaddrUnix{Name: name})
		if err != unix.EAGAIN && err != unix.EINTR {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// checkSocket refuses to speak to a socket that another user planted. Root may
// speak to everybody's daemon, and everybody to root's as far as root lets
// them.
func checkSocket(f *folder, name string) error {
	var st unix.Stat_t
	if err := unix.Fstatat(f.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return errors.New("it is not a socket")
	}
	if us := os.Geteuid(); us != 0 && st.Uid != 0 && int(st.Uid) != us {
		return fmt.Errorf("uid %d owns it, not uid %d", st.Uid, us)
	}
	return nil
}

func dialFault(path string, err error) error {
	for _, nobody := range []error{unix.ENOENT, unix.ENOTDIR, unix.ECONNREFUSED} {
		if errors.Is(err, nobody) {
			return ErrNoDaemon
		}
	}
	if errors.Is(err, unix.EACCES) {
		return fmt.Errorf("cannot reach the daemon at %s: permission denied; only its user and root may", path)
	}
	return fmt.Errorf("cannot reach the daemon at %s: %w", path, err)
}
