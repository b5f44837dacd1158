package trampoline

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// secretMax is the size of a secret; environMax that of one in the environment, which
// the kernel limits (MAX_ARG_STRLEN, execve(2)).
const (
	secretMax  = 1 << 20
	environMax = 128<<10 - 256
)

func (t *trampoline) hasFiles() bool {
	return slices.ContainsFunc(t.Secrets, func(s Secret) bool { return s.As == "file" })
}

// readSecrets reads all secrets while that is permitted and their paths mean what they
// mean to the daemon.
func (t *trampoline) readSecrets() *Failure {
	for _, s := range t.Secrets {
		content, err := readSecret(s.File)
		if err != nil {
			return fail("secret."+s.Name, err, "cannot read the secret %s from %s", s.Name, s.File)
		}
		if s.As == "env" {
			content = bytes.TrimSuffix(content, []byte("\n")) // which an editor has put there
			if len(content) > environMax || bytes.IndexByte(content, 0) >= 0 {
				return fail("secret."+s.Name, nil, "the secret %s cannot be a variable: it is too long or has a NUL byte (say as = \"file\")", s.Name)
			}
		}
		t.secrets = append(t.secrets, content)
	}
	return nil
}

func readSecret(path string) ([]byte, error) {
	// Without O_NONBLOCK, opening a FIFO waits for who writes to it.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("it is not a regular file")
	}
	content, err := io.ReadAll(io.LimitReader(file, secretMax+1))
	if err == nil && len(content) > secretMax {
		err = fmt.Errorf("it is bigger than 1 MiB")
	}
	return content, err
}

// mountSecrets puts secrets into files that only the child's user may read, on a file
// system that only the child's namespace has and that is never swapped out as a file.
func (t *trampoline) mountSecrets() *Failure {
	cannot := func(err error) *Failure { return fail("secret", err, "cannot put secrets into %s", credentials) }
	flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC)
	if err := unix.Mount("tmpfs", credentials, "tmpfs", flags, "mode=755"); err != nil {
		return cannot(err)
	}
	for i, s := range t.Secrets {
		if s.As != "file" {
			continue
		}
		path := credentials + "/" + s.Name
		if err := os.WriteFile(path, t.secrets[i], 0o400); err != nil {
			return cannot(err)
		}
		if t.User != nil {
			if err := os.Chown(path, t.User.UID, t.User.GID); err != nil {
				return cannot(err)
			}
		}
		t.setenv(s.Name, path)
	}
	t.setenv("CREDENTIALS_DIRECTORY", credentials)
	if err := unix.Mount("", credentials, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|flags, ""); err != nil {
		return cannot(err)
	}
	return nil
}

// giveSecrets gives the others: a descriptor of a memory file that nobody can change, or
// a variable. It comes after the switch of users, so that a memory file is the child's.
func (t *trampoline) giveSecrets() *Failure {
	for i, s := range t.Secrets {
		switch s.As {
		case "env":
			t.setenv(s.Name, string(t.secrets[i]))
		case "fd":
			fd, err := seal(s.Name, t.secrets[i])
			if err != nil {
				return fail("secret."+s.Name, err, "cannot give it the secret %s as a descriptor", s.Name)
			}
			t.setenv(s.Name, fmt.Sprintf("/proc/self/fd/%d", fd))
		}
	}
	return nil
}

// seal makes a memory file that can only be read, and that exec does not close.
func seal(name string, content []byte) (int, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_ALLOW_SEALING)
	if err != nil {
		return -1, err
	}
	for written := 0; written < len(content); {
		n, err := unix.Write(fd, content[written:])
		if err != nil {
			return -1, err
		}
		written += n
	}
	if err := unix.Fchmod(fd, 0o400); err != nil {
		return -1, err
	}
	if _, err := unix.Seek(fd, 0, io.SeekStart); err != nil {
		return -1, err
	}
	_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS,
		unix.F_SEAL_SEAL|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_WRITE)
	return fd, err
}

// setenv sets a variable of the child.
func (t *trampoline) setenv(name, value string) {
	t.Env = slices.DeleteFunc(t.Env, func(v string) bool { return strings.HasPrefix(v, name+"=") })
	t.Env = append(t.Env, name+"="+value)
}
