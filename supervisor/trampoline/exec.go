package trampoline

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A program file that is being copied into place is waited for: see the same numbers
// in supervisor/process/spawn.go.
const (
	busyMin   = 5 * time.Millisecond
	busyTries = 7
)

// execute says that all is set up, installs the filter and executes the program. It
// returns only if that fails.
func (t *trampoline) execute() *Failure {
	files, f := t.files()
	if f != nil {
		return f
	}
	for _, name := range t.PIDVariables {
		t.setenv(name, strconv.Itoa(os.Getpid()))
	}
	if _, err := unix.Write(t.status, []byte{Ready}); err != nil && !errors.Is(err, unix.EPIPE) {
		return fail("command", err, "cannot tell that all is set up")
	}
	if f := t.filter(); f != nil {
		return f
	}
	var first *Failure
	for _, file := range files {
		errno := t.exec(file)
		if first == nil {
			first = &Failure{Key: "command", Errno: int(errno), File: file}
		}
		if errno != syscall.EACCES && errno != syscall.ENOENT {
			break // execvp(3) goes on after these two only
		}
	}
	return first
}

// exec returns only if it fails. The soft limit of descriptors, which Go has raised for
// itself, is lowered again by it.
func (t *trampoline) exec(file string) syscall.Errno {
	pause := busyMin
	for try := 1; ; try++ {
		err := syscall.Exec(file, t.Argv, t.Env)
		if err != syscall.ETXTBSY || try == busyTries {
			return errnoOf(err)
		}
		time.Sleep(pause)
		pause *= 2
	}
}

// defaultPath is where programs are looked up if a child has no PATH.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// files are those that the program may mean, the best first, as for execvp(3).
func (t *trampoline) files() ([]string, *Failure) {
	if len(t.Argv) == 0 || t.Argv[0] == "" {
		return nil, fail("command", nil, "cannot execute: the command is empty")
	}
	program := t.Argv[0]
	if strings.Contains(program, "/") {
		return []string{program}, nil
	}
	path := defaultPath
	for _, variable := range t.Env {
		if value, ok := strings.CutPrefix(variable, "PATH="); ok {
			path = value
			break
		}
	}
	var files, plain []string // plain: nobody may execute it
	for directory := range strings.SplitSeq(path, ":") {
		if directory == "" {
			directory = "."
		}
		file := directory + "/" + program
		info, err := os.Stat(file)
		switch {
		case err != nil || info.IsDir():
		case info.Mode()&0o111 != 0:
			files = append(files, file)
		default:
			plain = append(plain, file)
		}
	}
	if files == nil && plain != nil {
		return plain[:1], nil // it fails, and why is told
	}
	if files == nil {
		return nil, &Failure{
			Key: "command", Errno: int(syscall.ENOENT),
			Cause: fmt.Sprintf("cannot execute %q: no such program; looked in %s", program, path),
		}
	}
	return files, nil
}

// filter forbids system calls. Nothing but exec comes after it, and what the runtime of
// Go may want meanwhile.
func (t *trampoline) filter() *Failure {
	if len(t.Filter) == 0 {
		return nil
	}
	program := make([]unix.SockFilter, len(t.Filter))
	for i, in := range t.Filter {
		program[i] = unix.SockFilter{Code: in.Code, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	header := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	_, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&header)))
	if errno != 0 {
		return fail("syscalls", errno, "cannot restrict its system calls")
	}
	return nil
}
