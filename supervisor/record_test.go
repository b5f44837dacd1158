package supervisor

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"coppice/ipc"
)

// events makes n events, numbered as the tree numbers them.
func someEvents(from, n int) []ipc.Event {
	var events []ipc.Event
	for i := range n {
		events = append(events, ipc.Event{Seq: uint64(from + i), Because: uint64(from + i - 1), Node: "a", Kind: "exited"})
	}
	return events
}

func openTestRecord(t *testing.T, dir string) *record {
	t.Helper()
	r, err := openRecord(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.close)
	return r
}

func seqs(t *testing.T, r *record, since uint64) []uint64 {
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

func TestRecordGoesOnBehindAnEarlierRun(t *testing.T) {
	dir := t.TempDir()
	first := openTestRecord(t, dir)
	if err := first.append(someEvents(1, 3)); err != nil {
		t.Fatal(err)
	}
	first.end()
	second := openTestRecord(t, dir)
	if err := second.append(someEvents(1, 2)); err != nil {
		t.Fatal(err)
	}
	if got := seqs(t, second, 0); !slices.Equal(got, []uint64{1, 2, 3, 4, 5}) {
		t.Error(got)
	}
	if got := seqs(t, second, 3); !slices.Equal(got, []uint64{4, 5}) {
		t.Error(got)
	}
	var because []uint64
	second.read(context.Background(), 3, false, func(e ipc.Event) error {
		because = append(because, e.Because)
		return nil
	})
	if !slices.Equal(because, []uint64{0, 4}) {
		t.Errorf("causes of the second run: %v; they have to point into it, and a root cause has none", because)
	}
}

// A crash at any byte of the file leaves all whole lines, and what is written
// afterwards stands behind them.
func TestRecordTornAnywhere(t *testing.T) {
	dir := t.TempDir()
	r := openTestRecord(t, dir)
	if err := r.append(someEvents(1, 3)); err != nil {
		t.Fatal(err)
	}
	r.end()
	path := filepath.Join(dir, recordName)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := range whole {
		if err := os.WriteFile(path, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		again, err := openRecord(dir)
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		lines := uint64(strings.Count(string(whole[:cut]), "\n"))
		if again.base != lines {
			t.Fatalf("cut at %d: the record goes on behind %d, not %d", cut, again.base, lines)
		}
		if err := again.append(someEvents(1, 1)); err != nil {
			t.Fatal(err)
		}
		if got := seqs(t, again, 0); len(got) != int(lines)+1 || got[lines] != lines+1 {
			t.Fatalf("cut at %d: %v", cut, got)
		}
		again.end()
		again.close()
	}
}

func TestRecordIsBounded(t *testing.T) {
	r := openTestRecord(t, t.TempDir())
	pad := strings.Repeat("x", 64<<10)
	for i := range 3 * recordBytesMax / len(pad) {
		if err := r.append([]ipc.Event{{Seq: uint64(i + 1), Node: "a", Kind: "start_failed", Cause: pad}}); err != nil {
			t.Fatal(err)
		}
	}
	var size int64
	for _, name := range []string{recordName, recordName + ".1"} {
		info, err := r.dir.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if size > 2*recordBytesMax+1<<20 {
		t.Errorf("the record has %d bytes", size)
	}
	got := seqs(t, r, 0)
	for i := 1; i < len(got); i++ {
		if got[i] != got[i-1]+1 {
			t.Fatalf("%d stands behind %d", got[i], got[i-1])
		}
	}
}

// A follower that is slower than the record loses nothing: it is sent to the
// file and goes on from there. The end of the record is its end.
func TestRecordSlowFollower(t *testing.T) {
	r := openTestRecord(t, t.TempDir())
	const n = 3 * followerEventsMax
	var got []uint64
	appended := make(chan error, 1)
	err := r.append(someEvents(1, 1))
	if err == nil {
		err = r.read(context.Background(), 0, true, func(e ipc.Event) error {
			if got = append(got, e.Seq); len(got) == 1 {
				// While it works on the first event it falls behind by far.
				appended <- r.append(someEvents(2, n))
				r.end()
			}
			return nil
		})
	}
	if err := errors.Join(err, <-appended); err != nil {
		t.Fatal(err)
	}
	if len(got) != n+1 || got[n] != n+1 {
		t.Errorf("%d events, the last is %d", len(got), got[len(got)-1])
	}
}
