package ipc_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"coppice/ipc"
)

func listen(t *testing.T, dir string) *ipc.Listener {
	t.Helper()
	l, err := ipc.Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Release() }) // some tests release it themselves
	return l
}

func TestListenMakesItsFolderAndFilesPrivate(t *testing.T) {
	for _, mask := range []int{0, 0o777} {
		dir := filepath.Join(t.TempDir(), "state") // under the mask as it is
		old := syscall.Umask(mask)
		t.Cleanup(func() { syscall.Umask(old) })
		if mask != 0 { // under such a mask nobody could make the folder itself
			syscall.Umask(0o022)
			ok(t, ipc.MakeFolder(dir))
			syscall.Umask(mask)
		}
		listen(t, dir)
		syscall.Umask(old)
		for name, want := range map[string]os.FileMode{"": os.ModeDir | 0o700, "sock": os.ModeSocket | 0o600} {
			info, err := os.Stat(filepath.Join(dir, name))
			check(t, err, info.Mode(), want)
		}
	}
}

func TestTheLockNamesItsHolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	l := listen(t, dir)
	text, err := os.ReadFile(filepath.Join(dir, "lock"))
	check(t, err, string(text), strconv.Itoa(os.Getpid())+"\n")

	_, err = ipc.Listen(dir)
	held, is := errors.AsType[*ipc.HeldError](err)
	if !is || held.PID != os.Getpid() || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) {
		t.Errorf("a second daemon: %v", err)
	}

	ok(t, l.Close())
	if _, err := ipc.Listen(dir); err == nil {
		t.Error("a daemon that closed its socket lost its folder too")
	}
	ok(t, l.Release())
	listen(t, dir)
}

func TestAStaleSocketIsReplaced(t *testing.T) {
	dir := t.TempDir()
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "sock")})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	stale.Close()
	c := &ipc.Client{Dir: dir}
	if _, err := c.Tree(ctx, false); !errors.Is(err, ipc.ErrNoDaemon) {
		t.Errorf("at a stale socket: %v, want ErrNoDaemon", err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	listen(t, dir)
}

func TestAFolderOfAnyLengthWorks(t *testing.T) {
	dir := t.TempDir()
	for len(dir) < 300 {
		dir = filepath.Join(dir, strings.Repeat("d", 60))
	}
	server := ipc.NewServer(&fake{tree: ipc.Tree{Name: "deep"}}, ipc.ServerOptions{})
	l := listen(t, dir)
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	for _, c := range []*ipc.Client{{Dir: dir}, {Socket: filepath.Join(dir, "sock")}} {
		tree, err := c.Tree(ctx, false)
		if err != nil || tree.Name != "deep" {
			t.Errorf("got %v, %v", tree, err)
		}
	}
	ok(t, errors.Join(server.Shutdown(ctx), <-served))
	if _, err := os.Stat(filepath.Join(dir, "sock")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket outlived its listener: %v", err)
	}
}

func TestListenRefusesWhatIsNotOurs(t *testing.T) {
	tests := []struct {
		name  string
		plant func(dir string) error
		want  string
	}{
		{"others may write", func(dir string) error { return os.Chmod(dir, 0o777) }, "others may write"},
		{"group may write", func(dir string) error { return os.Chmod(dir, 0o775) }, "others may write"},
		{"another owner", func(dir string) error { return os.Chown(dir, 12345, -1) }, "uid 12345 owns it"},
		{"a file at its place", func(dir string) error {
			return errors.Join(os.Remove(dir), os.WriteFile(dir, nil, 0o600))
		}, "not a directory"},
		{"a symbolic link at its place", func(dir string) error {
			return errors.Join(os.Rename(dir, dir+"2"), os.Symlink(dir+"2", dir))
		}, "symbolic link"},
		{"a file as socket", func(dir string) error { return os.WriteFile(dir+"/sock", nil, 0o600) }, "not a socket"},
		{"a link as socket", func(dir string) error { return os.Symlink("/etc/passwd", dir+"/sock") }, "not a socket"},
		{"a link as lock", func(dir string) error { return os.Symlink(dir+"/victim", dir+"/lock") }, "lock"},
		{"a second name of the lock", func(dir string) error {
			return errors.Join(os.WriteFile(dir+"/victim", nil, 0o600), os.Link(dir+"/victim", dir+"/lock"))
		}, "not a plain file"},
		{"a FIFO as lock", func(dir string) error { return syscall.Mkfifo(dir+"/lock", 0o600) }, "not a plain file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "state")
			ok(t, os.Mkdir(dir, 0o700))
			if err := tt.plant(dir); err != nil {
				t.Skip(err) // only root can give a folder away
			}
			l, err := ipc.Listen(dir)
			if err == nil {
				l.Release()
				t.Fatal("the folder was taken")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %q, want it to say %q", err, tt.want)
			}
			if _, err := os.Stat(dir + "/victim"); err == nil && tt.name == "a link as lock" {
				t.Error("the link was followed")
			}
		})
	}
}

func TestNobodyThereIsErrNoDaemon(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []*ipc.Client{{Dir: dir}, {Dir: dir + "/missing"}, {Socket: dir + "/missing/sock"}} {
		if err := c.Down(ctx); !errors.Is(err, ipc.ErrNoDaemon) {
			t.Errorf("%+v: %v, want ErrNoDaemon", *c, err)
		}
	}
	ok(t, os.WriteFile(dir+"/sock", nil, 0o600))
	if err := (&ipc.Client{Dir: dir}).Down(ctx); err == nil || errors.Is(err, ipc.ErrNoDaemon) {
		t.Errorf("a file as socket: %v", err)
	}
}
