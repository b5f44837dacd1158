package journal

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"coppice/tree"
)

// living processes go on over a new file: those that were forked and whose end
// no Step has told.
func TestBeginCarriesTheLivingOver(t *testing.T) {
	dir := t.TempDir()
	j := begun(t, dir)
	spawned := func(id string, g tree.Generation) Spawned {
		return Spawned{tree.Ref{ID: id, Generation: g}, Identity{int(g), 1, 2, ""}, []Output{{"stdout", 1, 2}}}
	}
	web, api, job, gone, bad := spawned("web", 1), spawned("api", 2), spawned("job", 3), spawned("gone", 4), spawned("bad", 5)
	must(t, j.Append(web, api, job, gone, bad))
	reaped := Reaped{job.Ref, tree.Exit{Code: 3}, wall}
	must(t, j.Append(Sent{Refs: []tree.Ref{api.Ref, gone.Ref}}, Sent{Refs: []tree.Ref{api.Ref}, Kill: true}, reaped))
	must(t, j.Append(Step{Wall: wall, Events: []tree.Event{tree.Exited{Ref: gone.Ref}, tree.StartFailed{Ref: bad.Ref}}}))
	must(t, j.Begin(Begin{}, sampleState()))
	must(t, j.Append(Sent{Refs: []tree.Ref{web.Ref}}))

	want := []Record{
		web, api, job, reaped,
		Sent{Refs: []tree.Ref{api.Ref}},
		Sent{Refs: []tree.Ref{api.Ref}, Kill: true},
		Sent{Refs: []tree.Ref{web.Ref}},
	}
	o := open(t, dir)
	if diff := compare(want, o.records[2:]); diff != "" || o.damage != nil {
		t.Error(diff, o.damage)
	}
	o.Forget(web.Ref, job.Ref)
	must(t, o.Begin(Begin{}, sampleState())) // as the next daemon does
	want = []Record{api, Sent{Refs: []tree.Ref{api.Ref}}, Sent{Refs: []tree.Ref{api.Ref}, Kill: true}}
	if diff := compare(want, open(t, dir).records[2:]); diff != "" {
		t.Error(diff)
	}
}

func TestFilesAreNumberedAndPruned(t *testing.T) {
	dir := t.TempDir()
	j := begun(t, dir)
	for i := range 12 {
		must(t, j.Append(Step{Wall: wall, Reports: []tree.Report{{Seq: uint64(i + 1)}}}))
		must(t, j.Begin(Begin{}, sampleState()))
	}
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	must(t, err)
	var got []string
	for _, name := range names {
		got = append(got, filepath.Base(name))
	}
	want := "journal journal.10 journal.11 journal.12 journal.5 journal.6 journal.7 journal.8 journal.9"
	if strings.Join(got, " ") != want {
		t.Errorf("there are %v", got)
	}
	o := open(t, dir)
	if begin := o.records[0].(Begin); begin.File != 13 || begin.Seq != 12 || o.LastSeq() != 12 {
		t.Errorf("%+v, last report %d", begin, o.LastSeq())
	}
	checkDense(t, seqs(t, dir), 5, 12)
}

// A turn that is cut off after any of its steps leaves a journal that opens and
// shows every event once; so does the turn after it, and one cut off again.
func TestTurnCutOffAnywhere(t *testing.T) {
	const steps = 5
	for first := range steps {
		for second := range steps {
			t.Run(fmt.Sprint(first, second), func(t *testing.T) {
				dir := t.TempDir()
				j := begun(t, dir)
				for range olderMax { // so that something is to be pruned
					must(t, j.Append(story(int(j.LastSeq()), 3)...))
					must(t, j.Begin(Begin{}, sampleState()))
				}
				from := seqs(t, dir)[0]
				must(t, j.Append(story(int(j.LastSeq()), 3)...))
				must(t, j.Close())
				for _, done := range []int{first, second, steps - 1} {
					o := open(t, dir)
					last := o.LastSeq()
					cutOff(t, o.Journal, done)
					must(t, o.Close())

					again := open(t, dir)
					if again.damage != nil || again.LastSeq() != last {
						t.Fatalf("after %d steps: %v, last report %d, not %d", done, again.damage, again.LastSeq(), last)
					}
					must(t, again.Append(Step{Wall: wall, Reports: []tree.Report{{Seq: last + 1}}}))
					must(t, again.Close())
					list := seqs(t, dir)
					if list[0] > from+uint64(3*len(list)) { // what is pruned is no loss
						t.Errorf("the first report is %d", list[0])
					}
					checkDense(t, list, list[0], last+1)
				}
			})
		}
	}
}

// cutOff begins a new file and goes no further than so many steps.
func cutOff(t *testing.T, j *Journal, steps int) {
	t.Helper()
	turn, err := plan(j.folder, j.number)
	must(t, err)
	page, _, _, err := j.firstPage(Begin{File: turn.number, Seq: j.seq, Wall: wall}, sampleState())
	must(t, err)
	half := page.Bytes()[:page.Len()/2]
	for i, step := range []func() error{
		func() error { return turn.write(half) },
		func() error { return turn.write(page.Bytes()) },
		turn.keep, turn.swap, turn.prune,
	} {
		if i <= steps {
			must(t, step())
		}
	}
}

// A Begin that fails leaves the journal as it was.
func TestBeginThatFails(t *testing.T) {
	dir := t.TempDir()
	j := begun(t, dir)
	must(t, j.Append(story(0, 3)...))
	must(t, os.Mkdir(filepath.Join(dir, newName), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, newName, "x"), nil, 0o600))
	bad := sampleState()
	bad.Config.Spec.Start = "none of ours"
	for _, s := range []State{sampleState(), bad} {
		if err := j.Begin(Begin{}, s); err == nil || !strings.HasPrefix(err.Error(), "cannot begin the journal: ") {
			t.Errorf("Begin says %v", err)
		}
	}
	last := j.LastSeq()
	must(t, j.Append(Step{Wall: wall, Reports: []tree.Report{{Seq: last + 1}}}))
	checkDense(t, seqs(t, dir), 1, last+1)

	must(t, os.RemoveAll(filepath.Join(dir, newName)))
	must(t, j.Begin(Begin{}, sampleState()))
	checkDense(t, seqs(t, dir), 1, last+1)
}

// Somebody put another file where the present one belongs, or took it away.
func TestStrangeNumbers(t *testing.T) {
	dir := t.TempDir()
	j := begun(t, dir)
	must(t, os.WriteFile(filepath.Join(dir, olderName(1)), []byte("mine"), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, olderName(7)), []byte("mine"), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "journal.18446744073709551615"), []byte("mine"), 0o600))
	must(t, j.Append(story(0, 3)...))
	last := j.LastSeq()
	must(t, j.Begin(Begin{}, sampleState()))
	if string(content(t, dir, olderName(1))) != "mine" {
		t.Error("a file of somebody else is gone")
	}
	if begin := open(t, dir).records[0].(Begin); begin.File != 9 {
		t.Errorf("the new file has the number %d", begin.File)
	}
	checkDense(t, seqs(t, dir), 1, last)

	must(t, os.Remove(filepath.Join(dir, presentName)))
	o := open(t, dir)
	if o.damage != nil || o.LastSeq() != last || !o.Due() {
		t.Errorf("%v, last report %d", o.damage, o.LastSeq())
	}
	must(t, o.Begin(Begin{}, sampleState()))
	checkDense(t, seqs(t, dir), 1, last)
}

func TestDue(t *testing.T) {
	j := begun(t, t.TempDir())
	step := Step{Wall: wall, Reports: []tree.Report{{Seq: 1, Cause: strings.Repeat("x", 1<<20)}}}
	for i := range 5 {
		if j.Due() != (i > 3) {
			t.Errorf("after %d MiB: due %v", i, j.Due())
		}
		must(t, j.Append(step))
	}
	must(t, j.Begin(Begin{}, sampleState()))
	if j.Due() {
		t.Error("it is due at once")
	}
	big := sampleState()
	big.Config.Source = slices.Repeat([]byte("y"), 3<<20)
	must(t, j.Begin(Begin{}, big))
	for i := range 4 {
		if j.Due() != (i > 3) {
			t.Errorf("after 3+%d MiB: due %v", i, j.Due())
		}
		must(t, j.Append(step))
	}
	if !j.Due() {
		t.Error("it is not due at twice its state")
	}
}
