package main

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// encode is a record as a child writes it.
func encode(s stamp) []byte {
	var b []byte
	for _, word := range []int64{int64(s.id), int64(s.pid), s.ns} {
		b = binary.NativeEndian.AppendUint64(b, uint64(word))
	}
	return b
}

func TestDecodeKeepsWhatIsIncomplete(t *testing.T) {
	want := []stamp{{0, 4711, 1 << 50}, {9999, 32767, 1<<50 + 1}}
	bytes := append(encode(want[0]), encode(want[1])...)
	for cut := range stampSize {
		got, rest := decode(append(slices.Clone(bytes), bytes[:cut]...))
		if !slices.Equal(got, want) || len(rest) != cut {
			t.Errorf("with %d bytes more: %v, rest %d", cut, got, len(rest))
		}
	}
}

func TestStampsWait(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stamps")
	s, err := newStamps(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want := []stamp{{1, 10, 100}, {2, 20, 200}}
	if _, err := f.Write(encode(want[0])); err != nil {
		t.Fatal(err)
	}
	go func() { // the second comes in two pieces
		b := encode(want[1])
		_, _ = f.Write(b[:5])
		time.Sleep(2 * pollEvery)
		_, _ = f.Write(b[5:])
	}()
	if err := s.wait(t.Context(), 2, nil); err != nil || !slices.Equal(s.all, want) {
		t.Errorf("%v, %v", s.all, err)
	}
	ended := make(chan struct{})
	close(ended)
	if err := s.wait(t.Context(), 3, ended); err == nil {
		t.Error("waited for a supervisor that has ended")
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Millisecond, errTime)
	defer cancel()
	if err := s.wait(ctx, 3, nil); !errors.Is(err, errTime) {
		t.Errorf("expected that its time is over: %v", err)
	}
}
