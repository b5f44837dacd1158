package probe

import (
	"bufio"
	"bytes"
	"cmp"
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

var errNoTables = errors.New("cannot see which ports are listened on: there is no /proc/net/tcp")

// socketTables are those of the network namespace of a process, one for each family.
var socketTables = []string{"tcp", "tcp6"}

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
	inodes, err := readTables("/proc/net/")
	if err != nil {
		return nil, err
	}
	l.read, l.inodes = time.Now(), inodes
	return inodes[port], nil
}

// readTables reads the tables in a folder of /proc.
func readTables(folder string) (map[int][]uint64, error) {
	inodes := map[int][]uint64{}
	found := false
	for _, table := range socketTables {
		file, err := os.Open(folder + table)
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
		return nil, errNoTables
	}
	return inodes, nil
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

// listening asks whether one of a process's own processes listens on its port, in
// whatever network namespace that is. A stranger who does is named.
func (p *Prober) listening(ctx context.Context, q Question) error {
	inodes, err := p.listeners.on(q.Probe.Port)
	if err != nil {
		return cmp.Or(unasked(q.Probe, err), err)
	}
	l := &sight{}
	ports := ports{all: map[string]bool{}}
	ports.add(inodes, true)
	if l.holds(q.PID, ports.all) { // as most do, and all others need not be looked at
		return nil
	}
	near := l.below(q.PID)
	ports.elsewhere(q, l, near)
	if len(ports.all) == 0 {
		return l.unless(fmt.Errorf("nobody listens on port %d", q.Probe.Port))
	}
	for _, pid := range near {
		if l.holds(pid, ports.all) {
			return nil
		}
	}
	return p.search(ctx, q, l, ports)
}

// ports are the sockets that listen on a port, as links of descriptors show them.
type ports struct {
	all map[string]bool
	// here are those in the network of the main process, on which a stranger is in
	// the way.
	here map[string]bool
}

// add adds sockets; here says that they are in the network of the main process.
func (p *ports) add(inodes []uint64, here bool) {
	if here {
		p.here = make(map[string]bool, len(inodes))
	}
	for _, inode := range inodes {
		link := fmt.Sprintf("socket:[%d]", inode)
		p.all[link] = true
		if here {
			p.here[link] = true
		}
	}
}

// elsewhere adds those in the networks of processes that are not this one's. The main
// one is the first of them.
func (p *ports) elsewhere(q Question, l *sight, pids []int) {
	seen := map[string]bool{"": true, l.network("self"): true}
	for i, pid := range pids {
		name := l.network(strconv.Itoa(pid))
		if seen[name] {
			continue
		}
		seen[name] = true
		inodes, err := readTables(fmt.Sprintf("/proc/%d/net/", pid))
		l.could(err) // it may have ended
		p.add(inodes[q.Probe.Port], i == 0)
	}
}

// search looks at all processes for one that listens: at those that belong to the
// main one, and then at strangers.
func (p *Prober) search(ctx context.Context, q Question, l *sight, ports ports) error {
	own, others := l.relatives(q.PID)
	for _, pid := range own {
		if l.holds(pid, ports.all) {
			return nil
		}
	}
	for _, pid := range others {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !l.holds(pid, ports.all) {
			continue
		}
		if q.Mark != "" && l.marked(pid, q.Mark) { // a daemon that has left its session and its parents
			return nil
		}
		if !l.holds(pid, ports.here) {
			continue
		}
		return l.unless(&strangerError{fmt.Sprintf("port %d is listened on by %s (pid %d), which is not its own process", q.Probe.Port, l.nameOf(pid), pid)})
	}
	if len(ports.here) == 0 {
		return l.unless(fmt.Errorf("nobody listens on port %d in its network", q.Probe.Port))
	}
	return l.unless(&strangerError{fmt.Sprintf("port %d is listened on by a process that cannot be seen from here, which is not its own", q.Probe.Port)})
}

// relatives sorts all processes: those that are a main process, in its session or
// its group, or that descend from one of these, and all others.
func (s *sight) relatives(main int) (own, others []int) {
	parents, mine := map[int]int{}, map[int]bool{main: true}
	var pids []int
	for _, pid := range s.processes() {
		k, parent, ok := s.kin(pid)
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
