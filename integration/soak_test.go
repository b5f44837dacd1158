package integration

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"coppice/ipc"
)

// soakSmoke is how long TestSoak takes, warm-up aside, where SOAK says nothing.
const soakSmoke = 3 * time.Second

// The limits of the chatty children's logs, how many dynamic children there are at a time,
// and how many quiet ones.
const (
	soakLogSize  = 64 << 10
	soakLogFiles = 3
	soakPool     = 10
	soakQuiet    = 40
)

// soak is a load that is meant to go on for ever, and what the tree uses under it.
type soak struct {
	t     *testing.T
	bed   *bed
	w     *witnesses
	load  sync.WaitGroup
	done  [6]int // restarts seen, followers, polls, calls, reloads, dynamic children
	mu    sync.Mutex
	began time.Time
	names int // of dynamic children so far
	// seen is what the tree used, in the order of time; rests are the places in it of when
	// it was at rest.
	seen  []usage
	rests []int
}

// what is counted in soak.done.
const (
	soakEvents = iota
	soakFollowers
	soakPolls
	soakCalls
	soakReloads
	soakChildren
)

// usage is what a tree uses at one moment.
type usage struct {
	when        string
	at          time.Duration
	daemon      float64 // its PSS, MiB
	keeper      float64
	descriptors map[string]int
	threads     int
	cgroups     int
	journal     int64 // bytes
	logs        int64
	own         int64 // of coppice's own words
	files       int
}

// TestSoak puts a load on a tree for SOAK (a duration; 3 s without it) and wants it to use as
// much afterwards as before: the same descriptors and cgroups exactly, threads but for one or
// two, journal and logs below their documented limits, memory by a margin. `make soak SOAK=30m` has as much
// happen in half an hour as an ordinary tree sees in a day or more.
//
// It is compared when all loads have stopped and the tree is the same: what crashes or
// writes is stopped, nobody follows. A first part of the load, a tenth of it, is not
// counted: heaps, pools of threads and the journal come to their usual size in it.
func TestSoak(t *testing.T) {
	length, err := time.ParseDuration(os.Getenv("SOAK"))
	if err != nil {
		length = soakSmoke
	}
	s := newSoak(t)
	s.strain(max(length/10, 2*time.Second), 0)
	s.rest("before")
	s.strain(length/2, 6)
	s.rest("halfway")
	s.strain(length/2, 6)
	s.rest("after")
	s.table()
	s.compare()
}

func newSoak(t *testing.T) *soak {
	s := &soak{t: t, w: newWitnesses(t, t.TempDir()), began: time.Now()}
	s.bed = newBed(t, s.file(0))
	s.bed.up()
	return s
}

// file is the tree file. Its edits, from 0, are the same tree but for one process.
func (s *soak) file(edit int) string {
	file := `
[supervisor.root]
children = ["quiet", "loops", "herd", "chatty", "pool"]
[supervisor.loops]
intensity = "infinity"
children  = ["often", "seldom", "hungry", "unwell"]
[process.often]
command = ["false"]
backoff = { initial = "20ms", max = "20ms" }
[process.seldom]
command = ["sleep", "0.5"]
[process.hungry]
command = "echo it is hungry; exit 3"
backoff = { initial = "50ms", max = "2s", jitter = 0.5 }
[process.unwell]
command = ["sleep", "1000"]
health  = { command = ["false"], interval = "200ms", failures = 2 }
[supervisor.herd]
strategy  = "one_for_all"
intensity = "infinity"
children  = ["first", "second", "third"]
[process.first]
command = ["sleep", "1000"]
[process.second]
command = ["sleep", "1000"]
[process.third]
command = ["sleep", "1000"]
[template.pool]
command   = ["sleep", "1000"]
intensity = "infinity"
`
	file += "[supervisor.chatty]\nchildren = [\"loud\", \"louder\"]\n"
	limits := fmt.Sprintf("log = { max_size = \"%dKiB\", max_files = %d", soakLogSize>>10, soakLogFiles)
	file += s.w.process("loud", "20ms", limits+" }") + s.w.process("louder", "5ms", limits+", compress = true }")
	var quiet []string
	for i := range soakQuiet {
		quiet = append(quiet, fmt.Sprintf("%q", soakChild(i)))
		file += fmt.Sprintf("[process.%s]\ncommand = [\"sleep\", \"1000\"]\n", soakChild(i))
	}
	file += fmt.Sprintf("[process.changing]\ncommand = [\"sleep\", \"1000\"]\nenv = { EDIT = \"%d\" }\n", edit)
	return file + "[supervisor.quiet]\nintensity = \"infinity\"\nchildren = [\"changing\", " + strings.Join(quiet, ", ") + "]\n"
}

func soakChild(i int) string { return fmt.Sprintf("q%02d", i) }

// strain puts the load on the tree for a while, and looks so many times at what it uses.
func (s *soak) strain(length time.Duration, looks int) {
	ctx, cancel := context.WithTimeout(s.t.Context(), length)
	defer cancel()
	for _, load := range []func(context.Context){s.follow, s.follow, s.watch, s.poll, s.command, s.reload, s.instances} {
		s.load.Go(func() {
			for ctx.Err() == nil {
				load(ctx)
			}
		})
	}
	for range looks {
		select {
		case <-time.After(length / time.Duration(looks+1)):
			s.seen = append(s.seen, s.look("under it"))
		case <-ctx.Done():
		}
	}
	s.load.Wait()
}

// did counts one thing that was done, and tells what went wrong with it unless the load
// had ended meanwhile.
func (s *soak) did(ctx context.Context, what int, err error) {
	var refused *ipc.Error
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done[what]++
	if err != nil && ctx.Err() == nil && !errors.As(err, &refused) {
		s.t.Errorf("under the load: %v", err)
	}
}

// follow is a `logs -f` that comes and goes, watch an `events -f`.
func (s *soak) follow(ctx context.Context) {
	short, cancel := context.WithTimeout(ctx, time.Duration(rand.IntN(1500))*time.Millisecond)
	defer cancel()
	err := s.bed.client().Logs(short, ipc.LogQuery{Last: 10, Follow: true}, func(ipc.LogLine) error { return nil })
	s.did(short, soakFollowers, err)
}

func (s *soak) watch(ctx context.Context) {
	short, cancel := context.WithTimeout(ctx, time.Duration(rand.IntN(1500))*time.Millisecond)
	defer cancel()
	err := s.bed.client().Events(short, 0, true, func(ipc.Event) error { return nil })
	s.did(short, soakEvents, err)
}

func (s *soak) poll(ctx context.Context) {
	_, err := s.bed.client().Tree(ctx, true)
	s.did(ctx, soakPolls, err)
	pause(ctx, 100*time.Millisecond)
}

// command is what operators do: stops, starts and restarts, and kills that bring a whole
// group down.
func (s *soak) command(ctx context.Context) {
	name := soakChild(rand.IntN(soakQuiet))
	for _, c := range []ipc.Command{
		{Verb: "stop", Node: name},
		{Verb: "start", Node: name},
		{Verb: "restart", Node: name},
		{Verb: "kill", Node: "second", Signal: "SIGKILL"},
		{Verb: "kill", Node: name, Signal: "SIGKILL"},
	} {
		_, err := s.bed.client().Do(ctx, c)
		s.did(ctx, soakCalls, err)
		pause(ctx, 20*time.Millisecond)
	}
}

func (s *soak) reload(ctx context.Context) {
	s.bed.write("coppice.toml", s.file(rand.IntN(10)))
	_, err := s.bed.client().Reload(ctx, ipc.ReloadRequest{})
	s.did(ctx, soakReloads, err)
	pause(ctx, 500*time.Millisecond)
}

// instances come and go, each under a name of its own.
func (s *soak) instances(ctx context.Context) {
	s.names++
	_, err := s.bed.client().StartChild(ctx, ipc.ChildRequest{Supervisor: "pool", Name: fmt.Sprintf("i%d", s.names)})
	s.did(ctx, soakChildren, err)
	pause(ctx, 50*time.Millisecond)
	_, err = s.bed.client().Do(ctx, ipc.Command{Verb: "delete", Node: fmt.Sprintf("i%d", s.names-soakPool)})
	s.did(ctx, soakChildren, err)
}

func pause(ctx context.Context, span time.Duration) {
	select {
	case <-time.After(span):
	case <-ctx.Done():
	}
}

// rest brings the tree to the state in which it is compared, and notes what it uses once
// that does not change any more.
func (s *soak) rest(when string) {
	s.bed.write("coppice.toml", s.file(0))
	s.bed.must("reload")
	s.bed.must("stop", "loops")
	s.bed.must("stop", "chatty")
	for name := range s.bed.children("pool") {
		s.bed.must("delete-child", name)
	}
	for i := range soakQuiet {
		s.bed.must("start", soakChild(i))
	}
	until(s.t, "all that is to run does", func() bool { return len(pids(s.bed.tree().Root)) == soakQuiet+1+3 })
	var u usage
	until(s.t, "nothing changes any more", func() bool {
		time.Sleep(200 * time.Millisecond) // connections and compressions end meanwhile
		last := u
		u = s.look(when)
		return maps.Equal(last.descriptors, u.descriptors) && last.cgroups == u.cgroups
	})
	s.bed.must("start", "loops")
	s.bed.must("start", "chatty")
	s.rests = append(s.rests, len(s.seen))
	s.seen = append(s.seen, u)
}

// look measures what the tree uses now.
func (s *soak) look(when string) usage {
	s.t.Helper()
	tree, err := s.bed.client().Tree(s.t.Context(), false)
	if err != nil {
		s.t.Fatal(err)
	}
	u := usage{
		when: when, at: time.Since(s.began), descriptors: map[string]int{},
		daemon: pss(tree.Daemon.PID), keeper: pss(tree.Daemon.Keeper),
	}
	for _, pid := range []int{tree.Daemon.PID, tree.Daemon.Keeper} {
		tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		u.threads += len(tasks)
		for _, kind := range descriptorsOf(pid) {
			u.descriptors[kind]++
		}
	}
	u.cgroups = folders(tree.Daemon.Cgroup)
	state := s.bed.path(".coppice")
	_ = filepath.WalkDir(state, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil // it was rotated away
		}
		u.files++
		info, err := entry.Info()
		switch name := entry.Name(); {
		case err != nil:
		case strings.HasPrefix(name, "journal"):
			u.journal += info.Size()
		case strings.HasPrefix(name, "daemon.log"):
			u.own += info.Size()
		case strings.HasPrefix(path, filepath.Join(state, "log")+"/") && info.Mode().IsRegular():
			u.logs += info.Size()
		}
		return nil
	})
	return u
}

// descriptorsOf are the kinds of the descriptors of a process: files by their name, others
// without their number.
func descriptorsOf(pid int) []string {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, _ := os.ReadDir(dir)
	var kinds []string
	for _, entry := range entries {
		target, err := os.Readlink(filepath.Join(dir, entry.Name()))
		if err != nil {
			continue // it is closed by now
		}
		if kind, _, numbered := strings.Cut(target, ":["); numbered {
			target = kind
		} else if i := strings.Index(target, "/log/"); i >= 0 {
			target = "log"
		} else if strings.Contains(target, "/journal") {
			target = "journal"
		}
		kinds = append(kinds, target)
	}
	return kinds
}

// folders counts those below one, itself included; "" is none.
func folders(root string) int {
	n := 0
	if root != "" {
		_ = filepath.WalkDir(root, func(_ string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				n++
			}
			return nil
		})
	}
	return n
}

// table tells what was seen.
func (s *soak) table() {
	text := "\n              at  PSS MiB: daemon  keeper    fds  threads  cgroups   journal K      logs K   own K  files\n"
	for _, u := range s.seen {
		open := 0
		for _, n := range u.descriptors {
			open += n
		}
		text += fmt.Sprintf("%-8s %6.0fs %16.1f %7.1f %6d %8d %8d %11d %11d %7d %6d\n",
			u.when, u.at.Seconds(), u.daemon, u.keeper, open, u.threads, u.cgroups, u.journal>>10, u.logs>>10, u.own>>10, u.files)
	}
	restarts := 0
	for _, name := range []string{"often", "seldom", "hungry", "unwell", "first"} {
		restarts += s.bed.node(name).Restarts
	}
	s.t.Logf("%s%d restarts; %d readings of the events, %d of the logs, %d status polls, %d calls, %d reloads, %d dynamic children begun or deleted",
		text, restarts, s.done[soakEvents], s.done[soakFollowers], s.done[soakPolls], s.done[soakCalls], s.done[soakReloads], s.done[soakChildren])
}

// journalMax is what the journal takes at most: the present file and eight older ones of
// 4 MiB or twice a snapshot, which is far smaller here, and what one step adds beyond.
const journalMax = 9 * (4<<20 + 1<<20)

// ownLogMax is what daemon.log takes at most: two files of 16 MiB, and what is said until the
// journal is begun anew, which is when they are looked at.
const ownLogMax = 2 * (16<<20 + 8<<20)

// compare wants the tree to use as much as before.
func (s *soak) compare() {
	t, before, halfway, after := s.t, s.seen[s.rests[0]], s.seen[s.rests[1]], s.seen[s.rests[2]]
	if !maps.Equal(before.descriptors, after.descriptors) {
		t.Errorf("descriptors of daemon and keeper:\n before %v\n after  %v", before.descriptors, after.descriptors)
	}
	if after.threads > before.threads+2 {
		t.Errorf("%d threads, and %d before", after.threads, before.threads)
	}
	if after.cgroups != before.cgroups {
		t.Errorf("%d cgroups, and %d before", after.cgroups, before.cgroups)
	}
	if after.journal > journalMax {
		t.Errorf("the journal takes %d bytes, and should take %d at most", after.journal, int64(journalMax))
	}
	if after.own > ownLogMax {
		t.Errorf("daemon.log takes %d bytes, and should take %d at most", after.own, int64(ownLogMax))
	}
	// Of the others nobody writes much.
	if most := int64(2*soakLogFiles*(soakLogSize+4<<10) + 1<<20); after.logs > most {
		t.Errorf("the logs take %d bytes, and should take %d at most", after.logs, most)
	}
	// A heap may be twice what lives in it before it is collected, and is given back late.
	most := 1.5*max(before.daemon+before.keeper, halfway.daemon+halfway.keeper) + 8
	if after.daemon+after.keeper > most {
		t.Errorf("daemon and keeper take more than %.1f MiB, half as much again as before the load or halfway", most)
	}
}
