package procfs

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// EnvironBytes is the room that most environments fit in; more is made where it is
// needed.
const EnvironBytes = 16 << 10

// In the middle of an execve(2) a process has no environment for some microseconds,
// more if it has to wait for a processor.
const (
	execPause = 100 * time.Microsecond
	execLooks = 50
)

// ErrExecuting is the error of Environ of a process that has been in the middle of an
// execve(2) for some milliseconds: it has an environment, which cannot be seen now.
var ErrExecuting = errors.New("it is executing another program")

// Environ appends the environment that a process was executed with to buffer, NUL behind
// each variable; nothing and why, an errno or ErrExecuting, if it cannot be read. Who has ended and is a
// zombie has none, nor has a thread of the kernel. Of others there is none only if they ran
// the same program before and after it was looked for: the address behind it is another
// one with each execve(2).
func Environ(pid int, buffer []byte) ([]byte, error) {
	var before int64
	for range execLooks {
		environ, err := appendEnviron(pid, buffer)
		if err != nil || len(environ) > len(buffer) {
			return environ, err
		}
		m, err := readMemory(pid)
		switch {
		case err != nil, m.size == 0, m.executed && m.envEnd == before:
			return environ, err
		case m.executed:
			before = m.envEnd
		default:
			time.Sleep(execPause)
		}
	}
	return buffer, ErrExecuting
}

// Variable returns the value of a variable in an environment, the first as for getenv(3);
// empty if there is none.
func Variable(environ []byte, name string) string {
	start := []byte(name + "=")
	for len(environ) > 0 {
		at := bytes.Index(environ, start)
		if at < 0 {
			return ""
		}
		if at == 0 || environ[at-1] == 0 {
			value, _, _ := bytes.Cut(environ[at+len(start):], []byte{0})
			return string(value)
		}
		environ = environ[at+len(start)-1:] // not at the beginning of a variable
	}
	return ""
}

// appendEnviron is Environ of this moment. It is all in one read(2), for a descriptor
// reads of the program that ran when it was opened, and nothing any more after that one.
func appendEnviron(pid int, buffer []byte) ([]byte, error) {
	for room := EnvironBytes / 4; ; room *= 4 {
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

// memory is what /proc/PID/stat tells of the memory of a process, if its environment may be
// read.
type memory struct {
	size int64 // 0: it is a zombie, or a thread of the kernel
	// executed says that its last execve(2) is complete: where its code ends is written down
	// when arguments and environment are there. An environment of which not all is there may
	// look like an empty one.
	executed bool
	envEnd   int64 // the address behind its environment
}

// The fields that are read, counted as in proc_pid_stat(5) and behind the name, which is
// field 2.
const (
	fieldSize    = 23 - 3
	fieldEndCode = 27 - 3
	fieldEnvEnd  = 51 - 3
)

// statMax is more than a line of /proc/PID/stat can have: 52 numbers and a name.
const statMax = 2048

func readMemory(pid int) (memory, error) {
	var line [statMax]byte
	n, err := readOnce("/proc/"+strconv.Itoa(pid)+"/stat", line[:])
	if err != nil {
		return memory{}, err
	}
	fields := bytes.Fields(line[bytes.LastIndexByte(line[:n], ')')+1 : n])
	if len(fields) <= fieldEnvEnd {
		return memory{}, unix.EINVAL
	}
	var m memory
	if m.size, err = strconv.ParseInt(string(fields[fieldSize]), 10, 64); err == nil {
		m.envEnd, err = strconv.ParseInt(string(fields[fieldEnvEnd]), 10, 64)
	}
	m.executed = string(fields[fieldEndCode]) != "0"
	return m, err
}
