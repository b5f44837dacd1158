package process

import (
	"bytes"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// environBytes is the room that most environments fit in; more is made where it is
// needed.
const environBytes = 16 << 10

// In the middle of an execve(2) a process has no environment for some microseconds,
// more if it has to wait for a processor.
const (
	execPause = 100 * time.Microsecond
	execLooks = 50
)

// readEnviron appends the environment that a process was executed with to buffer,
// NUL behind each variable; nothing and why, if it cannot be read. See
// proc_pid_environ(5). There is none only if the process ran the same program before and
// after it was looked for: the address behind it is another one with each execve(2).
func readEnviron(pid int, buffer []byte) ([]byte, error) {
	var before int64
	for range execLooks {
		environ, err := appendEnviron(pid, buffer)
		if err != nil || len(environ) > len(buffer) {
			return environ, err
		}
		s, err := readStat(pid)
		switch {
		case err != nil, s.size == 0, s.envEnd != 0 && s.envEnd == before:
			return environ, err
		case s.envEnd == 0:
			time.Sleep(execPause)
		}
		before = s.envEnd
	}
	return buffer, nil
}

// appendEnviron is readEnviron of this moment. It is all in one read(2), for a descriptor
// reads of the program that ran when it was opened, and nothing any more after that one.
func appendEnviron(pid int, buffer []byte) ([]byte, error) {
	for room := environBytes / 4; ; room *= 4 {
		buffer = slices.Grow(buffer, room)
		n, err := readOnce("/proc/"+strconv.Itoa(pid)+"/environ", buffer[len(buffer):cap(buffer)])
		if err != nil || n < cap(buffer)-len(buffer) {
			return buffer[:len(buffer)+max(n, 0)], err
		}
	}
}

// readOnce reads the beginning of a file.
func readOnce(path string, buffer []byte) (n int, err error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	for {
		if n, err = unix.Read(fd, buffer); err != unix.EINTR {
			return n, err
		}
	}
}

// unitVariable returns the value of UnitVariable in an environment, the first as
// for getenv(3); empty if there is none.
func unitVariable(environ []byte) string {
	name := []byte(UnitVariable + "=")
	for len(environ) > 0 {
		at := bytes.Index(environ, name)
		if at < 0 {
			return ""
		}
		if at == 0 || environ[at-1] == 0 {
			value, _, _ := bytes.Cut(environ[at+len(name):], []byte{0})
			return string(value)
		}
		environ = environ[at+len(name):]
	}
	return ""
}
