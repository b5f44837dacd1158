package trampoline

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// ExitCode is that of a trampoline that could not execute the program.
const ExitCode = 125

// Ready is what goes through the pipe before the program is executed.
const Ready = '.'

// Program is the file to execute: the one that this process executes.
const Program = "/proc/self/exe"

// variable tells a process of ours that it is a trampoline: the descriptors of the
// Spec and of the pipe.
const variable = "COPPICE_TRAMPOLINE"

// Variable returns the variable of a trampoline that has its Spec and its pipe in these
// descriptors.
func Variable(spec, status int) string { return fmt.Sprintf("%s=%d:%d", variable, spec, status) }

// Is says whether an environment, NUL behind each variable, is that of a trampoline.
func Is(environ []byte) bool {
	for entry := range bytes.SplitSeq(environ, []byte{0}) {
		if bytes.HasPrefix(entry, []byte(variable+"=")) {
			return true
		}
	}
	return false
}

// Pack writes a Spec into a memory file, from which a trampoline reads it.
func Pack(s *Spec) (*os.File, error) {
	fd, err := unix.MemfdCreate("trampoline", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("cannot make a memory file: %w", err)
	}
	file := os.NewFile(uintptr(fd), "trampoline")
	if err := json.NewEncoder(file).Encode(s); err != nil {
		file.Close()
		return nil, fmt.Errorf("cannot write down what is to be set up: %w", err)
	}
	return file, nil
}

// init is the role; it never returns from it.
func init() {
	if role := os.Getenv(variable); role != "" {
		os.Exit(bounce(role))
	}
}

// bounce sets up and executes, or tells why not.
func bounce(role string) int {
	debug.SetGCPercent(-1) // it lives for a moment, and nothing is to come between filter and exec
	first, second, _ := strings.Cut(role, ":")
	spec, err1 := strconv.Atoi(first)
	status, err2 := strconv.Atoi(second)
	if err1 != nil || err2 != nil {
		fmt.Fprintln(os.Stderr, "coppice: "+variable+" is coppice's own, and not to be set")
		return ExitCode
	}
	syscall.CloseOnExec(spec)
	syscall.CloseOnExec(status)
	t := &trampoline{status: status}
	failure := t.read(spec)
	if failure == nil {
		failure = t.run()
	}
	t.tell(failure)
	return ExitCode
}

// trampoline is one on its way.
type trampoline struct {
	Spec
	status  int      // where is told how it went
	secrets [][]byte // what the files of Secrets have in them
}

func (t *trampoline) read(fd int) *Failure {
	file := os.NewFile(uintptr(fd), "spec")
	defer file.Close()
	if _, err := file.Seek(0, 0); err != nil {
		return fail("command", err, "cannot read what is to be set up")
	}
	if err := json.NewDecoder(file).Decode(&t.Spec); err != nil {
		return fail("command", err, "cannot read what is to be set up")
	}
	return nil
}

// tell writes a failure into the pipe, and to stderr if nobody reads the pipe any more.
func (t *trampoline) tell(f *Failure) {
	text, err := json.Marshal(f)
	if err == nil {
		_, err = unix.Write(t.status, text)
	}
	if err != nil {
		cause := f.Cause
		if cause == "" {
			cause = fmt.Sprintf("cannot execute %q: %v", t.Argv[0], syscall.Errno(f.Errno))
		}
		fmt.Fprintln(os.Stderr, "coppice: "+cause)
	}
}

// fail is a Failure of a step: what could not be done, and the system's reason.
func fail(key string, err error, format string, args ...any) *Failure {
	f := &Failure{Key: key, Cause: fmt.Sprintf(format, args...)}
	if err != nil {
		f.Cause += ": " + reason(err)
		f.Errno = int(errnoOf(err))
	}
	return f
}
