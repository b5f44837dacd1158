package keeper

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestMeansKeeper(t *testing.T) {
	for line, want := range map[string]bool{
		"up": true, "daemon": true, "-f x up": true, "--file x up --watch": true, "--file=x daemon": true,
		"--state up daemon": true, "--socket a --state b up -w": true, "up -f down.toml": true, "-fdh up": true,
		"up -wf -d": true, "": false, "status": false, "-f up status": false, "up -d": false, "up --detach": false,
		"up --detach=true": false, "up -wd": false, "-h up": false, "up --help": false, "down": false,
		"-- up": false, "up -- -d": true, "--json": false, "start up": false, "up -d=false": false,
	} {
		if got := meansKeeper(append([]string{"coppice"}, strings.Fields(line)...)); got != want {
			t.Errorf("%q: %v", line, got)
		}
	}
}

var someExits = []Exit{
	{PID: 1, Code: 255, Wall: 1}, {PID: pidMax, Start: 1<<64 - 1, Inode: 1<<64 - 1, Signal: 64, Wall: 1<<63 - 1},
}

func TestMessagesAreReadAsWritten(t *testing.T) {
	for kind, shape := range shapes {
		m := message{kind: kind}
		switch shape.what {
		case number:
			m.number = shape.max
		case text:
			m.text = "any\nthing \x00"
		case name:
			m.names = []string{"log a b"}
		case names:
			m.names = []string{"listen", strings.Repeat("n", nameBytesMax)}
		case exit:
			m.exits = someExits[1:]
		case exits:
			m.exits = someExits
		}
		if got, ok := parse(m.bytes()); !ok || !reflect.DeepEqual(got, m) {
			t.Errorf("%q is read as %v, %v", m.bytes(), got, ok)
		}
	}
}

func FuzzMessage(f *testing.F) {
	for _, text := range []string{"", "end", "put a", "held a\nb", "exit 1 2 3 4 5 6\n7 8 9 0 1 2", "taken 1 2 3 4 5 6", "final 7", "status  "} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, ok := parse(b)
		if !ok {
			return
		}
		again, ok := parse(m.bytes())
		if !ok || !reflect.DeepEqual(again, m) {
			t.Errorf("%q is %v, and then %v", b, m, again)
		}
	})
}

func TestChunksFitADatagram(t *testing.T) {
	var s store
	for range 3 {
		for i := range 1000 {
			s.put(strings.Repeat("n", i%nameBytesMax)+string(rune(0x100+i)), -1)
		}
	}
	count := 0
	for m, fds := range s.chunks() {
		if len(fds) != len(m.names) || len(fds) > descriptorsMax || len(m.bytes()) > messageBytesMax {
			t.Errorf("%d descriptors, %d names, %d bytes", len(fds), len(m.names), len(m.bytes()))
		}
		count += len(fds)
	}
	for count > 0 && len(s.all) > 0 {
		s.drop(s.all[len(s.all)/2].name)
		count--
	}
	if count != 0 || len(s.index) != 0 {
		t.Errorf("%d are left of %d", len(s.all), count)
	}
}

func exitsFile(t *testing.T, text []byte) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "exits")
	check(t, os.WriteFile(path, text, 0o600))
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0)
	check(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

func TestExitsFileThatIsDamaged(t *testing.T) {
	var lines []byte
	all := []Exit{{PID: 7, Start: 8, Inode: 9, Code: 10, Wall: 11}, {PID: 12, Start: 13, Signal: 14}, {PID: 15}}
	for _, e := range all {
		lines = e.appendLine(lines)
	}
	for i := range lines {
		flipped := bytes.Clone(lines)
		flipped[i] ^= 0x10
		for _, text := range [][]byte{lines[:i], flipped} {
			exits, err := ReadExits(exitsFile(t, text))
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range exits {
				if !slices.Contains(all, e) {
					t.Fatalf("%q tells of %v", text, e)
				}
			}
		}
	}
	if exits, err := ReadExits(exitsFile(t, append(lines, lines...))); err != nil || !slices.Equal(exits, all) {
		t.Errorf("%v, %v", exits, err)
	}
}

func TestUntakenAreBounded(t *testing.T) {
	f := exitsFile(t, []byte("7 8 9 torn"))
	file := int(f.Fd())
	u := untaken{torn: true}
	for pid := 1; pid <= untakenMax+10; pid++ {
		u.record(Exit{PID: pid}, file)
	}
	if len(u.all) != untakenMax || u.all[0].PID != 11 {
		t.Errorf("%d, from %v", len(u.all), u.all[0])
	}
	exits, err := ReadExits(f)
	if err != nil || len(exits) != untakenMax+10 {
		t.Fatalf("the file has %d, %v", len(exits), err)
	}
	u.lines = linesMax
	u.record(Exit{PID: pidMax}, file)
	if exits, err = ReadExits(f); err != nil || !slices.Equal(exits, u.all) {
		t.Fatalf("the file that was written anew has %d, %v", len(exits), err)
	}
	for _, e := range exits {
		u.take(Exit{PID: e.PID, Code: 99}, file)
	}
	if info, err := f.Stat(); err != nil || info.Size() != 0 || len(u.all) != 0 {
		t.Errorf("%d are left, %v", len(u.all), err)
	}
}
