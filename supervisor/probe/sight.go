package probe

import (
	"bytes"
	"fmt"
	"os"
	"strconv"

	"coppice/supervisor/procfs"
)

// sight looks into /proc, and remembers if it could not look for a shortage: what it
// has not found may be there.
type sight struct{ short error }

// could notes why something could not be read, and says whether it could.
func (s *sight) could(err error) bool {
	if err != nil && shortage(err) != 0 {
		s.short = err
	}
	return err == nil
}

// unless is an answer that is only good if all could be seen.
func (s *sight) unless(answer error) error {
	if s.short != nil {
		return &Unasked{s.short}
	}
	return answer
}

// read is a file of a process; nil: there is none, or it is not ours to read.
func (s *sight) read(format string, args ...any) []byte {
	content, err := os.ReadFile(fmt.Sprintf(format, args...))
	if !s.could(err) {
		return nil
	}
	return content
}

// processes are the numbers of all processes.
func (s *sight) processes() []int {
	entries, err := os.ReadDir("/proc")
	s.could(err)
	var pids []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// below are a process and those that descend from it.
func (s *sight) below(pid int) []int {
	pids := []int{pid}
	for i := 0; i < len(pids) && len(pids) < belowMax; i++ {
		children, err := procfs.Children(pids[i])
		s.could(err)
		pids = append(pids, children...)
	}
	return pids
}

// belowMax is how many processes below one are looked at: whoever has more does not
// listen in one of them that is in another network.
const belowMax = 256

// network names the network namespace of a process, "self" this one's; "": it cannot be
// seen.
func (s *sight) network(pid string) string {
	name, err := os.Readlink("/proc/" + pid + "/ns/net")
	s.could(err)
	return name
}

// kin reads a process's parent, group and session (fields 4 to 6 of its stat).
func (s *sight) kin(pid int) (k kin, parent int, ok bool) {
	stat := s.read("/proc/%d/stat", pid)
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 4 {
		return kin{}, 0, false
	}
	var numbers [3]int
	for i := range numbers {
		var err error
		if numbers[i], err = strconv.Atoi(string(fields[1+i])); err != nil {
			return kin{}, 0, false
		}
	}
	return kin{pid: pid, group: numbers[1], session: numbers[2]}, numbers[0], true
}

// holds says whether a process has a descriptor of one of these sockets.
func (s *sight) holds(pid int, links map[string]bool) bool {
	folder := fmt.Sprintf("/proc/%d/fd/", pid)
	entries, err := os.ReadDir(folder)
	if !s.could(err) {
		return false // it has ended, or is not ours to look at
	}
	for _, e := range entries {
		if target, err := os.Readlink(folder + e.Name()); err == nil && links[target] {
			return true
		}
	}
	return false
}

// marked says whether a process has a variable in its environment, as it was when
// it was started.
func (s *sight) marked(pid int, variable string) bool {
	environ, err := procfs.Environ(pid, nil)
	s.could(err)
	for entry := range bytes.SplitSeq(environ, []byte{0}) {
		if string(entry) == variable {
			return true
		}
	}
	return false
}

// nameOf is what a process is called, made safe.
func (s *sight) nameOf(pid int) string {
	name := s.read("/proc/%d/comm", pid)
	if name == nil {
		return "a process"
	}
	return Clean(string(name))
}
