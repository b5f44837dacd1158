package process

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"coppice/configs"
)

// Cgroups is the part of the cgroup v2 hierarchy, cgroups(7), in which one tree has
// a group for each of its children. It belongs to whoever works for a Reaper once that
// has it. A nil *Cgroups is that of a tree without.
type Cgroups struct {
	own    string // the group of this process, or the one above if it moved below
	base   string // <own>/coppice-<tree>
	joined bool   // clone3(2) has put a child into its group once
	// made are the groups of which this process knows that they can be used again, and
	// until when that they are not frozen.
	made map[string]time.Time
	// counts says that somebody counts for the groups how often memory runs out: the
	// memory controller is passed on to them.
	counts bool
	late   bool     // it cannot: children are moved right after the fork
	husks  []string // groups that could not be removed yet: somebody in them was dying
}

// groupSuffix ends the name of a child's group, so that no name is that of a file
// which every group has: "cgroup.procs".
const groupSuffix = ".process"

// jobSuffix ends that of a job: NAME.NUMBER.job.
const jobSuffix = ".job"

// shelter is the group below base into which daemon and keeper move when controllers
// are wanted: a group with controllers for its children may have no processes of its
// own ("no internal processes", cgroups(7)).
const shelter = "supervisor"

// FindCgroups finds out where the groups of a tree go: below the group of this
// process, if that hierarchy is mounted and may be written to. The error says why
// there are none, in words for a person.
func FindCgroups(treeID string) (*Cgroups, error) {
	mount, root, err := cgroupMount()
	if err != nil {
		return nil, err
	}
	path, err := ownGroup("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	inside, found := strings.CutPrefix(path, strings.TrimSuffix(root, "/"))
	if !found || strings.HasPrefix(path, "/..") {
		return nil, fmt.Errorf("this process's cgroup %s is not below what is mounted on %s", path, mount)
	}
	g := &Cgroups{own: filepath.Join(mount, inside), made: map[string]time.Time{}}
	base := "coppice-" + treeID
	if filepath.Base(g.own) == shelter && filepath.Base(filepath.Dir(g.own)) == base {
		g.own = filepath.Dir(filepath.Dir(g.own)) // an earlier daemon of this tree has moved
	}
	g.base = filepath.Join(g.own, base)
	// A process may be put into a group by who may write to the group above both.
	if err := unix.Faccessat(unix.AT_FDCWD, filepath.Join(g.own, "cgroup.procs"), unix.W_OK, unix.AT_EACCESS); err != nil {
		return nil, fmt.Errorf("the cgroup %s is not ours to write to: %w", g.own, err)
	}
	if err := os.Mkdir(g.base, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("cannot make a cgroup: %w", err)
	}
	return g, nil
}

// cgroupMount is where the hierarchy is mounted, and which of its groups is there.
func cgroupMount() (mount, root string, err error) {
	file, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return "", "", fmt.Errorf("cannot find out where cgroups are mounted: %w", err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		before, after, found := strings.Cut(lines.Text(), " - ")
		fields := strings.Fields(before)
		if found && strings.HasPrefix(after, "cgroup2 ") && len(fields) >= 5 {
			return unescaped(fields[4]), unescaped(fields[3]), nil
		}
	}
	return "", "", errors.New("no cgroup v2 hierarchy is mounted")
}

// unescaped undoes the escapes of mountinfo, proc_pid_mountinfo(5).
func unescaped(path string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(path)
}

// ownGroup is the v2 group that a /proc/PID/cgroup tells.
func ownGroup(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("cannot find out the cgroup of a process: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if path, found := strings.CutPrefix(line, "0::"); found {
			return strings.TrimSuffix(strings.TrimSuffix(path, "\n"), " (deleted)"), nil
		}
	}
	return "", errors.New("this process is in no cgroup v2")
}

// Path is the folder of all groups of the tree; "" where there are none.
func (g *Cgroups) Path() string {
	if g == nil {
		return ""
	}
	return g.base
}

// Holding is the group of a child if that holds a process, else "".
func (g *Cgroups) Holding(name string, pid int) string {
	if g == nil || pid <= 0 {
		return ""
	}
	c := &cgroup{path: filepath.Join(g.base, name+groupSuffix)}
	if !c.holds(pid) {
		return ""
	}
	return c.path
}

// prepare makes the group of a process that is about to be started and sets its
// limits. fd is the group's, to be closed by the caller.
func (g *Cgroups) prepare(name string, limits configs.Limits, prepared bool) (c *cgroup, fd int, err error) {
	if prepared {
		g.take(&cgroup{path: filepath.Join(g.base, name)})
	}
	c, fd, err = g.open(name)
	if err != nil {
		return nil, -1, fmt.Errorf("cannot make its cgroup %s: %w", c.path, err)
	}
	// One that was frozen would keep its first process from being executed.
	if time.Now().After(g.made[c.path]) && c.frozen() {
		err = c.freeze(false)
	}
	if err == nil && limits != (configs.Limits{}) {
		err = g.limit(c, limits)
	}
	if g.counts {
		c.ooms = c.oomKills()
	}
	if err != nil {
		unix.Close(fd)
		return nil, -1, err
	}
	return c, fd, nil
}

// rivalsMax is how many groups of a name there may be in which somebody of an earlier
// run is left.
const rivalsMax = 100

// open opens a group in which nobody is, of the given name or, where that is not to be
// had, of one with a number. One that this process has made is used again, unless its
// processes have made groups below it: with controllers for those it may have no
// processes itself.
func (g *Cgroups) open(name string) (c *cgroup, fd int, err error) {
	folder := unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC
	for rival := 1; rival <= rivalsMax; rival++ {
		c = &cgroup{path: filepath.Join(g.base, name)}
		if rival > 1 {
			c.path = filepath.Join(g.base, fmt.Sprintf("%d.%s", rival, name))
		}
		if _, made := g.made[c.path]; made {
			fd, err = unix.Open(c.path, folder, 0)
			if err == nil && !hasGroups(fd) {
				return c, fd, nil
			}
			if err == nil {
				unix.Close(fd)
			}
			delete(g.made, c.path)
		}
		removeGroups(c.path)
		if err = g.make(c); !errors.Is(err, os.ErrExist) {
			break
		}
	}
	if err != nil {
		return c, -1, err
	}
	fd, err = unix.Open(c.path, folder, 0)
	return c, fd, err
}

// thawedFor is how long a group that was seen empty and not frozen is taken for one that
// is not frozen: whoever freezes it meanwhile, beside coppice, might as well have done so
// right after the next look. A restart that comes at once saves that look.
const thawedFor = time.Second

// leftThawed takes note that a group is empty and not frozen.
func (g *Cgroups) leftThawed(c *cgroup) { g.made[c.path] = time.Now().Add(thawedFor) }

// doubt takes back that a group is known not to be frozen.
func (g *Cgroups) doubt(c *cgroup) {
	if g == nil {
		return
	}
	if _, made := g.made[c.path]; made {
		g.made[c.path] = time.Time{}
	}
}

// Prepare makes the group of a child that is about to be started ahead, while the Reaper
// does something else: any goroutine may call it. It says whether it has, which goes
// into the child's Command.
func (g *Cgroups) Prepare(name string) bool {
	return g != nil && os.Mkdir(filepath.Join(g.base, name+groupSuffix), 0o755) == nil
}

// hasGroups says whether there are groups below one: the links of a folder tell.
func hasGroups(fd int) bool {
	var stat unix.Stat_t
	return unix.Fstat(fd, &stat) == nil && stat.Nlink > linksAlone
}

// linksAlone are the links that the folder of a group has with none below it.
const linksAlone = 2

// make makes a child's group, and the folder of all groups if it was removed.
func (g *Cgroups) make(c *cgroup) error {
	err := os.Mkdir(c.path, 0o755)
	if errors.Is(err, os.ErrNotExist) {
		if err = os.Mkdir(g.base, 0o755); err == nil || errors.Is(err, os.ErrExist) {
			err = os.Mkdir(c.path, 0o755)
		}
	}
	if err != nil {
		return err
	}
	g.take(c)
	return nil
}

// take takes a group that was just made into the books.
func (g *Cgroups) take(c *cgroup) {
	g.leftThawed(c)
	g.counts = g.counts || unix.Access(filepath.Join(c.path, "memory.events"), unix.F_OK) == nil
}

// EndJobs kills the jobs that an earlier daemon has left, whatever they have started,
// and removes their groups. It comes before Run.
func (g *Cgroups) EndJobs() {
	if g == nil {
		return
	}
	entries, _ := os.ReadDir(g.base) // none: there was no earlier daemon
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), jobSuffix) {
			c := &cgroup{path: filepath.Join(g.base, entry.Name())}
			_ = c.kill() // who may not be killed stays, with its group
			g.discard(c)
		}
	}
}

// Remove removes the folder of all groups and those below it that are empty: of
// processes that were told as gone, all are. What is not empty stays.
func (g *Cgroups) Remove() {
	if g == nil {
		return
	}
	entries, _ := os.ReadDir(g.base) // without it the removal below fails, too
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), groupSuffix) || strings.HasSuffix(entry.Name(), jobSuffix) {
			removeGroups(filepath.Join(g.base, entry.Name()))
		}
	}
	_ = unix.Rmdir(g.base) // daemon and keeper may be in it
}

// discard removes a group that is not used again, and those that could not be removed
// before.
func (g *Cgroups) discard(c *cgroup) {
	if g == nil {
		removeGroups(c.path)
		_ = unix.Rmdir(filepath.Dir(c.path)) // others may be in it
		return
	}
	delete(g.made, c.path)
	if base := filepath.Dir(c.path); base != g.base {
		defer unix.Rmdir(base) // it was another one's, and may be empty now
	}
	g.husks = slices.DeleteFunc(append(g.husks, c.path), func(path string) bool {
		removeGroups(path)
		return unix.Access(path, unix.F_OK) == unix.ENOENT
	})
}

// forget discards the group of a child that does not come again.
func (g *Cgroups) forget(name string) {
	if g != nil {
		g.discard(&cgroup{path: filepath.Join(g.base, name+groupSuffix)})
	}
}

// removeGroups removes a group and those that its processes have made below it.
func removeGroups(path string) {
	if unix.Rmdir(path) == nil {
		return
	}
	entries, _ := os.ReadDir(path) // none: it is gone
	for _, entry := range entries {
		if entry.IsDir() {
			removeGroups(filepath.Join(path, entry.Name()))
		}
	}
	_ = unix.Rmdir(path) // one with a process in it stays
}
