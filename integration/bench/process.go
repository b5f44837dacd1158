package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// footprint is what processes take, all together.
type footprint struct {
	pss       float64 // MiB; what several share is shared out
	threads   int
	fds       int
	processes int
}

func measureFootprint(pids []int) footprint {
	f := footprint{processes: len(pids)}
	for _, pid := range pids {
		f.pss += float64(field(pid, "smaps_rollup", "Pss:")) / 1024
		f.threads += field(pid, "status", "Threads:")
		fds, _ := os.ReadDir(proc(pid, "fd"))
		f.fds += len(fds)
	}
	return f
}

// effort is what processes have done since they exist, all together.
type effort struct {
	cpu      time.Duration
	switches int // of context, voluntary and not; of the threads that still live
}

func measureEffort(pids []int) effort {
	var e effort
	for _, pid := range pids {
		e.cpu += cpuClock(pid)
		tasks, _ := filepath.Glob(proc(pid, "task/*/status"))
		for _, task := range tasks {
			e.switches += fileField(task, "voluntary_ctxt_switches:") + fileField(task, "nonvoluntary_ctxt_switches:")
		}
	}
	return e
}

// less is what was done between two measurements.
func (e effort) less(before effort) effort {
	return effort{e.cpu - before.cpu, e.switches - before.switches}
}

func proc(pid int, name string) string { return fmt.Sprintf("/proc/%d/%s", pid, name) }

// field is the number behind a name in a file of /proc/PID; 0 where there is none.
func field(pid int, file, name string) int { return fileField(proc(pid, file), name) }

func fileField(path, name string) int {
	b, _ := os.ReadFile(path)
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			n, _ := strconv.Atoi(strings.Fields(rest)[0])
			return n
		}
	}
	return 0
}

// allPIDs are all processes of this machine, as far as this one sees them.
func allPIDs() []int {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	var all []int
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			all = append(all, pid)
		}
	}
	return all
}

// family are a process and all that descend from it, children of the bench (which run a program
// of its own) and what those have started left out.
func family(root int) []int {
	byParent := map[int][]int{}
	for _, pid := range allPIDs() {
		parent := field(pid, "status", "PPid:")
		byParent[parent] = append(byParent[parent], pid)
	}
	var all []int
	for next := []int{root}; len(next) > 0; next = next[1:] {
		if !alive(next[0]) || isChild(next[0]) {
			continue
		}
		all = append(all, next[0])
		next = append(next, byParent[next[0]]...)
	}
	return all
}

// isChild says that a process runs one of the programs that are supervised.
func isChild(pid int) bool {
	exe, _ := os.Readlink(proc(pid, "exe"))
	return filepath.Base(filepath.Dir(exe)) == childrenDir
}

// marked are all processes that carry the mark of a life in dir, or run a program in it.
func marked(dir string) []int {
	var all []int
	for _, pid := range allPIDs() {
		environ, _ := os.ReadFile(proc(pid, "environ"))
		exe, _ := os.Readlink(proc(pid, "exe"))
		if bytes.Contains(environ, []byte(mark+"="+dir)) || strings.HasPrefix(exe, dir+"/") {
			all = append(all, pid)
		}
	}
	return all
}

// alive says that a process is there and no zombie.
func alive(pid int) bool {
	b, err := os.ReadFile(proc(pid, "stat"))
	_, state, ok := strings.Cut(string(b), ") ")
	return err == nil && ok && !strings.HasPrefix(state, "Z") && !strings.HasPrefix(state, "X")
}

// killAll sends SIGKILL to processes that are this bench's own.
func killAll(pids []int) {
	for _, pid := range pids {
		if pid > 1 && pid != os.Getpid() {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
}
