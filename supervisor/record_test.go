package supervisor

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"coppice/configs"
	"coppice/ipc"
	"coppice/supervisor/journal"
	"coppice/supervisor/process"
	"coppice/tree"
)

// testRecord is a record whose journal has begun, with the tree that it is of.
type testRecord struct {
	*record
	dir  string
	tree *tree.Tree
}

func newTestRecord(t *testing.T) *testRecord {
	t.Helper()
	r := &testRecord{dir: t.TempDir()}
	var err error
	if r.record, _, err = openRecord(r.dir, func(journal.Record) error { return nil }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.close() })
	config, err := configs.Parse(filepath.Join(r.dir, "coppice.toml"), []byte("[process.a]\ncommand = 'x'"), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.tree = tree.New(config.Spec, tree.Options{})
	if err := r.begin(journal.Begin{}, journal.State{Config: config, Tree: r.tree.Save()}); err != nil {
		t.Fatal(err)
	}
	return r
}

// happen lets the tree take a step and writes it down.
func (r *testRecord) happen(events ...tree.Event) tree.Output {
	out := r.tree.Step(1, events...)
	r.step(journal.Step{At: 1, Wall: time.Unix(1, 0).UTC(), Events: events, Reports: out.Reports})
	return out
}

// signals makes n events.
func (r *testRecord) signals(n int) {
	for range n {
		r.happen(tree.Called{Request: tree.TerminateChild{ID: "a"}})
	}
}

func (r *testRecord) seqs(t *testing.T, since uint64) []uint64 {
	t.Helper()
	var got []uint64
	if err := r.read(context.Background(), since, false, func(e ipc.Event) error {
		got = append(got, e.Seq)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return got
}

func upTo(from, to uint64) []uint64 {
	var all []uint64
	for ; from <= to; from++ {
		all = append(all, from)
	}
	return all
}

func TestRecordIsRead(t *testing.T) {
	r := newTestRecord(t)
	r.happen(tree.Boot{})
	if got := r.seqs(t, 0); !slices.Equal(got, upTo(1, 3)) {
		t.Errorf("events %v", got)
	}
	if got := r.seqs(t, 2); !slices.Equal(got, upTo(3, 3)) {
		t.Errorf("events after 2: %v", got)
	}
}

// Who follows gets every event once, also when it is slow and has to be sent back
// to the files, and an end when the record ends.
func TestRecordIsFollowed(t *testing.T) {
	r := newTestRecord(t)
	r.happen(tree.Boot{})
	first, goOn := make(chan struct{}), make(chan struct{})
	var got []uint64
	done := make(chan error, 1)
	go func() {
		done <- r.read(context.Background(), 0, true, func(e ipc.Event) error {
			if got = append(got, e.Seq); len(got) == 1 {
				close(first)
				<-goOn
			}
			return nil
		})
	}()
	<-first
	r.signals(3 * followerEventsMax)
	close(goOn)
	r.end()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, upTo(1, r.last)) {
		t.Errorf("%d of %d events, or in disorder", len(got), r.last)
	}
}

func TestFollowerThatFails(t *testing.T) {
	r := newTestRecord(t)
	r.happen(tree.Boot{})
	enough := errors.New("enough")
	if err := r.read(context.Background(), 0, true, func(ipc.Event) error { return enough }); err != enough {
		t.Errorf("error %v", err)
	}
}

// What the reaper notes is there for the next daemon, whether the journal was begun
// anew meanwhile or not, and until the end is told.
func TestRecordKeepsWhoLives(t *testing.T) {
	r := newTestRecord(t)
	start := r.happen(tree.Boot{}).Actions[0].(tree.Start)
	id := process.Identity{PID: 4711, Start: 5, Inode: 6}
	r.expect(start.Ref, []journal.Output{{Stream: "log", Mark: 1, Inode: 2}})
	r.Spawned(start.Ref, id)
	r.Signalled(start.Ref, false)
	r.happen(tree.Started{Ref: start.Ref, PID: 4711})
	if got := r.identity(start.Ref); got != id {
		t.Errorf("it is %+v", got)
	}
	for _, anew := range []bool{false, true} {
		if anew {
			if err := r.begin(journal.Begin{}, journal.State{Config: r.past(t).config, Tree: r.tree.Save()}); err != nil {
				t.Fatal(err)
			}
		}
		p := r.past(t)
		spawned := p.spawned[start.Ref]
		if _, sent := p.sent[start.Ref]; spawned.Identity != journal.Identity(id) || len(spawned.Outputs) != 1 || !sent {
			t.Errorf("anew %v: the next daemon knows %+v, sent %v", anew, spawned, sent)
		}
		if n, _ := p.tree.Node("a"); n.PID != 4711 || n.State != tree.Up {
			t.Errorf("anew %v: the next daemon's tree has %+v", anew, n)
		}
	}
	r.Reaped(start.Ref, tree.Exit{Code: 3}, time.Unix(2, 0))
	if got := r.past(t).reaped[start.Ref].Exit; got != (tree.Exit{Code: 3}) {
		t.Errorf("its end is %v", got)
	}
	r.happen(tree.Exited{Ref: start.Ref, Exit: tree.Exit{Code: 3}})
	if p := r.past(t); len(p.spawned)+len(p.reaped)+len(p.sent) != 0 {
		t.Errorf("after its end it is still known: %+v", p)
	}
}

// past is what the next daemon would read.
func (r *testRecord) past(t *testing.T) *past {
	t.Helper()
	p := newPast()
	damage, err := journal.Inspect(r.dir, p.visit)
	if err != nil || damage != nil {
		t.Fatal(err, damage)
	}
	return p
}
