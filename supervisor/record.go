package supervisor

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"coppice/ipc"
	"coppice/supervisor/journal"
	"coppice/supervisor/process"
	"coppice/tree"
)

// record is the journal, and who follows it. The loop and the reaper write,
// anybody reads.
type record struct {
	dir string
	// onTrouble is told when the journal cannot be written, and with nil when it
	// can be again.
	onTrouble func(error)

	// mu guards the rest and is held for one append at most, or one compaction.
	mu        sync.Mutex
	journal   *journal.Journal
	spawned   map[tree.Ref]journal.Spawned // of those that are to be forked, or were by an earlier daemon
	last      uint64
	followers map[*follower]bool
	troubled  bool
}

// openRecord opens the journal in a folder and has visit look at what is in it.
func openRecord(dir string, visit func(journal.Record) error) (*record, *journal.Damage, error) {
	j, damage, err := journal.Open(dir, visit)
	if err != nil {
		return nil, nil, err
	}
	return &record{
		dir: dir, journal: j, last: j.LastSeq(), onTrouble: func(error) {},
		spawned: map[tree.Ref]journal.Spawned{}, followers: map[*follower]bool{},
	}, damage, nil
}

// begin writes a new journal that begins with the tree as it is.
func (r *record) begin(b journal.Begin, s journal.State) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tell(r.journal.Begin(b, s))
}

// forgetAll lets go of processes that are gone and of whose ends no step will tell.
func (r *record) forgetAll(gone map[tree.Ref]journal.Spawned) {
	r.journal.Forget(slices.Collect(maps.Keys(gone))...)
}

// behind says that the last thing could not be written.
func (r *record) behind() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.troubled
}

// due says that begin should be called: the journal has grown.
func (r *record) due() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.journal.Due()
}

// step writes one step of the tree down and hands its events to who follows.
func (r *record) step(s journal.Step) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.tell(r.journal.Append(s))
	for _, e := range s.Events {
		switch e := e.(type) {
		case tree.Exited:
			delete(r.spawned, e.Ref)
		case tree.StartFailed:
			delete(r.spawned, e.Ref)
		}
	}
	if len(s.Reports) == 0 {
		return
	}
	r.last = s.Reports[len(s.Reports)-1].Seq
	if len(r.followers) > 0 {
		r.publish(events(s))
	}
}

// expect says which outputs an incarnation that is about to be started will have.
func (r *record) expect(ref tree.Ref, outputs []journal.Output) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spawned[ref] = journal.Spawned{Ref: ref, Outputs: outputs}
}

// identity is who the main process of an incarnation is.
func (r *record) identity(ref tree.Ref) process.Identity {
	r.mu.Lock()
	defer r.mu.Unlock()
	return process.Identity(r.known(ref).Identity)
}

// mark is that of the pipes of an incarnation; 0: it has none.
func (r *record) mark(ref tree.Ref) uint32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, o := range r.known(ref).Outputs {
		return o.Mark
	}
	return 0
}

// known is what there is to know of an incarnation. What was written down the journal
// remembers by itself. The caller holds mu.
func (r *record) known(ref tree.Ref) journal.Spawned {
	if s, there := r.spawned[ref]; there {
		return s
	}
	return r.journal.Spawned(ref)
}

// Spawned implements process.Notes.
func (r *record) Spawned(ref tree.Ref, id process.Identity) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.spawned[ref]
	s.Ref, s.Identity = ref, journal.Identity(id)
	delete(r.spawned, ref)
	_ = r.tell(r.journal.Append(s))
}

// Reaped implements process.Notes.
func (r *record) Reaped(ref tree.Ref, exit tree.Exit, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.tell(r.journal.Append(journal.Reaped{Ref: ref, Exit: exit, At: at}))
}

// Signalled implements process.Notes.
func (r *record) Signalled(ref tree.Ref, kill bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.tell(r.journal.Append(journal.Sent{Refs: []tree.Ref{ref}, Kill: kill}))
}

// tell reports a change between a journal that can be written and one that
// cannot, and passes err on. The caller holds mu.
func (r *record) tell(err error) error {
	if troubled := err != nil; troubled != r.troubled {
		r.troubled = troubled
		r.onTrouble(err)
	}
	return err
}

func (r *record) close() error { return r.journal.Close() }

// ReadEvents calls emit for every event in a state folder with a seq above since,
// oldest first, while a daemon writes or after it has gone. It ends with the
// first error of emit. Where there is no journal it is fs.ErrNotExist.
func ReadEvents(dir string, since uint64, emit func(ipc.Event) error) error {
	if _, err := os.Lstat(filepath.Join(dir, "journal")); err != nil {
		return err
	}
	return journal.Read(dir, since, func(s journal.Step) error {
		for _, e := range events(s) {
			if err := emit(e); err != nil {
				return err
			}
		}
		return nil
	})
}

// keepFile writes a file whole or not at all.
func keepFile(dir, name string, content []byte) error {
	temporary := filepath.Join(dir, name+".new")
	err := os.WriteFile(temporary, content, 0o600)
	if err == nil {
		err = os.Rename(temporary, filepath.Join(dir, name))
	}
	if err != nil {
		_ = os.Remove(temporary) // it may not be there
	}
	return err
}
