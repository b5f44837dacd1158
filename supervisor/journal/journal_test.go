package journal

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"coppice/tree"
)

func TestAppendedRecordsComeBack(t *testing.T) {
	dir := t.TempDir()
	j := begun(t, dir)
	records := story(1, 40)
	for i := 0; i < len(records); i += 3 {
		must(t, j.Append(records[i:min(i+3, len(records))]...))
	}
	last := j.LastSeq()
	must(t, j.Close())

	again := open(t, dir)
	if again.damage != nil {
		t.Fatal(again.damage)
	}
	begin := Begin{Boot: "b", PIDNamespace: 4, Tree: "fe-1", Version: "1", Wall: wall, File: 1}
	if diff := compare(append([]Record{begin, sampleState()}, records...), again.records); diff != "" {
		t.Error(diff)
	}
	if again.LastSeq() != last || again.Due() || again.Degraded() {
		t.Errorf("the last report is %d, not %d; due %v, degraded %v", again.LastSeq(), last, again.Due(), again.Degraded())
	}
	must(t, again.Append(story(100, 5)...))
	if third := open(t, dir); len(third.records) != 42+5 || third.damage != nil {
		t.Errorf("%d records, %v", len(third.records), third.damage)
	}
}

func TestOpenCreatesNothing(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	if j.damage != nil || len(j.records) != 0 || !j.Due() || j.LastSeq() != 0 {
		t.Errorf("damage %v, %d records, due %v", j.damage, len(j.records), j.Due())
	}
	if err := j.Append(Sent{}); err == nil || !strings.Contains(err.Error(), "has not been begun") {
		t.Errorf("Append says %v", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 0 {
		t.Errorf("there are %v, %v", entries, err)
	}
}

func TestModeIsPrivate(t *testing.T) {
	dir := t.TempDir()
	begun(t, dir)
	info, err := os.Lstat(filepath.Join(dir, presentName))
	must(t, err)
	if info.Mode() != 0o600 {
		t.Errorf("the mode is %v", info.Mode())
	}
}

// A file that others could have made is not read as ours, and not touched.
func TestOthersFilesAreRefused(t *testing.T) {
	for name, put := range map[string]func(path string) error{
		"a symbolic link": func(path string) error {
			target := path + ".target"
			return errors.Join(os.WriteFile(target, nil, 0o600), os.Symlink("journal.target", path))
		},
		"a directory": func(path string) error { return os.Mkdir(path, 0o700) },
		"a FIFO":      func(path string) error { return unix.Mkfifo(path, 0o600) },
		"a socket":    func(path string) error { return unix.Mknod(path, unix.S_IFSOCK|0o600, 0) },
		"writable":    func(path string) error { return errors.Join(os.WriteFile(path, nil, 0o600), os.Chmod(path, 0o620)) },
		"of others": func(path string) error {
			return errors.Join(os.WriteFile(path, nil, 0o600), os.Chown(path, 4711, -1))
		},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "of others" && os.Geteuid() != 0 {
				t.Skip("only root can give a file to somebody else")
			}
			dir := t.TempDir()
			must(t, put(filepath.Join(dir, presentName)))
			if _, err := tryOpen(dir); err == nil || !strings.Contains(err.Error(), "cannot open the journal in "+dir) {
				t.Errorf("Open says %v", err)
			}
			err := Read(dir, 0, func(Step) error { return nil })
			if regular := name == "writable" || name == "of others"; (err == nil) != regular {
				t.Errorf("Read says %v", err)
			}
		})
	}
	if _, err := tryOpen(filepath.Join(t.TempDir(), "nowhere")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open says %v", err)
	}
}

func TestNewerFormatIsRefusedAndNotTouched(t *testing.T) {
	dir := t.TempDir()
	s := newSheet()
	must(t, s.add(1, Begin{File: 1}))
	text := []byte(strings.Replace(s.String()[prefixBytes:s.Len()-1], `"format":1,"file":1`, `"format":9,"file":"x"`, 1))
	line := append([]byte("........ "), text...)
	putChecksum(line[:checksumDigits], text)
	line = append(line, "\nand what follows is its own business"...)
	must(t, os.WriteFile(filepath.Join(dir, presentName), line, 0o600))

	const want = "format 9, and this coppice reads up to 1"
	if _, err := tryOpen(dir); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Open says %v", err)
	}
	if err := Read(dir, 0, func(Step) error { return nil }); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Read says %v", err)
	}
	if string(content(t, dir, presentName)) != string(line) {
		t.Error("the file was changed")
	}
	if _, err := os.Lstat(filepath.Join(dir, damagedName)); err == nil {
		t.Error("it was taken for damage")
	}
}

// What the reaper and the loop append at once is all there, each in its order.
func TestManyAppend(t *testing.T) {
	dir := t.TempDir()
	j := begun(t, dir)
	var wait sync.WaitGroup
	for who := range 4 {
		wait.Go(func() {
			for i := range 100 {
				ref := tree.Ref{ID: string(rune('a' + who)), Generation: tree.Generation(i + 1)}
				if err := j.Append(Spawned{Ref: ref}, Reaped{Ref: ref}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	next := map[string]tree.Generation{}
	for _, r := range open(t, dir).records[2:] {
		if s, ok := r.(Spawned); ok {
			if next[s.Ref.ID]++; s.Ref.Generation != next[s.Ref.ID] {
				t.Fatalf("%v comes at place %d", s.Ref, next[s.Ref.ID])
			}
		}
	}
	if len(next) != 4 || next["d"] != 100 {
		t.Errorf("%v", next)
	}
}

func TestClosedJournal(t *testing.T) {
	j := begun(t, t.TempDir())
	must(t, j.Close())
	if err := j.Append(Sent{}); !errors.Is(err, errClosed) {
		t.Errorf("Append says %v", err)
	}
	if err := j.Begin(Begin{}, sampleState()); !errors.Is(err, errClosed) {
		t.Errorf("Begin says %v", err)
	}
}

// After a record that has no form the file has a hole, and Begin mends it.
func TestRefusedRecord(t *testing.T) {
	dir := t.TempDir()
	j := begun(t, dir)
	spawned := Spawned{Ref: tree.Ref{ID: "web", Generation: 1}, Identity: Identity{PID: 7}}
	if err := j.Append(spawned, nil); err == nil || !strings.Contains(err.Error(), "has no form") {
		t.Errorf("Append says %v", err)
	}
	if err := j.Append(Sent{}); err == nil || !strings.Contains(err.Error(), "are lost") {
		t.Errorf("Append says %v", err)
	}
	if !j.Due() || !j.Degraded() {
		t.Errorf("due %v, degraded %v", j.Due(), j.Degraded())
	}
	must(t, j.Begin(Begin{}, sampleState()))
	must(t, j.Append(Sent{}))
	if j.Due() || j.Degraded() {
		t.Errorf("due %v, degraded %v", j.Due(), j.Degraded())
	}
	if got := open(t, dir).records[2:]; compare(got, []Record{spawned, Sent{}}) != "" {
		t.Errorf("%v", got)
	}
}

func TestHost(t *testing.T) {
	if _, err := os.Stat("/proc/self/ns/pid"); err != nil {
		t.Skip("no /proc: ", err)
	}
	boot, namespace := Host()
	if len(boot) != 36 || namespace == 0 {
		t.Errorf("%q %d", boot, namespace)
	}
}
