package probe

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// socketTables are those of this network namespace, one for each family.
var socketTables = []string{"/proc/net/tcp", "/proc/net/tcp6"}

// listeningState is TCP_LISTEN as the tables write it.
const listeningState = "0A"

// tableAge is how old a reading of the tables may be: thousands of processes that
// start at once look at the same one.
const tableAge = 10 * time.Millisecond

// listeners are the listening TCP sockets by port, as they were a moment ago.
type listeners struct {
	mu     sync.Mutex
	read   time.Time
	inodes map[int][]uint64
}

// on are the inodes of the sockets that listen on a port.
func (l *listeners) on(port int) ([]uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.inodes != nil && time.Since(l.read) < tableAge {
		return l.inodes[port], nil
	}
	inodes := map[int][]uint64{}
	found := false
	for _, path := range socketTables {
		file, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // there is no IPv6, or no /proc
		}
		if err != nil {
			return nil, fmt.Errorf("cannot see which ports are listened on: %w", err)
		}
		scanner := bufio.NewScanner(file)
		for scanner.Scan() {
			if port, inode, ok := parseListener(scanner.Bytes()); ok {
				inodes[port] = append(inodes[port], inode)
			}
		}
		file.Close()
		if err := scanner.Err(); err != nil {
			return nil, fmt.Errorf("cannot see which ports are listened on: %w", err)
		}
		found = true
	}
	if !found {
		return nil, errors.New("cannot see which ports are listened on: there is no /proc/net/tcp")
	}
	l.read, l.inodes = time.Now(), inodes
	return inodes[port], nil
}

// parseListener reads a line of a table: of a listening socket, its port and its
// inode.
//
//	sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
//	 0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 31337
func parseListener(line []byte) (port int, inode uint64, ok bool) {
	fields := bytes.Fields(line)
	if len(fields) < 10 || string(fields[3]) != listeningState {
		return 0, 0, false
	}
	local := string(fields[1])
	number, err1 := strconv.ParseUint(local[strings.LastIndexByte(local, ':')+1:], 16, 16)
	inode, err2 := strconv.ParseUint(string(fields[9]), 10, 64)
	return int(number), inode, err1 == nil && err2 == nil && inode != 0
}

// listening asks whether one of a process's own processes listens on its port. A
// stranger who does is named.
func (p *Prober) listening(ctx context.Context, q Question) error {
	inodes, err := p.listeners.on(q.Probe.Port)
	if err != nil {
		return err
	}
	if len(inodes) == 0 {
		return fmt.Errorf("nobody listens on port %d", q.Probe.Port)
	}
	links := make(map[string]bool, len(inodes))
	for _, inode := range inodes {
		links[fmt.Sprintf("socket:[%d]", inode)] = true
	}
	if holds(q.PID, links) { // as most do, and all others need not be looked at
		return nil
	}
	own, others := relatives(q.PID)
	for _, pid := range own {
		if holds(pid, links) {
			return nil
		}
	}
	for _, pid := range others {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !holds(pid, links) {
			continue
		}
		if q.Mark != "" && marked(pid, q.Mark) { // a daemon that has left its session and its parents
			return nil
		}
		return &strangerError{fmt.Sprintf("port %d is listened on by %s (pid %d), which is not its own process", q.Probe.Port, nameOf(pid), pid)}
	}
	return &strangerError{fmt.Sprintf("port %d is listened on by a process that cannot be seen from here, which is not its own", q.Probe.Port)}
}

// relatives sorts all processes: those that are a main process, in its session or
// its group, or that descend from one of these, and all others.
func relatives(main int) (own, others []int) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return []int{main}, nil
	}
	parents, mine := map[int]int{}, map[int]bool{main: true}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		k, parent, ok := readKin(pid)
		if !ok {
			continue // it has just ended
		}
		pids = append(pids, pid)
		parents[pid] = parent
		if k.group == main || k.session == main {
			mine[pid] = true
		}
	}
	for _, pid := range pids {
		if descends(pid, parents, mine) {
			own = append(own, pid)
		} else {
			others = append(others, pid)
		}
	}
	return own, others
}

// descends walks up from a process to one of mine.
func descends(pid int, parents map[int]int, mine map[int]bool) bool {
	for range ancestorsMax {
		if mine[pid] {
			return true
		}
		if pid = parents[pid]; pid == 0 {
			return false
		}
	}
	return false
}

// readKin reads a process's parent, group and session (fields 4 to 6 of its stat).
func readKin(pid int) (k kin, parent int, ok bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return kin{}, 0, false
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 4 {
		return kin{}, 0, false
	}
	var numbers [3]int
	for i := range numbers {
		if numbers[i], err = strconv.Atoi(string(fields[1+i])); err != nil {
			return kin{}, 0, false
		}
	}
	return kin{pid: pid, group: numbers[1], session: numbers[2]}, numbers[0], true
}

// holds says whether a process has a descriptor of one of these sockets.
func holds(pid int, links map[string]bool) bool {
	folder := fmt.Sprintf("/proc/%d/fd/", pid)
	entries, err := os.ReadDir(folder)
	if err != nil {
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
func marked(pid int, variable string) bool {
	environment, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return false
	}
	for entry := range bytes.SplitSeq(environment, []byte{0}) {
		if string(entry) == variable {
			return true
		}
	}
	return false
}

// nameOf is what a process is called, made safe.
func nameOf(pid int) string {
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return "a process"
	}
	return Clean(string(name))
}
