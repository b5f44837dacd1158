package logs_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"coppice/supervisor/logs"
)

// open makes a store that ends with the test.
func open(t *testing.T, echo *logs.Echo) (*logs.Store, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "log")
	s, err := logs.Open(dir, echo)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, dir
}

// pipe makes a pipe that the test writes to as a child would.
func pipe(t *testing.T, s *logs.Store, name string) *os.File {
	t.Helper()
	w, err := s.Pipe(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

func write(t *testing.T, w *os.File, data string) {
	t.Helper()
	if _, err := w.WriteString(data); err != nil {
		t.Fatal(err)
	}
}

// captured is what is in a name's file.
func captured(t *testing.T, dir, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name, "current"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return data
}

func TestDrainMovesAllThatWasWritten(t *testing.T) {
	s, dir := open(t, nil)
	w := pipe(t, s, "api")
	write(t, w, "one\ntwo")
	w.Close()
	s.Drain("api")
	if got := captured(t, dir, "api"); !bytes.Equal(got, []byte("one\ntwo")) {
		t.Errorf("captured %q", got)
	}
}
