package ipc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// lockName is the file in the state folder whose flock says that a daemon has
// the folder. It holds the daemon's pid as text and is never removed.
const lockName = "lock"

// takeLock locks the folder for this process or says who has it.
func takeLock(f *folder) (*os.File, error) {
	fd, err := unix.Openat(f.fd, lockName, unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot open the lock in %s: %w", f.path, err)
	}
	lock := os.NewFile(uintptr(fd), lockName)
	if err := claim(f, lock); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}

func claim(f *folder, lock *os.File) error {
	if err := checkLock(f, int(lock.Fd())); err != nil {
		return err
	}
	err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return &HeldError{Dir: f.path, PID: holder(lock)}
	}
	if err != nil {
		return fmt.Errorf("cannot lock %s: %w", f.path, err)
	}
	return sign(f, lock)
}

// sign writes this process's pid into a lock that is held.
func sign(f *folder, lock *os.File) error {
	if err := lock.Truncate(0); err != nil {
		return fmt.Errorf("cannot write the lock in %s: %w", f.path, err)
	}
	if _, err := lock.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil {
		return fmt.Errorf("cannot write the lock in %s: %w", f.path, err)
	}
	return nil
}

// checkLock refuses a planted lock: a hard link to somebody's file would be
// overwritten.
func checkLock(f *folder, fd int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fmt.Errorf("cannot use the lock in %s: %w", f.path, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || int(st.Uid) != os.Geteuid() || st.Nlink != 1 {
		return fmt.Errorf("cannot use the lock in %s: it is not a plain file of uid %d; move it away", f.path, os.Geteuid())
	}
	return nil
}

// holder reads the pid in a lock that is held. Its owner may be between taking
// the lock and writing the pid, so a little patience is in order.
func holder(lock *os.File) int {
	for range 50 {
		text := make([]byte, 32)
		n, _ := lock.ReadAt(text, 0) // io.EOF is the rule here
		pid, err := strconv.Atoi(string(bytes.TrimSpace(text[:n])))
		if err == nil && pid > 0 {
			return pid
		}
		time.Sleep(2 * time.Millisecond)
	}
	return 0
}

// dropLock empties the lock, so that nobody reads a pid that is not ours any
// more, and gives it back.
func dropLock(lock *os.File) error {
	return errors.Join(lock.Truncate(0), lock.Close())
}
