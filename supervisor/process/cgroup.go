package process

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// cgroup is the cgroup of one child: all processes that descend from its main
// process, wherever they went, unless somebody has moved them.
type cgroup struct {
	path string // absolute, below the mounted hierarchy
	// ooms is how often memory had run out in it when the child was started.
	ooms int
	// thawed says that it was not frozen when it was seen to be empty.
	thawed bool
	// spent says that no other start may use it: it has limits and counts, or
	// cgroup.kill was written to. (Linux 6.13 to at least 6.18 kill whoever is forked into
	// such a group later on, for they compare its count of kills with that of the group
	// of the parent.)
	spent bool
}

// read reads one of the group's files; "" if there is none, or it cannot be read.
func (c *cgroup) read(file string) string {
	text, _ := c.look(file)
	return text
}

// look is read with what went wrong.
func (c *cgroup) look(file string) (string, error) {
	fd, err := unix.Open(filepath.Join(c.path, file), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	var text [4096]byte
	n, err := unix.Read(fd, text[:])
	if err != nil {
		return "", err
	}
	return string(text[:n]), nil
}

func (c *cgroup) write(file, value string) error {
	fd, err := unix.Open(filepath.Join(c.path, file), unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.Write(fd, []byte(value))
	return err
}

// counted is the number behind a word in a file of lines like "populated 1".
func counted(text, word string) int {
	for line := range strings.Lines(text) {
		if number, found := strings.CutPrefix(line, word+" "); found {
			n, _ := strconv.Atoi(strings.TrimSpace(number))
			return n
		}
	}
	return 0
}

// empty says that no process is in the group, nor in one below it. A zombie is in
// none, and a group that was removed had none. One that cannot be looked at, for lack
// of a descriptor, is not empty.
func (c *cgroup) empty() bool {
	text, err := c.look("cgroup.events")
	if err != nil {
		return err == unix.ENOENT || err == unix.ENODEV
	}
	if counted(text, "populated") != 0 {
		return false
	}
	c.thawed = counted(text, "frozen") == 0
	return true
}

func (c *cgroup) frozen() bool { return strings.TrimSpace(c.read("cgroup.freeze")) == "1" }

func (c *cgroup) freeze(on bool) error {
	if on {
		return c.write("cgroup.freeze", "1")
	}
	return c.write("cgroup.freeze", "0")
}

// thaw lets the group run if it is frozen: whoever was to do that may have died before.
func (c *cgroup) thaw() {
	if c != nil && c.frozen() {
		_ = c.freeze(false)
	}
}

// oomKills is how often a process of the group was killed because memory had run
// out; 0 where nobody counts.
func (c *cgroup) oomKills() int { return counted(c.read("memory.events"), "oom_kill") }

// kill ends all processes of the group and those that they are forking: by
// cgroup.kill, before Linux 5.14 one by one, while they cannot run.
func (c *cgroup) kill() error {
	if c.empty() {
		return nil
	}
	c.spent = true
	err := c.write("cgroup.kill", "1")
	if err != unix.ENOENT {
		return err
	}
	_ = c.freeze(true) // so that nobody forks; a signal ends a frozen process all the same
	defer func() { _ = c.freeze(false) }()
	err = nil
	for _, pid := range c.members() {
		if e := unix.Kill(pid, unix.SIGKILL); e != nil && e != unix.ESRCH {
			err = e
		}
	}
	return err
}

// members are the processes of the group and of those below it. One of another pid
// namespace has the number 0 here and is left out.
func (c *cgroup) members() []int {
	var pids []int
	var collect func(folder string)
	collect = func(folder string) {
		for _, pid := range groupMembers(folder) {
			if pid > 0 {
				pids = append(pids, pid)
			}
		}
		var stat unix.Stat_t
		if unix.Stat(folder, &stat) == nil && stat.Nlink <= linksAlone {
			return
		}
		entries, _ := os.ReadDir(folder) // it may be gone
		for _, entry := range entries {
			if entry.IsDir() {
				collect(filepath.Join(folder, entry.Name()))
			}
		}
	}
	collect(c.path)
	return pids
}

// holds says whether a process is in the group or in one below it.
func (c *cgroup) holds(pid int) bool {
	path, err := ownGroup("/proc/" + strconv.Itoa(pid) + "/cgroup")
	if err != nil {
		return slices.Contains(c.members(), pid)
	}
	// Both are paths of one hierarchy, seen from its mount and from its root.
	return strings.Contains(path+"/", "/"+filepath.Base(filepath.Dir(c.path))+"/"+filepath.Base(c.path)+"/")
}
