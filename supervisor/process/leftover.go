package process

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Jobs are killed at growing intervals until none is found: 0.6 s in all.
const (
	leftoverPause = time.Millisecond
	leftoverLooks = 10
)

// EndLeftJobs kills the jobs that an earlier daemon of a tree has left among those
// that FindUnits found, and whatever they start meanwhile. Jobs are not adopted:
// nobody has read their output, and whoever wanted one asks for it again. The error
// names one that is still there.
func EndLeftJobs(treeID string, found []Found) error {
	return endLeft(treeID, found, func(f *Found) bool { return f.Job })
}

// EndLeft kills whatever an earlier run of a tree has left: what survived its end, or
// the descendants of processes that have died with daemon and keeper. The error names
// one that is still there. Those below another coppice that lives are left alone:
// somebody has copied the state folder of a tree that runs.
func EndLeft(treeID string) error {
	found, err := FindUnits(treeID)
	if err != nil {
		return nil // nobody can be found where there is no /proc
	}
	above := map[int]bool{unix.Getpid(): true}
	for pid := unix.Getppid(); pid > 1 && !above[pid]; pid = parentOf(pid) {
		above[pid] = true
	}
	return endLeft(treeID, found, func(f *Found) bool { return !keptByAnother(f.Identity.PID, above) })
}

// keptByAnother says whether a daemon or keeper is among the ancestors of a process
// that is none of this process's.
func keptByAnother(pid int, above map[int]bool) bool {
	var err error
	for range keptLooks {
		var is bool
		if is, err = kept(pid, above); err == nil {
			return is
		}
	}
	return isShort(err) // else an ancestor is hidden, as no coppice of this user is
}

// keptLooks is how often the ancestors of a process are looked at, of which one has ended
// meanwhile.
const keptLooks = 5

// kept is keptByAnother in one look. The error is that an ancestor could not be seen.
func kept(pid int, above map[int]bool) (bool, error) {
	for range 100 { // more than any row of ancestors is long
		s, err := readStat(pid)
		if err != nil {
			return false, err
		}
		if pid = s.parent; pid <= 1 || above[pid] {
			return false, nil
		}
		if comm, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm"); err == nil && strings.HasPrefix(string(comm), "coppice") {
			return true, nil
		}
	}
	return false, nil
}

func endLeft(treeID string, found []Found, which func(*Found) bool) error {
	pause := leftoverPause
	for look := 0; ; look++ {
		var left *Found
		for i := range found {
			if which(&found[i]) {
				left = &found[i]
				left.Identity.kill()
			}
		}
		switch {
		case left == nil:
			return nil
		case look == leftoverLooks:
			return fmt.Errorf("cannot end process %d, which an earlier daemon has started for %s: it was killed and is still there",
				left.Identity.PID, left.Ref.ID)
		case look > 0:
			time.Sleep(pause)
			pause = min(2*pause, lookMax/2)
		}
		var err error
		if found, err = FindUnits(treeID); err != nil {
			return err
		}
	}
}

// kill kills a process, and nobody else who has got its number.
func (id Identity) kill() {
	pidfd, err := unix.PidfdOpen(id.PID, 0)
	if err != nil {
		pidfd = -1
	} else {
		defer unix.Close(pidfd)
	}
	now, err := identify(id.PID, pidfd)
	switch {
	case id.PID <= 1 || err != nil || !now.Same(id):
	case pidfd >= 0:
		_ = unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0) // who is still there is found again
	default:
		_ = unix.Kill(id.PID, unix.SIGKILL)
	}
}
