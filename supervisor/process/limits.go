package process

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"coppice/configs"
)

// cpuPeriod is the period of cpu.max in microseconds, the kernel's own default.
const cpuPeriod = 100_000

// setting is one file of a group, what goes into it, and the key that asks for it.
type setting struct {
	controller, file, value, key string
}

// settings are what limits come to.
func settings(l configs.Limits) []setting {
	var list []setting
	add := func(value int64, controller, file, key string) {
		if value > 0 {
			list = append(list, setting{controller, file, strconv.FormatInt(value, 10), key})
		}
	}
	add(l.MemoryMax, "memory", "memory.max", "memory_max")
	add(l.MemoryHigh, "memory", "memory.high", "memory_high")
	add(l.PIDsMax, "pids", "pids.max", "pids_max")
	add(l.CPUWeight, "cpu", "cpu.weight", "cpu_weight")
	add(l.IOWeight, "io", "io.weight", "io_weight")
	if l.CPUMax > 0 {
		quota := fmt.Sprintf("%d %d", l.CPUMax*cpuPeriod/100, cpuPeriod)
		list = append(list, setting{"cpu", "cpu.max", quota, "cpu_max"})
	}
	return list
}

// limit sets the limits of a child's group, which is one that is made for each
// start: what an earlier start had set or counted is not in it.
func (g *Cgroups) limit(c *cgroup, l configs.Limits) error {
	list := settings(l)
	for _, s := range list {
		if err := g.enable(s); err != nil {
			return err
		}
	}
	c.spent = true
	for _, s := range list {
		if err := c.write(s.file, s.value); err != nil {
			return fmt.Errorf("cannot set limits.%s: writing %s to %s: %w", s.key, s.value, filepath.Join(c.path, s.file), err)
		}
	}
	if l.MemoryMax > 0 {
		// A swap that takes what memory may not would make a limit of a delay. Where
		// swap is not counted there is no such file.
		if err := c.write("memory.swap.max", "0"); err != nil && err != unix.ENOENT {
			return fmt.Errorf("cannot set limits.memory_max: writing 0 to %s: %w", filepath.Join(c.path, "memory.swap.max"), err)
		}
	}
	return nil
}

// enable gives the groups of children a controller. The group above all of them
// must have it, and must be allowed to pass it on.
func (g *Cgroups) enable(s setting) error {
	base := &cgroup{path: g.base}
	if slices.Contains(strings.Fields(base.read("cgroup.subtree_control")), s.controller) {
		return nil
	}
	own := &cgroup{path: g.own}
	if available := strings.Fields(own.read("cgroup.controllers")); !slices.Contains(available, s.controller) {
		has := "none"
		if len(available) > 0 {
			has = strings.Join(available, " ")
		}
		return fmt.Errorf("cannot set limits.%s: the %s controller is not there in %s (it has: %s); "+
			"under systemd say Delegate=yes, in a container give it a cgroup v2 with that controller", s.key, s.controller, g.own, has)
	}
	err := own.write("cgroup.subtree_control", "+"+s.controller)
	if err == unix.EBUSY {
		if err = g.move(); err == nil {
			err = own.write("cgroup.subtree_control", "+"+s.controller)
		}
	}
	if err == nil {
		err = base.write("cgroup.subtree_control", "+"+s.controller)
		g.counts = g.counts || s.controller == "memory"
	}
	if err != nil {
		return fmt.Errorf("cannot set limits.%s: the %s controller cannot be passed on in %s: %w", s.key, s.controller, g.own, err)
	}
	return nil
}

// move moves daemon and keeper out of the group above into one of their own. Others
// are not moved: then that group is not this tree's alone.
func (g *Cgroups) move() error {
	ours := []int{os.Getpid(), os.Getppid()}
	for _, pid := range groupMembers(g.own) {
		if !slices.Contains(ours, pid) {
			return fmt.Errorf("process %d is in it too; a group with limits below it must have no processes of its own: "+
				"start coppice in a group of its own (systemd-run --scope -p Delegate=yes coppice …)", pid)
		}
	}
	c := &cgroup{path: filepath.Join(g.base, shelter)}
	if err := os.Mkdir(c.path, 0o755); err != nil && !os.IsExist(err) {
		return err
	}
	for _, pid := range groupMembers(g.own) {
		if err := c.write("cgroup.procs", strconv.Itoa(pid)); err != nil && err != unix.ESRCH {
			return err
		}
	}
	return nil
}

// groupMembers are the processes of one group, without those below it.
func groupMembers(path string) []int {
	// No os.File: Go's poller would be told of each.
	fd, err := unix.Open(filepath.Join(path, "cgroup.procs"), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil // who cannot be read cannot be moved
	}
	defer unix.Close(fd)
	var list []byte
	for chunk := make([]byte, 4096); ; {
		n, err := unix.Read(fd, chunk)
		if n <= 0 || err != nil {
			break
		}
		list = append(list, chunk[:n]...)
	}
	var pids []int
	for word := range strings.FieldsSeq(string(list)) {
		if pid, err := strconv.Atoi(word); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}
