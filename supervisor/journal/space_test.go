package journal

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"coppice/tree"
)

// TestFullDisk fills a file system of its own, a tmpfs in a mount namespace of its
// own: this test runs again in there.
func TestFullDisk(t *testing.T) {
	const within = "JOURNAL_TEST_FULL_DISK"
	if dir := os.Getenv(within); dir != "" {
		must(t, unix.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"))
		fullDisk(t, dir)
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a tmpfs")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestFullDisk$", "-test.v")
	cmd.Env = append(os.Environ(), within+"="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, unix.EPERM) {
		t.Skip("no mount namespace: ", err)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func fullDisk(t *testing.T, dir string) {
	j := begun(t, dir)
	var seq uint64
	step := func() error {
		seq++
		return j.Append(Step{Wall: wall, Reports: []tree.Report{{Seq: seq, Cause: strings.Repeat("x", 300)}}})
	}
	must(t, step())
	hog := fillUp(t, dir)

	// What was reserved ahead still takes some hundred records.
	inReserve := 0
	for step() == nil {
		inReserve++
	}
	if inReserve < 100 || !j.Degraded() {
		t.Errorf("%d records after the disk was full; degraded %v", inReserve, j.Degraded())
	}
	// Then records are kept, the file ends with a whole one, and a reader or the
	// next daemon finds it sound.
	for range 50 {
		if err := step(); !errors.Is(err, unix.ENOSPC) || !strings.Contains(err.Error(), "kept in memory") {
			t.Fatalf("Append says %v", err)
		}
	}
	if data := content(t, dir, presentName); data[len(data)-1] != '\n' {
		t.Error("the file ends within a record")
	}
	if j.Due() {
		t.Error("it is due although nothing is lost")
	}
	checkDense(t, seqs(t, dir), 1, uint64(inReserve)+1)

	// There is space again: what was kept comes first.
	must(t, os.Remove(hog))
	must(t, j.Append())
	must(t, step())
	if j.Degraded() {
		t.Error("it is degraded although there is space")
	}
	checkDense(t, seqs(t, dir), 1, seq)
	tooMuch(t, j, dir, step)
}

// tooMuch lets more be kept than is allowed: then everything is refused until
// Begin.
func tooMuch(t *testing.T, j *Journal, dir string, step func() error) {
	hog := fillUp(t, dir)
	var err error
	for range 10000 {
		if err = step(); err != nil && strings.Contains(err.Error(), "are lost") {
			break
		}
	}
	if err == nil || !errors.Is(err, unix.ENOSPC) || !j.Due() || !j.Degraded() {
		t.Fatalf("Append says %v; due %v, degraded %v", err, j.Due(), j.Degraded())
	}
	if err := j.Begin(Begin{}, sampleState()); !errors.Is(err, unix.ENOSPC) || j.Due() {
		t.Errorf("Begin says %v; due at once %v", err, j.Due())
	}
	if err := step(); err == nil {
		t.Error("a journal with a hole takes records")
	}
	must(t, os.Remove(hog))
	last := j.LastSeq()
	must(t, j.Begin(Begin{}, sampleState()))
	must(t, step())
	must(t, j.Close())
	o := open(t, dir)
	if o.damage != nil || len(o.records) != 3 || o.LastSeq() != last+1 {
		t.Errorf("%v, %d records, last report %d, not %d", o.damage, len(o.records), o.LastSeq(), last+1)
	}
}

// fillUp takes all space that is left.
func fillUp(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "hog")
	file, err := os.Create(path)
	must(t, err)
	defer file.Close()
	for size := 64 << 10; size > 0; {
		if _, err := file.Write(make([]byte, size)); errors.Is(err, unix.ENOSPC) {
			size /= 2
		} else {
			must(t, err)
		}
	}
	return path
}
