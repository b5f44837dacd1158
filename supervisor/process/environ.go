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

// appendEnviron is readEnviron of this moment.
func appendEnviron(pid int, buffer []byte) ([]byte, error) {
	fd, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/environ", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return buffer, err
	}
	defer unix.Close(fd)
	for {
		buffer = slices.Grow(buffer, environBytes/4)
		n, err := unix.Read(fd, buffer[len(buffer):cap(buffer)])
		if err == unix.EINTR {
			continue
		}
		if err != nil || n <= 0 {
			return buffer, err
		}
		buffer = buffer[:len(buffer)+n]
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
