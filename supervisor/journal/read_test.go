package journal

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"coppice/tree"
)

func TestReadSince(t *testing.T) {
	dir := t.TempDir()
	if list := seqs(t, dir); list != nil {
		t.Errorf("an empty folder has %v", list)
	}
	j := begun(t, dir)
	must(t, j.Append(Step{At: 5, Wall: wall, Events: []tree.Event{tree.Boot{}}, Reports: []tree.Report{{Seq: 1}, {Seq: 2, Because: 1}, {Seq: 3}}}))
	must(t, j.Append(Step{At: 6, Wall: wall, Events: []tree.Event{tree.Tick{}}}))
	must(t, j.Begin(Begin{}, sampleState()))
	must(t, j.Append(Step{At: 7, Wall: wall, Reports: []tree.Report{{Seq: 4}}}))

	var steps []Step
	must(t, Read(dir, 1, func(s Step) error {
		steps = append(steps, s)
		return nil
	}))
	want := []Step{{At: 5, Wall: wall, Reports: []tree.Report{{Seq: 2, Because: 1}, {Seq: 3}}}, {At: 7, Wall: wall, Reports: []tree.Report{{Seq: 4}}}}
	if diff := compare(want, steps); diff != "" {
		t.Error(diff)
	}
	enough := errors.New("enough")
	if err := Read(dir, 0, func(Step) error { return enough }); err != enough {
		t.Errorf("Read says %v", err)
	}
}

// What is damaged in an older file hides nothing else from people.
func TestReadPassesOverDamage(t *testing.T) {
	dir := t.TempDir()
	j := begun(t, dir)
	for seq := range uint64(9) {
		must(t, j.Append(Step{Wall: wall, Reports: []tree.Report{{Seq: seq + 1}}}))
	}
	must(t, j.Close())
	data := content(t, dir, presentName)
	data[len(data)-300] ^= 1
	must(t, os.WriteFile(filepath.Join(dir, presentName), append(data, "7"...), 0o600))
	if list := seqs(t, dir); len(list) != 8 || list[0] != 1 || list[7] != 9 {
		t.Errorf("the reports are %v", list)
	}
}

// A reader beside a daemon that appends and begins new files sees everything that
// was there when it began, in order and once.
func TestReadBesideAppends(t *testing.T) {
	dir := t.TempDir()
	j := begun(t, dir)
	var written struct {
		sync.Mutex
		seq uint64
	}
	done := make(chan struct{})
	var wait sync.WaitGroup
	wait.Go(func() {
		defer close(done)
		for seq := uint64(1); seq <= 1500; seq++ {
			if err := j.Append(Step{Wall: wall, Reports: []tree.Report{{Seq: seq}}}); err != nil {
				t.Error(err)
			}
			written.Lock()
			written.seq = seq
			written.Unlock()
			if seq%20 == 0 {
				if err := j.Begin(Begin{}, sampleState()); err != nil {
					t.Error(err)
				}
			}
		}
	})
	for end := false; !end; {
		select {
		case <-done:
			end = true
		default:
		}
		written.Lock()
		before := written.seq
		written.Unlock()
		var last uint64
		must(t, Read(dir, 0, func(s Step) error {
			for _, r := range s.Reports {
				if last != 0 && r.Seq != last+1 {
					t.Fatalf("%d comes after %d", r.Seq, last)
				}
				last = r.Seq
			}
			return nil
		}))
		if last < before {
			t.Fatalf("the last report is %d, and %d was written before", last, before)
		}
	}
	wait.Wait()
}
