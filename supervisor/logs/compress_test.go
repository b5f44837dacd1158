package logs_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"coppice/supervisor/logs"
)

// All files but the one that is written are compressed, and nothing of them is
// lost; a compressed one is as old as its last byte.
func TestCompress(t *testing.T) {
	s, dir := open(t, nil)
	how := rotating(4096, 1000)
	how.Compress = true
	w := pipeAs(t, s, "api", how)
	all := numbered(2000)
	write(t, w, all)
	s.Drain("api")
	eventually(t, "all is compressed", func() bool {
		plain := 0
		for _, file := range logFiles(t, dir, "api", "log") {
			if !strings.HasSuffix(file, ".gz") {
				plain++
			}
		}
		return plain == 1
	})
	if got := string(captured(t, dir, "api")); got != all {
		t.Errorf("%d bytes captured, want %d", len(got), len(all))
	}
	checkFiles(t, dir, "api", how)
	var lines int
	if err := logs.Read(dir, logs.Query{Last: -1}, func(l logs.Line) error { lines++; return nil }); err != nil || lines != 2000 {
		t.Errorf("%d lines are read (%v)", lines, err)
	}
}

// What an earlier daemon has left is compressed too, with its age.
func TestCompressWhatIsFound(t *testing.T) {
	dir := t.TempDir()
	place(t, dir, map[string]string{"000000001.log": "1\n", "000000002.log": "2\n"})
	old := time.Now().Add(-time.Hour).Truncate(time.Second)
	if err := os.Chtimes(filepath.Join(dir, "api", "000000001.log"), old, old); err != nil {
		t.Fatal(err)
	}
	s, _ := openIn(t, dir, nil)
	how := rotating(4096, 8)
	how.Compress = true
	write(t, pipeAs(t, s, "api", how), "new\n")
	s.Drain("api")
	packed := filepath.Join(dir, "api", "000000001.log.gz")
	eventually(t, "it is compressed", func() bool { _, err := os.Stat(packed); return err == nil })
	if info, err := os.Stat(packed); err != nil || !info.ModTime().Equal(old) {
		t.Errorf("it is from %v, want %v (%v)", info.ModTime(), old, err)
	}
	eventually(t, "the plain one is removed", func() bool {
		return string(captured(t, dir, "api")) == "1\n2\nnew\n" && len(logFiles(t, dir, "api", "log")) == 2
	})
}

// A file that somebody else writes is left alone.
func TestCompressLeavesWhatIsWritten(t *testing.T) {
	dir := t.TempDir()
	place(t, dir, map[string]string{"000000001.log": "1\n", "000000002.log": "2\n", "000000003.log": "3\n"})
	writer, err := os.OpenFile(filepath.Join(dir, "api", "000000001.log"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	s, _ := openIn(t, dir, nil)
	how := rotating(4096, 8)
	how.Compress = true
	write(t, pipeAs(t, s, "api", how), "new\n")
	s.Drain("api")
	eventually(t, "the second is compressed", func() bool {
		names := logFiles(t, dir, "api", "log")
		return len(names) == 3 && names[1] == "000000002.log.gz"
	})
	if names := logFiles(t, dir, "api", "log"); names[0] != "000000001.log" {
		t.Errorf("the files are %v", names)
	}
}

// The end of a store does not wait for what is to be compressed.
func TestCloseWhileCompressing(t *testing.T) {
	for range 20 {
		dir := t.TempDir()
		place(t, dir, map[string]string{"000000001.log": strings.Repeat("a line\n", 500_000), "000000002.log": "2\n"})
		s, err := logs.Open(dir, logs.Options{})
		if err != nil {
			t.Fatal(err)
		}
		how := rotating(4096, 8)
		how.Compress = true
		write(t, pipeAs(t, s, "api", how), "new\n")
		s.Drain("api")
		s.Close()
		for _, file := range files(t, dir, "api") {
			if strings.HasSuffix(file, ".tmp") {
				t.Errorf("%s is left over", file)
			}
		}
	}
}
