package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"time"
)

// stamp is what a child says by its first instructions: who it is, and when that was.
type stamp struct {
	id  int
	pid int   // as the child knows itself
	ns  int64 // CLOCK_MONOTONIC
}

// stampSize is a record in the file: three words of 64 bits.
const stampSize = 24

// decode are the complete records in b, and what is left of it.
func decode(b []byte) (all []stamp, rest []byte) {
	for ; len(b) >= stampSize; b = b[stampSize:] {
		word := func(i int) int64 { return int64(binary.NativeEndian.Uint64(b[8*i:])) }
		all = append(all, stamp{int(word(0)), int(word(1)), word(2)})
	}
	return all, b
}

// stamps is the file that all children of a life append to.
type stamps struct {
	file *os.File
	all  []stamp // as far as they have been read
	rest []byte
}

// pollEvery is how often the file is looked at. The times are the children's own, so this is
// no error of measurement; a shorter one would take CPU away from the peer.
const pollEvery = 500 * time.Microsecond

func newStamps(path string) (*stamps, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|os.O_CREATE|os.O_TRUNC, 0o666)
	if err != nil {
		return nil, err
	}
	return &stamps{file: f}, f.Chmod(0o666) // a peer may run its children as somebody else
}

func (s *stamps) close() { _ = s.file.Close() }

// read takes in what has been written since the last time.
func (s *stamps) read() error {
	buf := make([]byte, 1<<16)
	for {
		n, err := s.file.Read(buf)
		more, rest := decode(append(s.rest, buf[:n]...))
		s.all, s.rest = append(s.all, more...), rest
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// wait returns when there are n records, all told. Once over is closed nothing more will come.
func (s *stamps) wait(ctx context.Context, n int, over <-chan struct{}) error {
	for {
		if err := s.read(); err != nil || len(s.all) >= n {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d children have come up: %w", len(s.all), n, context.Cause(ctx))
		case <-over:
			return fmt.Errorf("%d of %d children have come up, and the supervisor has ended", len(s.all), n)
		case <-time.After(pollEvery):
		}
	}
}
