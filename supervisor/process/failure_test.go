package process_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"coppice/supervisor/process"
	"coppice/supervisor/trampoline"
	"coppice/tree"
)

// shop is a directory with everything in it that cannot be executed.
func shop(t *testing.T) string {
	t.Helper()
	dir := publicDir(t)
	write := func(name, content string, mode os.FileMode) {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("plain", "#!/bin/sh\n", 0o644)
	write("empty", "", 0o755)
	write("text", "echo hello\n", 0o755)
	write("python", "#!/usr/bin/python9 -u\n", 0o755)
	write("windows", "#!/bin/sh\r\necho\r\n", 0o755)
	write("toplain", "#! "+dir+"/plain\n", 0o755)
	write("foreign", elf(0xfeed, "\x90", ""), 0o755)
	write("musl", elf(62, "\x90", "/lib/ld-musl-x86_64.so.9"), 0o755)
	write("private/api", "#!/bin/sh\n", 0o755)
	write("mine", "#!/bin/sh\n", 0o700)
	write("path/plain", "#!/bin/sh\n", 0o644)
	write("path2/plain", "#!/nowhere\n", 0o755)
	write("folder/x", "", 0o644)
	for name, target := range map[string]string{"dangling": "nothing", "loop": "loop"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(dir, "private"), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// In these tables SHOP stands for the directory.
var failures = []struct {
	argv, dir, path string // argv is split at spaces
	user            uint32
	errno           syscall.Errno
	want            string
}{
	{argv: "", want: `cannot execute: the command is empty`},
	{
		argv: "no-such-api", path: "/usr/bin:/bin", errno: syscall.ENOENT,
		want: `cannot execute "no-such-api": no such program; looked in /usr/bin:/bin`,
	},
	{
		argv: "no-such-api", path: "-", errno: syscall.ENOENT,
		want: `cannot execute "no-such-api": no such program; looked in /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
	},
	{
		argv: "plain", path: "/nowhere:SHOP/path", errno: syscall.EACCES,
		want: `cannot execute "plain" (SHOP/path/plain): it is not executable (chmod +x makes it so)`,
	},
	{
		argv: "plain", path: "SHOP/path:SHOP/path2", errno: syscall.ENOENT,
		want: `cannot execute "plain" (SHOP/path2/plain): it asks for the interpreter "/nowhere", which does not exist`,
	},
	{
		argv: "folder", path: "SHOP", errno: syscall.ENOENT,
		want: `cannot execute "folder": no such program; looked in SHOP`,
	},
	{
		argv: "./bin/api", dir: "SHOP", errno: syscall.ENOENT,
		want: `cannot execute "./bin/api": no such file; looked in SHOP`,
	},
	{
		argv: "SHOP/api", errno: syscall.ENOENT,
		want: `cannot execute "SHOP/api": no such file`,
	},
	{
		argv: "SHOP/bin/v2/api", errno: syscall.ENOENT,
		want: `cannot execute "SHOP/bin/v2/api": no such file; SHOP has no bin`,
	},
	{
		argv: "SHOP/plain/api", errno: syscall.ENOTDIR,
		want: `cannot execute "SHOP/plain/api": no such file; SHOP/plain is not a directory`,
	},
	{
		argv: "SHOP/dangling", errno: syscall.ENOENT,
		want: `cannot execute "SHOP/dangling": it is a link to "nothing", which does not exist`,
	},
	{
		argv: "SHOP/loop", errno: syscall.ELOOP,
		want: `cannot execute "SHOP/loop": its path has too many symbolic links`,
	},
	{
		argv: "SHOP/plain", errno: syscall.EACCES,
		want: `cannot execute "SHOP/plain": it is not executable (chmod +x makes it so)`,
	},
	{
		argv: "SHOP/folder", errno: syscall.EACCES,
		want: `cannot execute "SHOP/folder": it is a directory`,
	},
	{
		argv: "/dev/null", errno: syscall.EACCES,
		want: `cannot execute "/dev/null": it is not a regular file`,
	},
	{
		argv: "SHOP/python", errno: syscall.ENOENT,
		want: `cannot execute "SHOP/python": it asks for the interpreter "/usr/bin/python9", which does not exist`,
	},
	{
		argv: "SHOP/windows", errno: syscall.ENOENT,
		want: `cannot execute "SHOP/windows": it asks for the interpreter "/bin/sh\r", which does not exist ` +
			`(its first line ends in a carriage return, as on Windows)`,
	},
	{
		argv: "SHOP/toplain", errno: syscall.EACCES,
		want: `cannot execute "SHOP/toplain": it asks for the interpreter "SHOP/plain", which it has no permission to execute`,
	},
	{
		argv: "SHOP/musl", errno: syscall.ENOENT,
		want: `cannot execute "SHOP/musl": it asks for the interpreter "/lib/ld-musl-x86_64.so.9", which does not exist`,
	},
	{
		argv: "SHOP/empty", errno: syscall.ENOEXEC,
		want: `cannot execute "SHOP/empty": its file is empty`,
	},
	{
		argv: "SHOP/text", errno: syscall.ENOEXEC,
		want: `cannot execute "SHOP/text": exec format error: it is neither a program for this machine nor a script that begins with #!`,
	},
	{
		argv: "SHOP/foreign", errno: syscall.ENOEXEC,
		want: `cannot execute "SHOP/foreign": exec format error: it is a program for another machine, or damaged`,
	},
	{
		argv: "/bin/\x00", errno: syscall.EINVAL,
		want: `cannot execute "/bin/\x00": an argument, a variable or a path has a NUL byte`,
	},
	{
		argv: "/" + strings.Repeat("a", 300), errno: syscall.ENAMETOOLONG,
		want: `cannot execute "/` + strings.Repeat("a", 300) + `": its path is too long`,
	},
	{
		argv: "true " + strings.Repeat("a", 1<<17), errno: syscall.E2BIG,
		want: `cannot execute "true" (/bin/true): the argument list is too long: arguments and environment together ` +
			`may have a quarter of the stack limit (ulimit -s, at most 6 MiB), and each of them 128 KiB`,
	},
	{
		argv: "true", dir: "SHOP/nowhere", errno: syscall.ENOENT,
		want: `cannot enter the directory "SHOP/nowhere": it does not exist`,
	},
	{
		argv: "true", dir: "SHOP/plain", errno: syscall.ENOTDIR,
		want: `cannot enter the directory "SHOP/plain": it is not a directory`,
	},
	{
		argv: "true", dir: "SHOP/plain/x", errno: syscall.ENOTDIR,
		want: `cannot enter the directory "SHOP/plain/x": it is not a directory`,
	},
	{
		argv: "true", dir: "SHOP/loop", errno: syscall.ELOOP,
		want: `cannot enter the directory "SHOP/loop": too many levels of symbolic links`,
	},
	{
		argv: "true", dir: "SHOP/private", user: 65534, errno: syscall.EACCES,
		want: `cannot enter the directory "SHOP/private": no permission (user 65534 may not enter SHOP/private)`,
	},
	{
		argv: "SHOP/private/api", user: 65534, errno: syscall.EACCES,
		want: `cannot execute "SHOP/private/api": no permission: user 65534 may not enter SHOP/private`,
	},
	{
		argv: "SHOP/mine", user: 65534, errno: syscall.EACCES,
		want: `cannot execute "SHOP/mine": no permission: user 65534 may not execute it (its mode is 0700)`,
	},
}

func TestStartFailures(t *testing.T) { testStartFailures(t, false) }

// A trampoline's failures are told in the same words.
func TestStartFailuresOfTrampolines(t *testing.T) { testStartFailures(t, true) }

func testStartFailures(t *testing.T, setup bool) {
	dir := shop(t)
	fill := strings.NewReplacer("SHOP", dir)
	w := newWorld(t)
	for _, f := range failures {
		if f.user != 0 && os.Geteuid() != 0 {
			continue // only root can start a child as somebody else
		}
		c := process.Command{Argv: strings.Fields(fill.Replace(f.argv)), Dir: fill.Replace(f.dir)}
		switch f.path {
		case "-":
		case "":
			c.Env = []string{"PATH=/bin"}
		default:
			c.Env = []string{"PATH=" + fill.Replace(f.path)}
		}
		if f.user != 0 {
			c.User = &syscall.Credential{Uid: f.user, Gid: f.user}
		}
		if setup {
			c.Setup = &trampoline.Spec{}
			if f.user != 0 {
				c.Setup.User = &trampoline.User{UID: int(f.user), GID: int(f.user), Groups: []int{}}
			}
		}
		want := process.StartFailed{Ref: w.ref(), Cause: fill.Replace(f.want), Errno: f.errno, Key: "command"}
		if strings.HasPrefix(f.want, "cannot enter the directory") {
			want.Key = "dir"
		}
		w.Start(want.Ref, c)
		if got := nextIs[process.StartFailed](w); got != want {
			t.Errorf("%q in %q:\ngot  %+v (%v)\nwant %+v (%v)", f.argv, f.dir, got, got.Errno, want, want.Errno)
		}
	}
	w.barrier()
}

// What execvp(3) finds, lookup finds.
func TestLookup(t *testing.T) {
	dir := shop(t)
	bin := filepath.Join(dir, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(quickProgram(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bin, "plain"), program, 0o755); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	for _, path := range []string{
		bin,
		"/nowhere:" + bin,
		filepath.Join(dir, "path") + ":" + bin,  // there it is not executable
		filepath.Join(dir, "path2") + ":" + bin, // there its interpreter is missing
		dir + ":" + bin,
		"bin",   // relative to Dir
		"./bin", // the same
	} {
		ref, _ := w.start(process.Command{Argv: []string{"plain"}, Env: []string{"A=B", "PATH=" + path}, Dir: dir})
		w.wantExit(ref, tree.Exit{})
	}
	for _, path := range []string{"", "/nowhere:", ":/nowhere"} { // empty is Dir itself
		ref, _ := w.start(process.Command{Argv: []string{"plain"}, Env: []string{"PATH=" + path}, Dir: bin})
		w.wantExit(ref, tree.Exit{})
	}
	ref, _ := w.start(process.Command{Argv: []string{"./plain"}, Dir: bin})
	w.wantExit(ref, tree.Exit{})
}

// A machine may be started without devices.
func TestNoDevices(t *testing.T) {
	if !inside(t, "first process", privatePIDs) {
		return
	}
	if err := unix.Mount("none", "/dev", "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	w.Start(w.ref(), process.Command{Argv: []string{"/bin/true"}})
	want := "cannot open /dev/null for its standard input: no such file or directory " +
		"(mount devtmpfs on /dev, or make the device: mknod -m 666 /dev/null c 1 3)"
	if got := nextIs[process.StartFailed](w).Cause; got != want {
		t.Error(got)
	}
	if err := unix.Unmount("/dev", 0); err != nil {
		t.Fatal(err)
	}
	ref, _ := w.start(process.Command{Argv: []string{"/bin/true"}})
	w.wantExit(ref, tree.Exit{})
}

func TestNoexec(t *testing.T) {
	if !inside(t, "first process", &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS}) {
		return
	}
	dir := t.TempDir()
	if err := unix.Mount("none", dir, "tmpfs", unix.MS_NOEXEC, ""); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "api")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	w.Start(w.ref(), process.Command{Argv: []string{file}})
	if got := nextIs[process.StartFailed](w).Cause; got != `cannot execute "`+file+`": it is on a file system that is mounted noexec` {
		t.Error(got)
	}
	if err := unix.Unmount(dir, 0); err != nil {
		t.Fatal(err)
	}
}

// A limit of descriptors or processes is told by its name.
func TestLimits(t *testing.T) {
	if !inside(t, "small limits", nil) {
		return
	}
	w := newWorld(t)
	w.barrier() // the reaper has opened what it needs
	var open []*os.File
	for {
		file, err := os.Open("/dev/null")
		if err != nil {
			break
		}
		open = append(open, file)
	}
	w.Start(w.ref(), process.Command{Argv: []string{"/bin/true"}})
	got := nextIs[process.StartFailed](w)
	if got.Errno != syscall.EMFILE || got.Cause != `cannot execute "/bin/true": the daemon has no descriptor left `+
		`(the limit: ulimit -n, LimitNOFILE= in systemd)` {
		t.Error(got)
	}
	for _, file := range open {
		file.Close()
	}
	w.barrier()
}

// A program that is being written is executed when that is over.
func TestBusyProgram(t *testing.T) {
	program := quickProgram(t)
	if program == "/bin/true" {
		t.Skip("this needs a program of our own")
	}
	file, err := os.OpenFile(program, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)

	cause := `cannot execute "` + program + `": its file is open for writing (is it being copied?)`
	given := w.ref() // nobody closes the file in time
	w.Start(given, process.Command{Argv: []string{program}})
	want := process.StartFailed{Ref: given, Cause: cause, Errno: syscall.ETXTBSY, Key: "command"}
	if got := nextIs[process.StartFailed](w); got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}

	stopped := w.ref()
	w.Start(stopped, process.Command{Argv: []string{program}})
	w.Signal(stopped, "SIGTERM", true)
	w.Stop(stopped, "SIGTERM", false)
	want = process.StartFailed{Ref: stopped, Cause: cause + "; it was stopped before that was over", Errno: syscall.ETXTBSY, Key: "command"}
	if got := nextIs[process.StartFailed](w); got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}

	late := w.ref() // somebody does, once another child has started in the meantime
	w.Start(late, process.Command{Argv: []string{program}})
	another := w.ref()
	w.Start(another, process.Command{Argv: []string{"true"}, Env: environment})
	if got := nextIs[process.Started](w); got.Ref != another {
		t.Errorf("%+v started", got)
	}
	file.Close()
	for range 3 {
		switch fact := w.next().(type) {
		case process.Started:
			if fact.Ref != late {
				t.Errorf("%+v", fact)
			}
		case process.Exited:
			if fact.Exit != (tree.Exit{}) {
				t.Errorf("%+v", fact)
			}
		default:
			t.Errorf("%T %+v", fact, fact)
		}
	}
}

// After Close nothing is started any more, and what runs goes on.
func TestStartAfterClose(t *testing.T) {
	w := newWorld(t)
	running, _ := w.start(process.Command{Argv: []string{"sleep", "1000"}, Env: environment})
	w.Close()
	read, write := pipe(t)
	ref := w.ref()
	w.Start(ref, process.Command{Argv: []string{"true"}, Env: environment, Stdout: write, Stderr: write})
	want := process.StartFailed{Ref: ref, Cause: "cannot start child: the daemon is ending"}
	if got := nextIs[process.StartFailed](w); got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	readAll(t, read) // its output was closed
	w.Kill(running)
	w.wantExit(running, tree.Exit{Signal: "SIGKILL"})
}
