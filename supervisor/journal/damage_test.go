package journal

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"coppice/configs"
	"coppice/tree"
)

// truth is a journal of some forty records: its bytes, its records, and where
// each line ends.
func truth(t testing.TB) (data []byte, records []Record, ends []int) {
	t.Helper()
	dir := t.TempDir()
	j := begun(t, dir)
	must(t, j.Append(story(1, 40)...))
	must(t, j.Close())
	data = content(t, dir, presentName)
	for i, b := range data {
		if b == '\n' {
			ends = append(ends, i+1)
		}
	}
	records = open(t, dir).records
	if len(records) != len(ends) || len(ends) < 40 {
		t.Fatalf("%d records in %d lines", len(records), len(ends))
	}
	return data, records, ends
}

// put makes data the present file of a folder that has nothing else.
func put(t testing.TB, dir string, data []byte) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		must(t, os.Remove(filepath.Join(dir, e.Name())))
	}
	must(t, os.WriteFile(filepath.Join(dir, presentName), data, 0o600))
}

// checkGoesOn appends to a journal as it was found, or after Begin, and reads it
// again.
func checkGoesOn(t testing.TB, dir string, o opened) {
	t.Helper()
	step := Step{At: 9, Wall: wall, Reports: []tree.Report{{Seq: o.LastSeq() + 1, Kind: tree.ExitSeen}}}
	if o.damage != nil {
		if err := o.Append(step); err == nil {
			t.Fatal("a damaged journal takes records")
		}
		must(t, o.Begin(Begin{}, sampleState()))
	}
	must(t, o.Append(step))
	must(t, o.Close())
	again, err := tryOpen(dir)
	must(t, err)
	defer again.Close()
	if again.damage != nil {
		t.Fatal(again.damage)
	}
	if diff := compare(again.records[len(again.records)-1], Record(step)); diff != "" {
		t.Fatal(diff)
	}
	if list := seqs(t, dir); !slices.IsSorted(list) || list[len(list)-1] != step.Reports[0].Seq {
		t.Fatalf("the reports are %v", list)
	}
}

// A journal that was cut anywhere opens. Behind the state nothing is told of it:
// the whole records before the cut are there, and no others.
func TestCutAnywhere(t *testing.T) {
	data, records, ends := truth(t)
	dir := t.TempDir()
	for cut := range len(data) {
		o := look(t, dir, data[:cut], cut%9 == 0)
		whole, _ := slices.BinarySearch(ends, cut+1)
		if (o.damage != nil) != (whole < 2) {
			t.Fatalf("cut at %d, in record %d: %v", cut, whole+1, o.damage)
		}
		if len(o.records) != whole || cut%16 == 0 && whole > 0 && compare(o.records, records[:whole]) != "" {
			t.Fatalf("cut at %d: %d records instead of %d", cut, len(o.records), whole)
		}
		if d := o.damage; d != nil && (d.Record != uint64(whole)+1 || !d.Tail) {
			t.Fatalf("cut at %d: %v", cut, d)
		}
		if o.Journal != nil {
			checkGoesOn(t, dir, o)
		}
	}
}

// look reads a journal as Open does, and now and then by Open, for that takes a
// hundred times as long.
func look(t *testing.T, dir string, data []byte, whole bool) opened {
	t.Helper()
	if whole {
		put(t, dir, data)
		return open(t, dir)
	}
	var o opened
	var err error
	r := &replay{lines: newLines(bytes.NewReader(data))}
	o.damage, err = r.all(func(r Record) error {
		o.records = append(o.records, r)
		return nil
	})
	must(t, err)
	return o
}

// A flipped bit anywhere is noticed: what was visited is true, and if that is not
// all, or all but a last line that lost its end, the damage is told.
func TestFlipAnywhere(t *testing.T) {
	data, records, ends := truth(t)
	dir := t.TempDir()
	for i := range data {
		flipped := bytes.Clone(data)
		flipped[i] ^= 1 << (i % 8)
		o := look(t, dir, flipped, i%9 == 0)
		whole, _ := slices.BinarySearch(ends, i+1)
		if len(o.records) != whole || i%16 == 0 && whole > 0 && compare(o.records, records[:whole]) != "" {
			t.Fatalf("byte %d flipped: %d records instead of %d", i, len(o.records), whole)
		}
		if i == len(data)-1 { // the last newline
			if o.damage != nil {
				t.Fatal(o.damage)
			}
		} else {
			checkDamage(t, o.damage, i, whole, ends)
		}
		if o.Journal == nil {
			continue
		}
		if o.damage != nil && !bytes.Equal(content(t, dir, damagedName), flipped) {
			t.Fatalf("byte %d flipped: another file was kept", i)
		}
		checkGoesOn(t, dir, o)
	}
}

func checkDamage(t *testing.T, d *Damage, flipped, whole int, ends []int) {
	t.Helper()
	start := 0
	if whole > 0 {
		start = ends[whole-1]
	}
	if d == nil || d.Offset != int64(start) || d.Record != uint64(whole)+1 {
		t.Fatalf("byte %d of record %d flipped: %v", flipped, whole+1, d)
	}
	// A newline that is gone takes the next line with it.
	last := whole == len(ends)-1 || whole == len(ends)-2 && flipped == ends[whole]-1
	if d.Tail != last {
		t.Fatalf("byte %d of record %d flipped: tail %v", flipped, whole+1, d.Tail)
	}
}

// Lines that are missing, doubled, exchanged or foreign are noticed.
func TestLinesOutOfPlace(t *testing.T) {
	data, _, _ := truth(t)
	lines := bytes.SplitAfter(data, []byte("\n"))
	lines = lines[:len(lines)-1]
	later := newSheet()
	must(t, later.add(uint64(len(lines)+1), Begin{File: 1}))
	for name, tt := range map[string]struct {
		lines  [][]byte
		record uint64
		tail   bool
		cause  string
	}{
		"a line is gone":        {slices.Delete(slices.Clone(lines), 5, 6), 6, false, "the number of the record is 7"},
		"the last but one":      {slices.Delete(slices.Clone(lines), len(lines)-2, len(lines)-1), uint64(len(lines) - 1), true, "the number"},
		"a line comes twice":    {slices.Insert(slices.Clone(lines), 5, lines[4]), 6, false, "the number of the record is 5"},
		"no begin":              {lines[1:], 1, false, "the number of the record is 2"},
		"no state":              {slices.Delete(slices.Clone(lines), 1, 2), 2, false, "the number of the record is 3"},
		"begin alone":           {lines[:1], 2, true, "ends before the state"},
		"nothing":               {nil, 1, true, "ends before the state"},
		"another begin":         {append(slices.Clone(lines), later.Bytes()), uint64(len(lines) + 1), true, `"begin" is not to be there`},
		"an empty line":         {slices.Insert(slices.Clone(lines), 5, []byte("\n")), 6, false, "checksum"},
		"zeros and no more":     {append(slices.Clone(lines), make([]byte, 5000), []byte("\n")), uint64(len(lines) + 1), true, "checksum"},
		"zeros without a state": {[][]byte{make([]byte, 5000)}, 1, true, "it has no end"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			put(t, dir, bytes.Join(tt.lines, nil))
			o := open(t, dir)
			d := o.damage
			if d == nil || d.Record != tt.record || !strings.Contains(d.Cause.Error(), tt.cause) {
				t.Fatalf("%v", d)
			}
			if d.Tail != tt.tail && name != "the last but one" {
				t.Errorf("tail %v: %v", d.Tail, d)
			}
			checkGoesOn(t, dir, o)
		})
	}
}

// A line that is sound and does not fit is damage, as a broken one.
func TestRefusedByVisit(t *testing.T) {
	data, _, ends := truth(t)
	dir := t.TempDir()
	put(t, dir, data)
	impossible := errors.New("web cannot end twice")
	n := 0
	j, damage, err := Open(dir, func(Record) error {
		if n++; n == 7 {
			return impossible
		}
		return nil
	})
	must(t, err)
	defer j.Close()
	if damage == nil || damage.Record != 7 || damage.Offset != int64(ends[5]) || damage.Tail || !errors.Is(damage, impossible) || n != 7 {
		t.Errorf("%v after %d", damage, n)
	}
	want := "the journal " + filepath.Join(dir, "journal") + " is damaged at byte "
	if damage != nil && !strings.HasPrefix(damage.Error(), want) {
		t.Error(damage)
	}
	if list := seqs(t, dir); j.LastSeq() != list[len(list)-1] {
		t.Errorf("the last report is %d, not %d", j.LastSeq(), list[len(list)-1])
	}
}

// The newest damaged file is kept, and the numbers of reports go on in spite of
// it.
func TestDamageAfterDamage(t *testing.T) {
	dir := t.TempDir()
	for round := range 3 {
		o := open(t, dir)
		must(t, o.Begin(Begin{}, sampleState()))
		must(t, o.Append(story(int(o.LastSeq()), 10)...))
		last := o.LastSeq()
		must(t, o.Close())
		data := content(t, dir, presentName)
		data[round*2] ^= 1 // Begin, which has the number that they went on from
		must(t, os.WriteFile(filepath.Join(dir, presentName), data, 0o600))
		for range 2 {
			again := open(t, dir)
			if again.damage == nil || again.LastSeq() != last {
				t.Fatalf("the last report is %d, not %d; %v", again.LastSeq(), last, again.damage)
			}
			if !bytes.Equal(content(t, dir, damagedName), data) {
				t.Fatal("another file was kept")
			}
			must(t, again.Close())
		}
	}
	list := seqs(t, dir)
	checkDense(t, list, 1, uint64(len(list)))
}

// A line that never ends is passed over in little memory.
func TestLongLine(t *testing.T) {
	data, _, ends := truth(t)
	for _, end := range []string{"", "\n"} {
		l := newLines(strings.NewReader(string(data) + strings.Repeat("x", 3<<20) + end))
		l.max = 1 << 20
		r := &replay{lines: l}
		damage, err := r.all(func(Record) error { return nil })
		must(t, err)
		if damage == nil || !errors.Is(damage, errLong) || !damage.Tail || damage.Record != uint64(len(ends))+1 {
			t.Errorf("%v", damage)
		}
		if cap(l.long) > 4<<20 {
			t.Errorf("%d bytes are held", cap(l.long))
		}
	}
}

// Whatever is in the file, it is read without a panic and without a hang, and the
// journal goes on.
func FuzzJournal(f *testing.F) {
	s := newSheet()
	for i, r := range append([]Record{Begin{File: 1}, State{Config: &configs.Config{}}}, story(0, 5)...) {
		must(f, s.add(uint64(i+1), r))
	}
	f.Add(s.Bytes(), false)
	f.Add([]byte("{\"n\":1,\"k\":\"begin\",\"format\":1,\"file\":1}\n{\"n\":2,\"k\":\"state\",\"pool\":{\"manners\":[{}]},\"config\":{\"spec\":{}},\"tree\":{}}\n"), true)
	// Left in an older file by a hand, a newer format does not hide the rest.
	f.Add([]byte("{\"n\":88888888,\"k\":\"begin\",\"format\":11}\n"), true)
	f.Fuzz(func(t *testing.T, data []byte, sealed bool) {
		if sealed {
			data = seal(data)
		}
		var saved tree.Saved
		r := &replay{lines: newLines(bytes.NewReader(data))}
		_, err := r.all(func(r Record) error {
			if s, ok := r.(State); ok {
				saved = s.Tree
			}
			return nil
		})
		if newer := newerFormat(0); err != nil && !errors.As(err, &newer) {
			t.Fatal(err)
		}
		if restored, err := tree.Restore(saved); err == nil {
			restored.Step(1, tree.Tick{})
		}
		if err != nil || r.lastSeq > 1<<62 || len(data)%16 != 0 { // a file costs a hundred times as much
			return
		}
		dir := t.TempDir()
		put(t, dir, data)
		o, err := tryOpen(dir)
		must(t, err)
		defer o.Close()
		checkGoesOn(t, dir, o)
	})
}

// seal gives each line a checksum, so that what is in it is looked at.
func seal(data []byte) []byte {
	var out []byte
	for line := range bytes.Lines(data) {
		text, ended := bytes.CutSuffix(line, []byte("\n"))
		start := len(out)
		out = append(out, "........ "...)
		out = append(out, text...)
		putChecksum(out[start:start+checksumDigits], text)
		if ended {
			out = append(out, '\n')
		}
	}
	return out
}
