package supervisor

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"coppice/configs"
	"coppice/supervisor/journal"
	"coppice/supervisor/logs"
	"coppice/supervisor/process"
	"coppice/tree"
)

// world is what is found of an earlier daemon's processes, beside what its
// journal says of them.
type world struct {
	// alive are those that the journal knows and that are there.
	alive map[tree.Ref]process.Identity
	// ahead are processes that the journal should know and does not: it has lost
	// its end.
	ahead []process.Found
	// forked are those that were forked, and the journal was not told any more.
	forked map[tree.Ref]process.Identity
	// found are all processes that carry the tree's mark, where that was looked at.
	found []process.Found
}

// processes are the processes of a tree as its status has them.
func processes(s tree.Status, each func(tree.Status)) {
	if s.Spec.Type == tree.Process {
		each(s)
	}
	for _, c := range s.Children {
		processes(c, each)
	}
}

// look finds out what there is. The walk over all processes finds what a journal
// has lost; a keeper that lives has lost nothing, so then it is done only if a
// start was not answered.
func (p *past) look(treeID string, walk bool) (world, error) {
	w := world{alive: map[tree.Ref]process.Identity{}, forked: map[tree.Ref]process.Identity{}}
	lost := map[tree.Ref]bool{} // that run, as the tree says, and nobody wrote down which
	unanswered := map[tree.Ref]bool{}
	last := tree.Generation(0)
	if p.tree != nil {
		last = p.tree.LastGeneration()
		processes(p.tree.Status(), func(s tree.Status) {
			ref := tree.Ref{ID: s.Spec.ID, Generation: s.Generation}
			if s.PID == 0 {
				return
			}
			if id := process.Identity(p.spawned[ref].Identity); id.PID == 0 {
				lost[ref] = true
			} else if id.Lives() {
				w.alive[ref] = id
			}
		})
		for _, a := range p.tree.Redo() {
			if start, ok := a.(tree.Start); ok {
				unanswered[start.Ref] = true
				if s, ok := p.spawned[start.Ref]; ok {
					w.forked[start.Ref] = process.Identity(s.Identity)
				} else {
					walk = true
				}
			}
		}
	}
	if _, err := os.Stat("/proc/self"); !walk || err != nil { // nobody can be found where there is no /proc
		return w, nil
	}
	found, err := process.FindUnits(treeID)
	if err != nil {
		return w, fmt.Errorf("cannot look for the processes of an earlier daemon: %w", err)
	}
	w.found = found
	for _, f := range leaders(slices.Clone(found)) {
		switch {
		case unanswered[f.Ref]:
			w.forked[f.Ref] = f.Identity
		case lost[f.Ref] || f.Ref.Generation > last:
			w.ahead = append(w.ahead, f)
		}
	}
	return w, nil
}

// leaders are the main processes among those that carry a mark: of each
// incarnation the one that leads a session and was started first.
func leaders(found []process.Found) []process.Found {
	found = slices.DeleteFunc(found, func(f process.Found) bool { return !f.Leader })
	slices.SortFunc(found, func(a, b process.Found) int {
		return cmp.Or(strings.Compare(a.Ref.ID, b.Ref.ID), -cmp.Compare(a.Ref.Generation, b.Ref.Generation),
			cmp.Compare(a.Identity.Start, b.Identity.Start), cmp.Compare(a.Identity.PID, b.Identity.PID))
	})
	// The latest incarnation of a name is the one that counts.
	return slices.CompactFunc(found, func(a, b process.Found) bool { return a.Ref.ID == b.Ref.ID })
}

// empty says that no process of the tree is there any more.
func (w *world) empty() bool { return len(w.alive)+len(w.ahead)+len(w.forked) == 0 }

// resume goes on with the tree of an earlier daemon, and does what is asked for and
// not answered. It returns once it is known of every process whether it lives.
func (r *runtime) resume(p *past, w world, redo []tree.Action) {
	r.takeOver(p)
	r.releaseUnkept()
	list := r.adoptions(p, w)
	r.reaper.Adopt(list)
	r.adoptOutputs(p)
	processes(r.tree.Status(), func(s tree.Status) { r.adoptReady(s, w) })
	r.startReaper()
	r.step(tree.Resumed{})
	r.awaitAdoption()
	r.redo(p, redo)
	r.keepProcesses()
}

// takeOver makes what an earlier daemon knew this one's.
func (r *runtime) takeOver(p *past) {
	r.tree, r.wanted, r.zero = p.tree, p.wanted, p.zero
	r.record.spawned = maps.Clone(p.spawned) // which goes on with what it knows
	r.lastCall = p.tree.LastCall()
	r.down = p.tree.Ending()
}

// adoptions are the processes that the reaper is to take over, the dead ones
// included: how they ended is to be found out.
func (r *runtime) adoptions(p *past, w world) []process.Adoption {
	asked, frozen := map[tree.Ref]bool{}, map[tree.Ref]bool{}
	for _, a := range p.tree.Redo() {
		switch a := a.(type) {
		case tree.Freeze:
			frozen[a.Ref] = true
		case tree.Stop:
			asked[a.Ref] = true
		case tree.Kill:
			asked[a.Ref] = true
		}
	}
	carriers := map[tree.Ref][]process.Identity{}
	for _, f := range w.found {
		if !f.Job {
			carriers[f.Ref] = append(carriers[f.Ref], f.Identity)
		}
	}
	var list []process.Adoption
	add := func(ref tree.Ref, id process.Identity, unanswered bool) {
		if id.Cgroup == "" {
			id.Cgroup = r.cgroups.Holding(ref.ID, id.PID) // it was forked and not written down
		}
		a := process.Adoption{
			Ref: ref, Identity: id, PIDFD: r.keeping.takePIDFD(ref),
			Asked: asked[ref], Unanswered: unanswered, Frozen: frozen[ref], Lookup: r.keeping.ended,
		}
		for _, other := range carriers[ref] {
			if other.PID != id.PID {
				a.Left = append(a.Left, other)
			}
		}
		if e, ok := p.reaped[ref]; ok {
			a.Ended = &process.Ended{Exit: e.Exit, At: e.At}
		}
		r.keeping.expect(id)
		r.adoptees[ref] = true
		list = append(list, a)
	}
	processes(p.tree.Status(), func(s tree.Status) {
		ref := tree.Ref{ID: s.Spec.ID, Generation: s.Generation}
		if s.PID != 0 {
			add(ref, process.Identity(p.spawned[ref].Identity), false)
		}
	})
	for ref, id := range w.forked {
		add(ref, id, true)
		if p.spawned[ref].Identity.PID == 0 {
			r.record.Spawned(ref, id)
			p.spawned[ref] = journal.Spawned{Ref: ref, Identity: journal.Identity(id)}
		}
	}
	return list
}

// awaitAdoption hears what the reaper finds until it has looked at all.
func (r *runtime) awaitAdoption() {
	looked := make(chan struct{})
	r.reaper.Do(func() { close(looked) })
	<-looked
	r.heedAll()
}

// redo carries out what was asked for, was not answered, and may not have been
// done. A stop signal that was sent is not sent again: a second one means
// something else to many programs. A kill is.
func (r *runtime) redo(p *past, before []tree.Action) {
	still := map[tree.Action]bool{}
	for _, a := range r.tree.Redo() {
		still[key(a)] = true
	}
	for _, a := range before {
		if isAnswered(a) && !still[key(a)] {
			continue
		}
		if start, ok := a.(tree.Start); ok && (r.adoptees[start.Ref] || r.stopsBefore(start)) {
			continue
		}
		if stop, ok := a.(tree.Stop); ok {
			if _, sent := p.sent[stop.Ref]; sent {
				continue
			}
		}
		r.execute(a)
	}
	if len(r.queue) > 0 {
		events := r.queue
		r.queue = nil
		r.step(events...)
	}
}

// isAnswered says whether an action is one that the tree waits for the answer of, or
// that holds until another one: what Redo lists.
func isAnswered(a tree.Action) bool {
	switch a.(type) {
	case tree.Start, tree.Stop, tree.Kill, tree.Freeze, tree.Draw, tree.AfterExit:
		return true
	}
	return false
}

// stopsBefore answers a start that is to be stopped and whose command before it may
// have been cut short: that is not executed again for nothing.
func (r *runtime) stopsBefore(a tree.Start) bool {
	n, ok := r.tree.Node(a.ID)
	if !ok || n.State != tree.Stopping || !a.Spec.BeforeStart {
		return false
	}
	r.queue = append(r.queue, tree.StartFailed{Ref: a.Ref, Cause: "it was stopped before it was executed"})
	return true
}

// key is an action without what cannot be compared.
func key(a tree.Action) tree.Action {
	switch a := a.(type) {
	case tree.Start:
		a.Spec = nil
		return a
	case tree.AfterExit:
		a.Spec = nil
		return a
	}
	return a
}

// adoptOutputs goes on with the output of processes: through the pipes that the
// keeper has, else through those that the processes hold themselves.
func (r *runtime) adoptOutputs(p *past) {
	have := r.keeping.takePipes(r.holders(p), func(pipe logs.Pipe, file *os.File) {
		if err := r.store.Adopt(pipe, r.logOf(pipe.Name), file); err != nil {
			r.log.Error("cannot go on with the output of "+pipe.Name, zap.Error(err))
		}
	})
	for ref, s := range p.spawned {
		if how := r.logOf(ref.ID); how.Direct {
			r.store.Watch(ref.ID, how)
		} else if !kept(s, have) && process.Identity(s.Identity).Lives() {
			r.reopen(ref.ID, how, s, have)
		}
	}
}

// kept says that somebody has kept all pipes of a process.
func kept(s journal.Spawned, have map[uint64]bool) bool {
	for _, o := range s.Outputs {
		if !have[o.Inode] {
			return false
		}
	}
	return len(s.Outputs) > 0
}

// holders tells which incarnation has a pipe now, for one that has changed hands. Of a
// process that was forked and not written down it is not known which it is: then it is one
// after all that are.
func (r *runtime) holders(p *past) func(logs.Pipe) uint32 {
	marks, unknown := map[uint64]uint32{}, map[uint64]bool{}
	for ref, s := range p.spawned {
		for _, o := range s.Outputs {
			marks[o.Inode] = o.Mark
		}
		if len(s.Outputs) == 0 {
			for _, pipe := range logs.Present(ref.ID, r.logOf(ref.ID), s.Identity.PID) {
				unknown[pipe.Inode] = true
			}
		}
	}
	return func(pipe logs.Pipe) uint32 {
		if unknown[pipe.Inode] {
			return max(pipe.Mark+1, r.store.Coming(pipe.Name))
		}
		return marks[pipe.Inode]
	}
}

// reopen goes on with those pipes of a process that nobody has kept. Which they
// are is not known of one that was forked and not written down: then it is what it
// has for its output now.
func (r *runtime) reopen(name string, how configs.Log, s journal.Spawned, have map[uint64]bool) {
	pipes := make([]logs.Pipe, 0, 2)
	for _, o := range s.Outputs {
		pipes = append(pipes, logs.Pipe{Name: name, Stream: o.Stream, Mark: o.Mark, Inode: o.Inode})
	}
	if len(pipes) == 0 {
		pipes = logs.Present(name, how, s.Identity.PID)
	}
	for _, pipe := range pipes {
		if have[pipe.Inode] {
			continue
		}
		if err := r.store.Reopen(pipe, how, s.Identity.PID); err != nil {
			r.log.Warn("cannot go on with all output", zap.String("node", name), zap.Error(err))
			continue
		}
		r.keepPipe(pipe, s.Identity.PID)
	}
}

// keepPipe gives a keeper that has none a reader of a living process's pipe: should
// this daemon be killed and then the process end, its last words are in there.
func (r *runtime) keepPipe(pipe logs.Pipe, pid int) {
	fd, err := logs.OpenPipe(pipe, pid)
	if err != nil {
		return // it has ended just now, and the store reads what is left
	}
	defer unix.Close(fd) // the keeper gets a copy
	r.keeping.putPipe(pipe, fd)
}

// logOf is how the output of a process is kept; of one that has left the tree, as
// if nothing had been said.
func (r *runtime) logOf(name string) configs.Log {
	if n, ok := r.tree.Node(name); ok {
		if p, ok := n.Begun.(*configs.Process); ok {
			return p.Log
		}
	}
	return configs.DefaultLog()
}

// salvage makes the best of a journal that has lost its end: what lives is taken
// for what it says it is, what does not has ended and nobody knows how. What the
// tree has to do about it is done once all are adopted.
func (r *runtime) salvage(p *past, w *world) tree.Output {
	for _, f := range w.ahead {
		if _, ok := p.tree.Node(f.Ref.ID); !ok {
			r.log.Warn("a process of an earlier daemon is in no tree any more; it is left alone",
				zap.String("node", f.Ref.ID), zap.Int("pid", f.Identity.PID))
			continue
		}
		for ref := range w.alive {
			if ref.ID == f.Ref.ID {
				delete(w.alive, ref)
			}
		}
		p.spawned[f.Ref] = journal.Spawned{Ref: f.Ref, Identity: journal.Identity(f.Identity)}
		w.alive[f.Ref] = f.Identity
	}
	for ref, id := range w.forked {
		p.spawned[ref] = journal.Spawned{Ref: ref, Identity: journal.Identity(id), Outputs: p.spawned[ref].Outputs}
		w.alive[ref] = id
		delete(w.forked, ref)
	}
	var living []tree.Living
	for ref, id := range w.alive {
		living = append(living, tree.Living{Ref: ref, PID: id.PID})
	}
	slices.SortFunc(living, func(a, b tree.Living) int { return cmp.Compare(a.Generation, b.Generation) })
	return p.tree.Salvage(r.clock.now(), living)
}
