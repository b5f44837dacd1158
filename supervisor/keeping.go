package supervisor

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"coppice/supervisor/keeper"
	"coppice/supervisor/logs"
	"coppice/supervisor/process"
	"coppice/tree"
)

// What the keeper has, by name: single things, and those that come once for each
// process, whose names go on with what they are.
const (
	keptLock    = "lock"
	keptSocket  = keeper.ListenName
	keptExits   = keeper.ExitsName
	keptCharge  = "charge"  // a memory file with a Charge
	keptOrphan  = "orphan"  // the keeper is not the one that was waited for
	keptBehind  = "behind"  // the journal could not be written: it lacks its end
	keptJobs    = "jobs"    // there have been jobs, and some may be left
	keptPipe    = "log"     // NAME STREAM MARK INODE
	keptNotify  = "notify"  // NAME GENERATION
	keptReady   = "ready"   // NAME GENERATION: a pipe
	keptProcess = "process" // NAME GENERATION: a pidfd
	keptStored  = "stored"  // NAME NUMBER POLL FDNAME: of the store of a process
)

// exitsName is the file in which the keeper notes how processes ended.
const exitsName = "exits"

// Charge is what a daemon tells the next one that the keeper starts, which has
// the same command line and may look for nothing on disk.
type Charge struct {
	Folders Folders
	// Detached says that nobody waits for the keeper: it was started by `up -d`.
	Detached bool
	// TreeID is what the tree's processes are marked with.
	TreeID string
	// Strangers are the children that the keeper's process had before it had any of the
	// tree's, from the program that it was before: `exec coppice up` in a script.
	Strangers []process.Identity `json:",omitempty"`
}

// GiveUp says that this daemon cannot find out what it is to do, and that its keeper,
// if it has had one before, is to try again with another.
func GiveUp() { joined().givenUp.Store(true) }

// Claimed says that the keeper of this process has had a daemon that claimed the
// state folder: there is nobody else to ask or to wait for. Whoever asked at the
// socket would ask itself.
func Claimed() bool { return joined().claimed }

// chargeBytesMax is more than three paths take.
const chargeBytesMax = 1 << 16

// Charged is what an earlier daemon of this process's keeper has left to do;
// false: this is the first one, or there is no keeper.
func Charged() (Charge, bool) {
	c := joined().left
	if c == nil {
		return Charge{}, false
	}
	return *c, true
}

// readCharge reads what an earlier daemon has left to do; nil: there was none.
func readCharge(fd int) *Charge {
	content := make([]byte, chargeBytesMax)
	n, err := unix.Pread(fd, content, 0)
	var c Charge
	if err != nil || json.Unmarshal(content[:n], &c) != nil {
		return nil
	}
	return &c
}

// keeping is the daemon's side of what a keeper does for it. Without a keeper
// all of it does nothing.
type keeping struct {
	link    *keeper.Link
	held    map[string]int // descriptors that an earlier daemon left, until they are taken
	left    *Charge        // by an earlier daemon
	claimed bool           // an earlier daemon has left something
	// own are the single things that the keeper has a copy of.
	own map[string]*os.File
	// resuming says that an earlier daemon of this keeper's is gone on with.
	resuming bool
	// givenUp says that the keeper is to try again with another daemon.
	givenUp atomic.Bool
	// begun says that this daemon has come to run the tree, or will never.
	begun atomic.Bool

	// pipesMu guards pipes, which the keeper has a copy of, by inode.
	pipesMu sync.Mutex
	pipes   map[uint64]bool

	// exitsMu guards what follows: the loop, the reaper and the link's goroutine
	// come here.
	exitsMu  sync.Mutex
	exits    map[int][]keeper.Exit      // by pid
	expected map[int][]process.Identity // by pid
}

// joined is the keeping of this process.
var joined = sync.OnceValue(func() *keeping {
	k := &keeping{
		link: keeper.Linked(), held: map[string]int{}, own: map[string]*os.File{}, pipes: map[uint64]bool{},
		exits: map[int][]keeper.Exit{}, expected: map[int][]process.Identity{},
	}
	if k.link == nil {
		return k
	}
	for _, h := range k.link.Held() {
		k.held[h.Name] = h.FD
	}
	k.claimed = len(k.held) > 0
	if fd, ok := k.held[keptCharge]; ok {
		k.left = readCharge(fd)
	}
	k.remember(k.link.Exits())
	return k
})

func identityOf(e keeper.Exit) process.Identity {
	return process.Identity{PID: e.PID, Start: e.Start, Inode: e.Inode}
}

// take is one thing that was kept; nil: there is none. It is the caller's.
func (k *keeping) take(name string) *os.File {
	fd, ok := k.held[name]
	if !ok {
		return nil
	}
	delete(k.held, name)
	return os.NewFile(uintptr(fd), name)
}

// put gives the keeper a copy of a descriptor. Where that cannot be made, what would
// have been kept is looked for in other ways should this daemon die.
func (k *keeping) put(name string, fd int) { _ = k.link.Put(name, fd) }

func (k *keeping) drop(name string) { k.link.Drop(name) }

// putPipe gives the keeper a copy of the read end of a pipe, unless it has one.
func (k *keeping) putPipe(p logs.Pipe, fd int) {
	k.pipesMu.Lock()
	defer k.pipesMu.Unlock()
	if !k.pipes[p.Inode] {
		k.pipes[p.Inode] = k.link.Put(pipeName(p), fd) == nil
	}
}

// dropPipe says that a pipe has ended.
func (k *keeping) dropPipe(p logs.Pipe) {
	k.pipesMu.Lock()
	defer k.pipesMu.Unlock()
	delete(k.pipes, p.Inode)
	k.drop(pipeName(p))
}

// charge leaves the next daemon what it has to know.
func (k *keeping) charge(c Charge) error {
	if k.link == nil {
		return nil
	}
	content, err := json.Marshal(c)
	if err != nil {
		return err
	}
	fd, err := unix.MemfdCreate("coppice", unix.MFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("cannot make a memory file: %w", err)
	}
	k.own[keptCharge] = os.NewFile(uintptr(fd), keptCharge)
	if _, err := k.own[keptCharge].WriteAt(content, 0); err != nil {
		return fmt.Errorf("cannot write a memory file: %w", err)
	}
	k.put(keptCharge, fd)
	return nil
}

func refName(kind string, ref tree.Ref) string {
	return kind + " " + ref.ID + " " + strconv.FormatUint(uint64(ref.Generation), 10)
}

func pipeName(p logs.Pipe) string {
	return fmt.Sprintf("%s %s %s %d %d", keptPipe, p.Name, p.Stream, cmp.Or(p.Made, p.Mark), p.Inode)
}

// parsePipe is the inverse of pipeName.
func parsePipe(name string) (p logs.Pipe, ok bool) {
	fields := strings.Fields(name)
	if len(fields) != 5 || fields[0] != keptPipe {
		return p, false
	}
	mark, err := strconv.ParseUint(fields[3], 10, 32)
	if err != nil {
		return p, false
	}
	inode, err := strconv.ParseUint(fields[4], 10, 64)
	return logs.Pipe{Name: fields[1], Stream: fields[2], Mark: uint32(mark), Inode: inode}, err == nil
}

// takePipes hands over the pipes that were kept, those of earlier incarnations first,
// and returns their inodes. mark is that of the incarnation which has a pipe now, 0: it is
// not known to have changed hands.
func (k *keeping) takePipes(mark func(logs.Pipe) uint32, each func(logs.Pipe, *os.File)) map[uint64]bool {
	var pipes []logs.Pipe
	for name := range k.held {
		if p, ok := parsePipe(name); ok {
			if now := mark(p); p.Mark > 0 && now > p.Mark { // one without a mark is known by that
				p.Made, p.Mark = p.Mark, now
			}
			pipes = append(pipes, p)
		}
	}
	slices.SortFunc(pipes, func(a, b logs.Pipe) int { return cmp.Compare(a.Mark, b.Mark) })
	taken := map[uint64]bool{}
	for _, p := range pipes {
		each(p, k.take(pipeName(p)))
		taken[p.Inode] = true
		k.pipesMu.Lock()
		k.pipes[p.Inode] = true
		k.pipesMu.Unlock()
	}
	return taken
}

// takePIDFD is the kept pidfd of a process; -1: there is none.
func (k *keeping) takePIDFD(ref tree.Ref) int {
	name := refName(keptProcess, ref)
	fd, ok := k.held[name]
	if !ok {
		return -1
	}
	delete(k.held, name)
	return fd
}

// expect says that the exit of a process is one of ours.
func (k *keeping) expect(id process.Identity) {
	k.exitsMu.Lock()
	defer k.exitsMu.Unlock()
	k.expected[id.PID] = append(k.expected[id.PID], id)
}

// expects says whether an exit is one of ours. The caller holds exitsMu.
func (k *keeping) expects(e keeper.Exit) bool {
	return slices.ContainsFunc(k.expected[e.PID], func(id process.Identity) bool { return id.Same(identityOf(e)) })
}

// ended is how a process ended, if the keeper has seen it.
func (k *keeping) ended(id process.Identity) (process.Ended, bool) {
	k.exitsMu.Lock()
	defer k.exitsMu.Unlock()
	for _, e := range k.exits[id.PID] {
		if id.Same(identityOf(e)) {
			return process.Ended{Exit: exitOf(e), At: time.Unix(0, e.Wall)}, true
		}
	}
	return process.Ended{}, false
}

func exitOf(e keeper.Exit) tree.Exit {
	if e.Signal != 0 {
		return tree.Exit{Signal: process.SignalName(e.Signal)}
	}
	return tree.Exit{Code: e.Code}
}

// heard takes an exit that the keeper tells; true: it is one of ours. The others
// are orphans, of which nobody wants to know.
func (k *keeping) heard(e keeper.Exit) bool {
	k.exitsMu.Lock()
	defer k.exitsMu.Unlock()
	if !k.expects(e) {
		k.link.Taken(e)
		return false
	}
	k.exits[e.PID] = append(k.exits[e.PID], e)
	return true
}

// untaken are the exits that are not in the journal.
func (k *keeping) untaken() []keeper.Exit {
	k.exitsMu.Lock()
	defer k.exitsMu.Unlock()
	var exits []keeper.Exit
	for _, some := range k.exits {
		exits = append(exits, some...)
	}
	return exits
}

// settled says that the end of a process is in the journal.
func (k *keeping) settled(id process.Identity) {
	k.exitsMu.Lock()
	defer k.exitsMu.Unlock()
	k.expected[id.PID] = slices.DeleteFunc(k.expected[id.PID], id.Same)
	if len(k.expected[id.PID]) == 0 {
		delete(k.expected, id.PID)
	}
	k.letGo(id.PID, func(e keeper.Exit) bool { return id.Same(identityOf(e)) })
}

// settleStrangers lets go of the exits that nobody expects.
func (k *keeping) settleStrangers() {
	k.exitsMu.Lock()
	defer k.exitsMu.Unlock()
	for pid := range k.exits {
		k.letGo(pid, func(e keeper.Exit) bool { return !k.expects(e) })
	}
}

// letGo tells the keeper that exits of a number need not be kept. The caller holds
// exitsMu.
func (k *keeping) letGo(pid int, which func(keeper.Exit) bool) {
	k.exits[pid] = slices.DeleteFunc(k.exits[pid], func(e keeper.Exit) bool {
		if !which(e) {
			return false
		}
		k.link.Taken(e)
		return true
	})
	if len(k.exits[pid]) == 0 {
		delete(k.exits, pid)
	}
}

// remember takes exits that a keeper noted which is gone itself.
func (k *keeping) remember(exits []keeper.Exit) {
	k.exitsMu.Lock()
	defer k.exitsMu.Unlock()
	for _, e := range exits {
		k.exits[e.PID] = append(k.exits[e.PID], e)
	}
}

// Final tells the keeper, if there is one, that this process is about to end with an
// exit code and that this is no crash: the keeper ends with the same. A daemon that
// could not go on with a tree for a reason that may pass (a disk that is full, a
// folder that is not as it should be) has crashed: the keeper tries again.
func Final(code int) {
	if keeper.Linked() == nil || joined().givenUp.Load() {
		return
	}
	if _, resuming := Charged(); resuming && !joined().begun.Load() {
		return
	}
	keeper.Linked().Final(code)
}
