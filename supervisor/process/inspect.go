package process

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"coppice/tree"
)

// survivorsMax is how many survivors are named.
const survivorsMax = 5

// inspect is Inspect, by whoever works.
func (r *Reaper) inspect(ref tree.Ref) {
	c := r.children[ref]
	if c == nil {
		return
	}
	left := r.survivors(c)
	if len(left) == 0 {
		if r.draining[ref] == c {
			r.settle(c)
		}
		return
	}
	var words []string
	for i, pid := range left {
		if i == survivorsMax {
			words = append(words, fmt.Sprintf("%d more", len(left)-i))
			break
		}
		words = append(words, survivorWords(pid))
	}
	r.tell(Survives{Ref: ref, Cause: strings.Join(words, ", ")})
}

// survivors are the processes that are left of a child, zombies aside.
func (r *Reaper) survivors(c *child) []int {
	var pids []int
	if c.cgroup != nil {
		pids = c.cgroup.members()
	}
	if c.cgroup == nil || c.loose || r.mains[c.group.number] == c {
		if !c.group.gone {
			r.census = nil
			for _, m := range r.members(c.group.number) {
				pids = append(pids, m.pid)
			}
			r.census = nil
		}
		for _, id := range r.strays(c) {
			pids = append(pids, id.PID)
		}
	}
	slices.Sort(pids)
	pids = slices.Compact(pids)
	alive := pids[:0]
	for _, pid := range pids {
		if s, err := readStat(pid); err == nil && !s.ended() {
			alive = append(alive, pid)
		}
	}
	return alive
}

// survivorWords says who a process is and why it is still there, as far as that can
// be seen.
func survivorWords(pid int) string {
	comm, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
	text := fmt.Sprintf("pid %d (%s", pid, strings.TrimSpace(string(comm)))
	s, _ := readStat(pid)
	switch {
	case s.state == 'D':
		text += ", waits for a device in the kernel, state D"
	case unix.Kill(pid, 0) == unix.EPERM:
		text += ", runs as somebody whom the daemon may not signal"
	}
	return text + ")"
}
