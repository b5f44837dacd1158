package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// failure is why a command was not executed: one sentence for a person, the
// system's reason (0 where the system was not asked), and the key of the tree file
// that it is about ("" where none is).
type failure struct {
	Cause string
	Errno syscall.Errno
	Key   string
}

// causes are the reasons that need no look at the files.
var causes = map[syscall.Errno]string{
	syscall.EAGAIN: "no more processes are allowed (the limits: pids.max of the cgroup, ulimit -u of the user, " +
		"kernel.threads-max and kernel.pid_max of the system)",
	syscall.ENOMEM: "there is not enough memory (or the pid namespace has ended)",
	syscall.EMFILE: "the daemon has no descriptor left (the limit: ulimit -n, LimitNOFILE= in systemd)",
	syscall.ENFILE: "the system has no descriptor left (the limit: fs.file-max)",
	syscall.E2BIG: "the argument list is too long: arguments and environment together may have a quarter " +
		"of the stack limit (ulimit -s, at most 6 MiB), and each of them 128 KiB",
	syscall.ETXTBSY:      "its file is open for writing (is it being copied?)",
	syscall.ELOOP:        "its path has too many symbolic links",
	syscall.ENAMETOOLONG: "its path is too long",
	syscall.EIO:          "its file cannot be read: input/output error",
	syscall.ELIBBAD:      "its interpreter is not a program for this machine",
}

// explain says in words why a command could not be executed by this file. The
// system gives one number for many reasons and two places (the directory and the
// program), so the file system is looked at to tell them apart.
func explain(c *Command, file string, err error) failure {
	var errno syscall.Errno
	errors.As(err, &errno)
	if cause := directoryFault(c); cause != "" && aboutPaths(errno) {
		return failure{fmt.Sprintf("cannot enter the directory %q: %s", c.Dir, cause), errno, "dir"}
	}
	switch {
	case c.User == nil || c.switched:
	case errno == syscall.EPERM && hasCapabilities(within(c.Dir, file)):
	case errno == syscall.EPERM:
		return failure{fmt.Sprintf("cannot switch to %s: operation not permitted (that takes root, or CAP_SETUID and CAP_SETGID)",
			c.userName()), errno, "user"}
	case errno == syscall.EINVAL && !hasNUL(c):
		return failure{fmt.Sprintf("cannot switch to %s: this user namespace does not have it", c.userName()), errno, "user"}
	}
	name := fmt.Sprintf("%q", c.Argv[0])
	if file != c.Argv[0] {
		name += " (" + file + ")"
	}
	return failure{"cannot execute " + name + ": " + programFault(c, file, errno, err), errno, "command"}
}

// notFound is the failure of a program that no directory of the path has.
func notFound(program, path string) failure {
	return failure{fmt.Sprintf("cannot execute %q: no such program; looked in %s", program, path), syscall.ENOENT, "command"}
}

// nullFault is why a child cannot have /dev/null for its standard input: most often, a
// first process has not made the devices.
func nullFault(c *Command, err error) failure {
	var errno syscall.Errno
	errors.As(err, &errno)
	if causes[errno] != "" {
		return explain(c, c.Argv[0], err)
	}
	return failure{
		fmt.Sprintf("cannot open %s for its standard input: %s (mount devtmpfs on /dev, or make the device: mknod -m 666 %s c 1 3)",
			os.DevNull, reason(err), os.DevNull), errno, "",
	}
}

// aboutPaths says whether a reason can be the fault of a directory.
func aboutPaths(errno syscall.Errno) bool {
	switch errno {
	case syscall.ENOENT, syscall.ENOTDIR, syscall.EACCES, syscall.ELOOP, syscall.ENAMETOOLONG, syscall.EIO:
		return true
	}
	return false
}

// directoryFault says what is wrong with the child's directory, if anything.
func directoryFault(c *Command) string {
	if c.Dir == "" {
		return ""
	}
	info, err := os.Stat(c.Dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "it does not exist"
	case errors.Is(err, syscall.ENOTDIR), err == nil && !info.IsDir():
		return "it is not a directory"
	case err != nil:
		return reason(err)
	case closedAt(c.Dir+"/.", c.User) != "":
		return fmt.Sprintf("no permission (%s may not enter %s)", userOf(c.User), closedAt(c.Dir+"/.", c.User))
	}
	return ""
}

// programFault says what is wrong with the program.
func programFault(c *Command, file string, errno syscall.Errno, err error) string {
	path := within(c.Dir, file)
	switch errno {
	case syscall.ENOENT, syscall.ENOTDIR:
		return missing(c, file, path)
	case syscall.EACCES:
		return forbidden(c, path)
	case syscall.EPERM:
		if hasCapabilities(path) {
			return "operation not permitted: its file has capabilities (getcap tells them) that it may not have here"
		}
	case syscall.ENOEXEC:
		return unknownFormat(path)
	case syscall.EINVAL:
		if hasNUL(c) {
			return "an argument, a variable or a path has a NUL byte"
		}
	}
	if cause := causes[errno]; cause != "" {
		return cause
	}
	return reason(err)
}

// missing explains ENOENT and ENOTDIR: the file, a directory on the way to it,
// what a link points to, or the interpreter that the file asks for.
func missing(c *Command, file, path string) string {
	if _, err := os.Stat(path); err == nil {
		if interpreter := interpreterOf(path); interpreter != "" {
			return wantsInterpreter(interpreter) + ", which does not exist" + carriageReturn(interpreter)
		}
		return "something that it needs to be loaded does not exist"
	}
	if target, err := os.Readlink(path); err == nil {
		return fmt.Sprintf("it is a link to %q, which does not exist", target)
	}
	if !filepath.IsAbs(file) {
		return "no such file; looked in " + orHere(c.Dir)
	}
	for parent := filepath.Dir(path); ; parent = filepath.Dir(parent) {
		info, err := os.Stat(parent)
		switch {
		case err != nil:
			continue
		case !info.IsDir():
			return "no such file; " + parent + " is not a directory"
		case parent != filepath.Dir(path):
			return "no such file; " + parent + " has no " + firstBelow(parent, path)
		}
		return "no such file"
	}
}

// firstBelow returns the name that follows parent on the way to path.
func firstBelow(parent, path string) string {
	rest := strings.TrimPrefix(strings.TrimPrefix(path, parent), "/")
	name, _, _ := strings.Cut(rest, "/")
	return name
}

// orHere names a child's directory.
func orHere(dir string) string {
	if dir != "" {
		return dir
	}
	here, err := os.Getwd()
	if err != nil {
		return "the daemon's directory"
	}
	return here
}

// forbidden explains EACCES.
func forbidden(c *Command, path string) string {
	who := userOf(c.User)
	if closed := closedAt(path, c.User); closed != "" {
		return fmt.Sprintf("no permission: %s may not enter %s", who, closed)
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return reason(err)
	case info.IsDir():
		return "it is a directory"
	case !info.Mode().IsRegular():
		return "it is not a regular file"
	case info.Mode()&0o111 == 0:
		return "it is not executable (chmod +x makes it so)"
	case !who.mayExecute(info):
		return fmt.Sprintf("no permission: %s may not execute it (its mode is %#o)", who, info.Mode().Perm())
	case isNoexec(path):
		return "it is on a file system that is mounted noexec"
	}
	if interpreter := interpreterOf(path); interpreter != "" {
		return wantsInterpreter(interpreter) + ", which it has no permission to execute"
	}
	return "no permission"
}

// isNoexec says whether nothing on the file's file system may be executed.
func isNoexec(path string) bool {
	var stat unix.Statfs_t
	return unix.Statfs(path, &stat) == nil && stat.Flags&unix.MS_NOEXEC != 0
}

// unknownFormat explains ENOEXEC.
func unknownFormat(path string) string {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.Size() == 0:
		return "its file is empty"
	case isELF(path):
		return "exec format error: it is a program for another machine, or damaged"
	}
	return "exec format error: it is neither a program for this machine nor a script that begins with #!"
}

// hasCapabilities says whether a file gives capabilities to whoever executes it: it cannot
// be executed where one of them is out of reach, see capabilities(7).
func hasCapabilities(path string) bool {
	size, err := unix.Getxattr(path, "security.capability", nil)
	return err == nil && size > 0
}

// hasNUL says whether a string of the command cannot be given to exec.
func hasNUL(c *Command) bool {
	for _, strs := range [][]string{c.Argv, c.Env, {c.Dir}} {
		for _, s := range strs {
			if strings.ContainsRune(s, 0) {
				return true
			}
		}
	}
	return false
}

// reason is the system's own word, without the path that the sentence has already.
func reason(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}
