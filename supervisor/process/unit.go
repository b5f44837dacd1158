package process

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"coppice/supervisor/procfs"
	"coppice/tree"
)

// UnitVariable is the variable in the environment of each child by which it can be
// found, though nobody has written down that it was started.
const UnitVariable = "SUPERVISED_BY"

// Unit returns the variable of one incarnation, NAME=value: "SUPERVISED_BY=" and
// then tree, name and generation with colons between them. The name has no colon.
func Unit(tree, name string, g tree.Generation) string {
	return fmt.Sprintf("%s=%s:%s:%d", UnitVariable, tree, name, g)
}

// jobMark ends the value of the variable where a job has it.
const jobMark = "job"

// JobUnit returns the variable of a job that runs for an incarnation: that of Unit,
// and then ":", the job's number and ":job". So a job is never taken for its child, nor
// for another job.
func JobUnit(tree, name string, g tree.Generation, id JobID) string {
	return fmt.Sprintf("%s:%d:%s", Unit(tree, name, g), id, jobMark)
}

// Found is a process that has the variable.
type Found struct {
	Ref      tree.Ref
	Identity Identity
	// Job says that it is, or was started by, a job for the incarnation.
	Job bool
	// Leader says that it leads a session and a group of its own number and is
	// the oldest of its incarnation that does: the main process, unless that is
	// gone. The others have inherited the variable from it.
	Leader bool
}

// The child of a fork has the environment of its parent until it executes its
// program, which takes well under a millisecond on a machine that is not busy.
const (
	forkPause = 500 * time.Microsecond
	forkLooks = 20
)

// errEmptyProc is why nobody is there.
var errEmptyProc = errors.New("nothing is mounted there")

// FindUnits returns the processes of a tree that have the variable, in no order. A
// process that does not show its environment to us is not found, nor a zombie.
//
// A daemon that was killed in the middle of a start leaves a child that has not
// executed its program yet. So this program's siblings that execute the same file
// as it does are given a few milliseconds to become something else.
func FindUnits(treeID string) ([]Found, error) {
	pids, err := processes()
	if len(pids) == 0 {
		return nil, fmt.Errorf("cannot look for the processes of tree %q: /proc cannot be read: %w", treeID, cmp.Or(err, errEmptyProc))
	}
	forks := siblings() // before the walk: who is not one any more has its environment
	var found []Found
	buffer := make([]byte, 0, procfs.EnvironBytes)
	for known, looks := []int(nil), 0; len(pids) > 0 && looks < unitsLooks; looks++ {
		var executing []int
		for _, pid := range pids {
			u, err := unitOf(pid, treeID, &buffer)
			switch {
			case err == nil:
				found = appendFound(found, u, pid, treeID, &buffer)
			case errors.Is(err, procfs.ErrExecuting):
				executing = append(executing, pid)
			}
		}
		known = append(known, pids...)
		pids, err = newProcesses(known)
		if pids = append(pids, executing...); err != nil {
			return nil, fmt.Errorf("cannot look for the processes of tree %q: /proc cannot be read: %w", treeID, err)
		}
	}
	for _, pid := range awaitForks(forks, found) {
		if u, err := unitOf(pid, treeID, &buffer); err == nil {
			found = appendFound(found, u, pid, treeID, &buffer)
		}
	}
	markLeaders(found)
	return found, nil
}

// unitsLooks is how often processes are listed in a row.
const unitsLooks = 10

// newProcesses are those who are not known: forked by one who had not been looked at, and
// has ended before he was.
func newProcesses(known []int) ([]int, error) {
	among := make(map[int]bool, len(known))
	for _, pid := range known {
		among[pid] = true
	}
	now, err := processes()
	return slices.DeleteFunc(now, func(pid int) bool { return among[pid] }), err
}

// appendFound adds a process, unless it has ended meanwhile and its number has gone
// to somebody else.
func appendFound(found []Found, u unit, pid int, treeID string, buffer *[]byte) []Found {
	id, err := Identify(pid)
	if err != nil {
		return found
	}
	s, err := readStat(pid)
	if again, gone := unitOf(pid, treeID, buffer); err != nil || gone != nil || again != u {
		return found
	}
	leader := pid == s.session && pid == s.group && !u.job
	return append(found, Found{Ref: u.Ref, Identity: id, Job: u.job, Leader: leader})
}

// markLeaders leaves one leader to each incarnation, the oldest.
func markLeaders(found []Found) {
	oldest := map[tree.Ref]*Found{}
	for i := range found {
		f := &found[i]
		if !f.Leader {
			continue
		}
		first := oldest[f.Ref]
		f.Leader = first == nil || f.Identity.before(first.Identity)
		if f.Leader {
			oldest[f.Ref] = f
			if first != nil {
				first.Leader = false
			}
		}
	}
}

// before says which of two processes is older: the numbers of inodes ascend.
func (id Identity) before(other Identity) bool {
	if id.Inode != 0 && other.Inode != 0 {
		return id.Inode < other.Inode
	}
	return id.Start < other.Start || id.Start == other.Start && id.PID < other.PID
}

// siblings returns the other children of this program's parent that execute the same
// file.
func siblings() []int {
	var self unix.Stat_t
	if unix.Stat("/proc/self/exe", &self) != nil {
		return nil
	}
	return slices.DeleteFunc(childrenOf(unix.Getppid()), func(pid int) bool {
		return pid == unix.Getpid() || !executes(pid, &self)
	})
}

// awaitForks waits for siblings that were not found yet to execute another file. It
// returns all that were waited for.
func awaitForks(forks []int, found []Found) []int {
	var self unix.Stat_t
	if unix.Stat("/proc/self/exe", &self) != nil {
		return nil
	}
	forks = slices.DeleteFunc(forks, func(pid int) bool {
		return slices.ContainsFunc(found, func(f Found) bool { return f.Identity.PID == pid })
	})
	for range forkLooks {
		if !slices.ContainsFunc(forks, func(pid int) bool { return executes(pid, &self) }) {
			break
		}
		time.Sleep(forkPause)
	}
	return forks
}

// executes says whether a process executes a file.
func executes(pid int, file *unix.Stat_t) bool {
	var stat unix.Stat_t
	err := unix.Stat("/proc/"+strconv.Itoa(pid)+"/exe", &stat)
	return err == nil && stat.Dev == file.Dev && stat.Ino == file.Ino
}

// childrenOf returns the children of a process: from /proc, or by asking everybody where
// that does not list them, or cannot for all that end meanwhile.
func childrenOf(parent int) []int {
	pids, _ := findChildren(parent) // those who could be found will do
	return pids
}

// findChildren is childrenOf; with an error it is those who could be found.
func findChildren(parent int) ([]int, error) {
	pids, err := procfs.Children(parent)
	if err == nil || isShort(err) {
		return pids, err
	}
	all, err := processes()
	return slices.DeleteFunc(all, func(pid int) bool {
		s, unseen := readStat(pid)
		if isShort(unseen) {
			err = unseen
		}
		return s.parent != parent
	}), err
}

// unit is what the variable says of a process.
type unit struct {
	tree.Ref
	job bool
}

// errNoUnit is why a process is no unit of a tree.
var errNoUnit = errors.New("it has no such variable")

// unitOf returns the incarnation of a tree that a process belongs to by its
// environment. The error is errNoUnit or that of procfs.Environ.
func unitOf(pid int, treeID string, buffer *[]byte) (u unit, err error) {
	*buffer, err = procfs.Environ(pid, (*buffer)[:0])
	if err != nil {
		return unit{}, err
	}
	value, ok := strings.CutPrefix(procfs.Variable(*buffer, UnitVariable), treeID+":")
	if !ok {
		return unit{}, errNoUnit
	}
	value, job := strings.CutSuffix(value, ":"+jobMark)
	if job {
		value = value[:max(strings.LastIndexByte(value, ':'), 0)]
	}
	name, number, ok := strings.Cut(value, ":")
	generation, err := strconv.ParseUint(number, 10, 64)
	if !ok || name == "" || err != nil {
		return unit{}, errNoUnit
	}
	return unit{tree.Ref{ID: name, Generation: tree.Generation(generation)}, job}, nil
}
