package process

import (
	"errors"
	"io/fs"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"coppice/supervisor/procfs"
)

// sight is what a look at processes was like: whether somebody could not be looked at
// for want of a descriptor or of memory, or in the middle of an execve(2). Who was not found may be there then.
type sight struct{ short bool }

// shortages are why what is there cannot be looked at now.
var shortages = []error{unix.EMFILE, unix.ENFILE, unix.ENOMEM, procfs.ErrExecuting}

// isShort says whether an error is one of them.
func isShort(err error) bool {
	return err != nil && slices.ContainsFunc(shortages, func(short error) bool { return errors.Is(err, short) })
}

// met takes note of an error.
func (s *sight) met(err error) { s.short = s.short || isShort(err) }

// stat is readStat.
func (s *sight) stat(pid int) (stat, error) {
	found, err := readStat(pid)
	s.met(err)
	return found, err
}

// childrenNow is childrenOf in one look, for one who looks again: some may be left out.
func (s *sight) childrenNow(pid int) []int {
	pids, err := procfs.ChildrenOnce(pid)
	if errors.Is(err, fs.ErrNotExist) { // there are no such lists here, or a thread has ended
		return s.childrenOf(pid)
	}
	s.met(err)
	return pids
}

// childrenOf is childrenOf.
func (s *sight) childrenOf(pid int) []int {
	pids, err := findChildren(pid)
	s.met(err)
	return pids
}

// unit is the value of the variable of a process.
func (s *sight) unit(pid int) string {
	environ, err := procfs.Environ(pid, nil)
	s.met(err)
	return procfs.Variable(environ, UnitVariable)
}

// hasUnit says whether it ends so.
func (s *sight) hasUnit(pid int, suffix string) bool { return strings.HasSuffix(s.unit(pid), suffix) }

// sure says that something is so, and that nothing was out of sight when it was looked
// for: a daemon without a descriptor does not take what it cannot see for gone.
func (r *Reaper) sure(so func() bool) bool {
	r.sight.short = false
	return so() && !r.sight.short
}
