package logs

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"coppice/configs"
)

// Where the file system cannot splice bytes are copied, and it is said once; all
// else is as ever.
func TestCopying(t *testing.T) {
	dir := t.TempDir()
	troubles := make(chan error, 100)
	var shown bytes.Buffer
	s, err := Open(dir, Options{
		Echo:      &Echo{Out: &shown},
		OnTrouble: func(_ string, err error) { troubles <- err },
	})
	if err != nil {
		t.Fatal(err)
	}
	how := configs.Log{MaxSize: 4096, MaxFiles: 100}
	k := s.sink("api", outStream)
	k.keepAs(how)
	if err := k.openFile(s); err != nil {
		t.Fatal(err)
	}
	// A file that is opened for appending cannot be spliced to either.
	fd, err := openFile(k.path(k.live.segment), os.O_RDWR|os.O_APPEND)
	if err != nil {
		t.Fatal(err)
	}
	k.closeFiles()
	k.live.file = fd

	o, err := s.Begin("api", how)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for i := range 2000 {
		line := fmt.Sprintf("line %d\n", i)
		all.WriteString(line)
		if _, err := o.Stdout.WriteString(line); err != nil {
			t.Fatal(err)
		}
	}
	o.Close()
	s.Drain("api")
	if err := <-troubles; err == nil || !strings.Contains(err.Error(), "splice") || len(troubles) > 0 {
		t.Errorf("told %v, and %d more", err, len(troubles))
	}
	s.Close()
	var got []byte
	all2, err := segments(filepath.Join(dir, "api"))
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range all2 {
		data, err := os.ReadFile(filepath.Join(dir, "api", g.plainName()))
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, data...)
	}
	if string(got) != all.String() || len(all2) < 4 {
		t.Errorf("%d bytes in %d files, want %d", len(got), len(all2), all.Len())
	}
	if lines := strings.Count(shown.String(), "\n"); lines != 2000 {
		t.Errorf("%d lines are shown", lines)
	}
}
