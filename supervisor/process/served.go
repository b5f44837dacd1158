package process

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"coppice/supervisor/trampoline"
)

// A file system that somebody serves, a server far away or a process, may not answer.
// Who enters a directory of it, or executes a program, hangs then. A fork suspends its
// parent until exec, and with it the reaper and, at the next collection of garbage, the
// whole daemon. So such a child is left to a trampoline, which may hang alone: it has
// its pid, it is killed after setupMax, and all others are served meanwhile.

// servedTypes are the types of such file systems, as in mountinfo.
var servedTypes = []string{
	"fuse", "fuseblk", "nfs", "nfs4", "cifs", "smb3", "9p", "virtiofs", "ceph", "afs", "lustre", "gfs2", "ocfs2", "autofs",
}

// linksMax is how many symbolic links the kernel follows on one path (path_resolution(7)).
const linksMax = 40

// mounts are the mount points of served file systems. The list is read again only when
// the kernel says that it has changed. The zero value is ready to use.
type mounts struct {
	opened bool
	fd     int // /proc/self/mountinfo, negative: it cannot be opened
	served []string
}

// look brings the list up to date. Without /proc there is none.
func (m *mounts) look() []string {
	changed := !m.opened
	if !m.opened {
		// No os.File: what waits for those would hear of the change first.
		fd, err := unix.Open("/proc/self/mountinfo", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			fd = -1
		}
		m.opened, m.fd = true, fd
	}
	if m.fd < 0 {
		return nil
	}
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(m.fd), Events: unix.POLLPRI}}, 0)
	if changed || n > 0 || err != nil {
		m.read()
	}
	return m.served
}

// read reads the list. The root is not on it: where that does not answer, nothing does.
func (m *mounts) read() {
	m.served = nil
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return
	}
	for line := range strings.Lines(string(text)) {
		before, after, found := strings.Cut(line, " - ")
		fields := strings.Fields(before)
		kind, _, _ := strings.Cut(after, " ")
		main, _, _ := strings.Cut(kind, ".") // fuse.sshfs
		if found && len(fields) >= 5 && fields[4] != "/" && slices.Contains(servedTypes, main) {
			m.served = append(m.served, unescaped(fields[4]))
		}
	}
}

func (m *mounts) close() {
	if m.opened && m.fd >= 0 {
		unix.Close(m.fd)
	}
}

// leads says whether a path leads to a served file system, without going there.
func (m *mounts) leads(path string) bool {
	for range linksMax {
		next, found := m.follow(path)
		if found || next == "" {
			return found
		}
		path = next
	}
	return false // the kernel will say so
}

// follow walks down a path: to a served file system, to its end (""), or to the first
// link, whose place in the path what it says takes.
func (m *mounts) follow(path string) (next string, served bool) {
	walked := "/"
	rest := strings.Split(strings.Trim(filepath.Clean(path), "/"), "/")
	for i, name := range rest {
		here := filepath.Join(walked, name)
		if slices.Contains(m.served, here) {
			return "", true
		}
		if target, err := os.Readlink(here); err == nil {
			return filepath.Join(append([]string{within(walked, target)}, rest[i+1:]...)...), false
		}
		walked = here
	}
	return "", false
}

// holds says whether a command's directory or program, or a folder in which its
// program is looked up, is on a served file system.
func (m *mounts) holds(c *Command) bool {
	if len(m.look()) == 0 || len(c.Argv) == 0 {
		return false
	}
	paths := []string{c.Argv[0]}
	if !strings.Contains(c.Argv[0], "/") {
		paths = strings.Split(pathOf(c.Env), ":")
	}
	for _, path := range append(paths, c.Dir) {
		if path = within(c.Dir, path); filepath.IsAbs(path) && m.leads(path) {
			return true
		}
	}
	return false
}

// plainSetup sets up nothing but what a fork does by itself.
func plainSetup(c *Command) *trampoline.Spec {
	spec := &trampoline.Spec{UserName: c.UserName, NoNewPrivs: c.NoNewPrivs, NoAmbient: c.NoAmbient}
	if c.User != nil {
		spec.User = &trampoline.User{UID: int(c.User.Uid), GID: int(c.User.Gid), Groups: []int{}}
		for _, group := range c.User.Groups {
			spec.User.Groups = append(spec.User.Groups, int(group))
		}
	}
	return spec
}
