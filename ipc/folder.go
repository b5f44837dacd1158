package ipc

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// folder is a state folder held by a descriptor: whatever happens to its path
// later, its files are found, and the length of the path does not matter.
type folder struct {
	path string
	fd   int // O_PATH
}

// MakeFolder creates a state folder, mode 0700, where there is none, and
// refuses one that others own or may write.
func MakeFolder(path string) error {
	f, err := makeFolder(path)
	if err != nil {
		return err
	}
	return f.Close()
}

func makeFolder(path string) (*folder, error) {
	path = filepath.Clean(path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("cannot create the state folder: %w", err)
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("cannot create the state folder: %w", err)
	}
	f, err := openFolder(path)
	if err != nil {
		return nil, fmt.Errorf("cannot use the state folder %s: %w", path, err)
	}
	if err := f.checkOurs(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// openFolder refuses a symbolic link in the last place: whoever may write the
// folder above could exchange it under the daemon.
func openFolder(path string) (*folder, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		var st unix.Stat_t
		if unix.Lstat(path, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFLNK {
			return nil, errors.New("it is a symbolic link; name the folder itself")
		}
		return nil, err
	}
	return &folder{path: path, fd: fd}, nil
}

func (f *folder) Close() error { return unix.Close(f.fd) }

func (f *folder) checkOurs() error {
	var st unix.Stat_t
	if err := unix.Fstat(f.fd, &st); err != nil {
		return fmt.Errorf("cannot use the state folder %s: %w", f.path, err)
	}
	if int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("cannot use the state folder %s: uid %d owns it, not uid %d; use --state", f.path, st.Uid, os.Geteuid())
	}
	if st.Mode&0o022 != 0 {
		return fmt.Errorf("cannot use the state folder %s: others may write it (mode %04o); run `chmod go-w` on it", f.path, st.Mode&0o7777)
	}
	return nil
}

// within calls do with a name of f's entry that fits into a socket address.
func (f *folder) within(entry string, do func(name string) error) error {
	through := "/proc/self/fd/" + strconv.Itoa(f.fd)
	if _, err := os.Stat(through); err == nil {
		return do(through + "/" + entry)
	}
	return f.inside(func() error { return do(entry) })
}

// inside calls do on a thread of its own whose working folder is f. It serves
// where /proc is not mounted. The thread is not unlocked, so it ends with its
// goroutine and no other code runs in that folder.
func (f *folder) inside(do func() error) error {
	done := make(chan error, 1) // so that the goroutine never waits
	go func() {
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_FS); err != nil {
			done <- fmt.Errorf("cannot enter %s: %w", f.path, err)
			return
		}
		dot, err := unix.Openat(f.fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			done <- fmt.Errorf("cannot enter %s: %w", f.path, err)
			return
		}
		defer unix.Close(dot)
		if err := unix.Fchdir(dot); err != nil {
			done <- fmt.Errorf("cannot enter %s: %w", f.path, err)
			return
		}
		done <- do()
	}()
	return <-done
}
