package supervisor

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"coppice/supervisor/keeper"
	"coppice/supervisor/probe"
	"coppice/supervisor/process"
	"coppice/tree"
)

// fdStore has the descriptors that processes have left for their next incarnations,
// by the name of the process (sd_notify's FDSTORE). The keeper has a copy of each. Who
// hears the processes puts them in while the loop goes on, so that what a process said
// before its end is there when its next incarnation starts.
type fdStore struct {
	keeping *keeping

	mu   sync.Mutex
	all  map[string][]storedFD // in the order in which they came; none is empty
	last uint64                // number that was given out
}

// storedFD is one descriptor. The number tells it from others of its name, and is
// higher the later it came.
type storedFD struct {
	number  uint64
	name    string
	fd      int
	forever bool // it stays also when its other side has gone
}

func newFDStore(k *keeping) *fdStore {
	return &fdStore{keeping: k, all: map[string][]storedFD{}}
}

// restore takes what an earlier daemon has left with the keeper.
func (s *fdStore) restore() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for kept, fd := range s.keeping.held {
		if node, stored, ok := parseStored(kept); ok {
			delete(s.keeping.held, kept)
			stored.fd = fd
			s.all[node] = append(s.all[node], stored)
			s.last = max(s.last, stored.number)
		}
	}
	for _, list := range s.all {
		slices.SortFunc(list, func(a, b storedFD) int { return cmp.Compare(a.number, b.number) })
	}
}

// cut closes what is more than a limit, the latest first.
func (s *fdStore) cut(node string, limit int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.all[node]) > limit {
		s.remove(node, len(s.all[node])-1)
	}
}

// keeper takes what an incarnation passes, of which it may leave so much. refuse is
// told once that there was more.
func (s *fdStore) keeper(limit int, refuse func()) probe.Keeper {
	refuse = sync.OnceFunc(refuse)
	return func(p probe.Passed) {
		if !s.pass(p, limit) {
			refuse()
		}
	}
}

// pass does what an incarnation wants; false: not all could be stored.
func (s *fdStore) pass(p probe.Passed, limit int) (all bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(p.FDs) == 0 {
		for i := len(s.all[p.ID]) - 1; i >= 0; i-- {
			if s.all[p.ID][i].name == p.Name {
				s.remove(p.ID, i)
			}
		}
		return true
	}
	all = true
	for _, fd := range p.FDs {
		all = s.add(p, fd, limit) && all
	}
	return all
}

// add stores one descriptor unless it is there, under whatever name. The caller holds
// mu, as do those of the functions below.
func (s *fdStore) add(p probe.Passed, fd, limit int) bool {
	same := func(other storedFD) bool { return sameFile(fd, other.fd) }
	if slices.ContainsFunc(s.all[p.ID], same) {
		unix.Close(fd)
		return true
	}
	if len(s.all[p.ID]) >= limit {
		s.tidy(p.ID)
	}
	if len(s.all[p.ID]) >= limit {
		probe.Discard(fd)
		return false
	}
	s.last++
	stored := storedFD{number: s.last, name: p.Name, fd: fd, forever: p.Forever}
	s.all[p.ID] = append(s.all[p.ID], stored)
	s.keeping.put(storedName(p.ID, stored), fd)
	return true
}

// remove closes the descriptor at an index.
func (s *fdStore) remove(node string, i int) {
	gone := s.all[node][i]
	probe.Discard(gone.fd)
	s.keeping.drop(storedName(node, gone))
	if s.all[node] = slices.Delete(s.all[node], i, i+1); len(s.all[node]) == 0 {
		delete(s.all, node)
	}
}

// tidy closes those whose other side has gone: a connection that was hung up, a pipe
// that nobody reads. It is looked at when that matters, so that nothing wakes for it.
func (s *fdStore) tidy(node string) {
	for i := len(s.all[node]) - 1; i >= 0; i-- {
		if stored := s.all[node][i]; !stored.forever && hungUp(stored.fd) {
			s.remove(node, i)
		}
	}
}

// give copies what a process has left for its next incarnation, and is the environment
// that tells of it (sd_listen_fds(3)); nothing where there is nothing.
func (s *fdStore) give(node string) (*process.Passed, []string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tidy(node)
	var fds []int
	var names []string
	for _, stored := range s.all[node] {
		fds, names = append(fds, stored.fd), append(names, stored.name)
	}
	if fds == nil {
		return nil, nil, nil
	}
	passed, err := process.Pass(fds)
	return passed, []string{"LISTEN_FDS=" + strconv.Itoa(len(fds)), "LISTEN_FDNAMES=" + strings.Join(names, ":")}, err
}

// count is how many descriptors a process has left.
func (s *fdStore) count(node string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.all[node])
}

// release closes all that a process has left.
func (s *fdStore) release(node string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.all[node]) - 1; i >= 0; i-- {
		s.remove(node, i)
	}
}

// nodes are the processes that have left something.
func (s *fdStore) nodes() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.all))
}

// each calls f with each descriptor and what the keeper calls it.
func (s *fdStore) each(f func(kept string, fd int)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for node, list := range s.all {
		for _, stored := range list {
			f(storedName(node, stored), stored.fd)
		}
	}
}

// storedName is what the keeper calls a stored descriptor. Its own name comes last, for
// it may have blanks.
func storedName(node string, s storedFD) string {
	poll := "poll"
	if s.forever {
		poll = "forever"
	}
	return fmt.Sprintf("%s %s %d %s %s", keptStored, node, s.number, poll, s.name)
}

// parseStored is the inverse of storedName.
func parseStored(kept string) (node string, s storedFD, ok bool) {
	fields := strings.SplitN(kept, " ", 5)
	if len(fields) != 5 || fields[0] != keptStored {
		return "", s, false
	}
	number, err := strconv.ParseUint(fields[2], 10, 64)
	return fields[1], storedFD{number: number, name: fields[4], forever: fields[3] == "forever"}, err == nil
}

// hungUp says whether the other side of a descriptor has gone, for good.
func hungUp(fd int) bool {
	state := []unix.PollFd{{Fd: int32(fd)}}
	n, err := unix.Poll(state, 0)
	return err == nil && n > 0 && state[0].Revents&(unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) != 0
}

// kcmpFile is KCMP_FILE of kcmp(2).
const kcmpFile = 0

// sameFile says whether two descriptors are one open file. Where the system does not
// tell (kcmp(2) is often forbidden in a container) sockets, pipes and files are known by
// their inodes; of other things none is taken for another one.
func sameFile(a, b int) bool {
	pid := uintptr(unix.Getpid())
	order, _, errno := unix.RawSyscall6(unix.SYS_KCMP, pid, pid, kcmpFile, uintptr(a), uintptr(b), 0)
	if errno == 0 {
		return order == 0
	}
	var x, y unix.Stat_t
	if unix.Fstat(a, &x) != nil || unix.Fstat(b, &y) != nil {
		return false
	}
	switch x.Mode & unix.S_IFMT {
	case unix.S_IFSOCK, unix.S_IFIFO, unix.S_IFREG, unix.S_IFDIR:
		modeA, errA := unix.FcntlInt(uintptr(a), unix.F_GETFL, 0)
		modeB, errB := unix.FcntlInt(uintptr(b), unix.F_GETFL, 0) // a pipe has two ends
		return x.Dev == y.Dev && x.Ino == y.Ino && errA == nil && errB == nil && modeA == modeB
	}
	return false
}

// storeOf makes ready for what an incarnation is going to leave.
func (r *runtime) storeOf(ref tree.Ref, limit int) {
	r.stored.cut(ref.ID, limit)
	if limit == 0 {
		return
	}
	r.notify.Keep(ref, limit, r.stored.keeper(limit, func() {
		r.log.Warn("it has passed more descriptors than fd_store allows, and they are not kept",
			zap.String("node", ref.ID), zap.Int("fd_store", limit))
	}))
}

// given is what an incarnation is given of what its predecessor has left, and the
// environment that tells of it. The first one of a child has none: under its name there
// may have been another child.
func (r *runtime) given(ref tree.Ref, limit int) (*process.Passed, []string, error) {
	if n, ok := r.tree.Node(ref.ID); ok && n.LastEnd == nil {
		r.stored.release(ref.ID)
	}
	r.stored.cut(ref.ID, limit)
	return r.stored.give(ref.ID)
}

// releaseStored closes what those have left who have no next incarnation to come, as
// far as these reports can tell of such.
func (r *runtime) releaseStored(reports []tree.Report) {
	for i := range reports {
		switch reports[i].Kind {
		case tree.ReqMade, tree.StopDone, tree.ExitSeen, tree.StartFailure, tree.GaveUp, tree.ChildRemoved:
		default:
			continue
		}
		name := reports[i].Node
		if n, ok := r.tree.Node(name); !ok || n.Spec.Type == tree.Supervisor {
			r.releaseUnkept()
			return
		}
		if !r.tree.Keeps(name) {
			r.stored.release(name)
		}
	}
}

// releaseUnkept closes what is not to be kept any more, of all processes.
func (r *runtime) releaseUnkept() {
	for _, name := range r.stored.nodes() {
		if !r.tree.Keeps(name) {
			r.stored.release(name)
		}
	}
}

// heldStored are the stored descriptors, for a daemon that becomes the keeper.
func (r *runtime) heldStored() []keeper.Held {
	var held []keeper.Held
	r.stored.each(func(kept string, fd int) { held = append(held, keeper.Held{Name: kept, FD: fd}) })
	return held
}
