package ipc

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// writeTimeout is the time a reader has to take one chunk.
const writeTimeout = 10 * time.Second

// headerDelay is how long a Backend may take to refuse what is followed; then a
// stream without a chunk begins, so that its reader knows where it stands.
const headerDelay = 50 * time.Millisecond

// flushDelay is how long a line of a followed stream may wait for company.
const flushDelay = 5 * time.Millisecond

// stream writes an answer chunk by chunk. Its header goes out with the first
// chunk, so that a Backend that refuses before it can still say so.
type stream struct {
	rc      *http.ResponseController
	w       http.ResponseWriter
	kind    string // Content-Type
	timeout time.Duration

	mu     sync.Mutex // guards all below, and w from the first write on
	began  bool
	ended  bool
	err    error
	flush  *time.Timer // nil: nothing waits to be flushed
	follow bool
}

func newStream(w http.ResponseWriter, kind string, follow bool, timeout time.Duration) *stream {
	s := &stream{rc: http.NewResponseController(w), w: w, kind: kind, timeout: timeout, follow: follow}
	if follow {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.arm(headerDelay)
	}
	return s
}

func (s *stream) line(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return s.write(append(text, '\n'))
}

func (s *stream) write(chunk []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	first := s.begin()
	if err := s.rc.SetWriteDeadline(time.Now().Add(s.timeout)); err != nil {
		s.err = err
		return err
	}
	if _, err := s.w.Write(chunk); err != nil {
		s.err = err
		return err
	}
	if s.follow && (first || s.flush == nil) {
		s.arm(flushDelay)
	}
	return nil
}

// begin sets the header, which goes out with the first flush; true: just now.
func (s *stream) begin() bool {
	if s.began {
		return false
	}
	s.began = true
	s.w.Header().Set("Content-Type", s.kind)
	return true
}

// arm makes the next flush due after delay.
func (s *stream) arm(delay time.Duration) {
	if s.flush != nil {
		s.flush.Stop()
	}
	s.flush = time.AfterFunc(delay, s.flushNow)
}

func (s *stream) flushNow() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flush = nil
	if s.ended || s.err != nil {
		return
	}
	s.begin()
	_ = s.rc.SetWriteDeadline(time.Now().Add(s.timeout)) // Flush tells of a connection that is gone
	s.err = s.rc.Flush()
}

// end completes the stream, or tells why the Backend ended it. After the first
// chunk there is no status left to send: the connection is cut instead.
func (s *stream) end(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	if s.flush != nil {
		s.flush.Stop()
	}
	switch {
	case s.err != nil || err != nil && s.began:
		panic(http.ErrAbortHandler)
	case err != nil:
		return err
	}
	s.begin()
	_ = s.rc.SetWriteDeadline(time.Now().Add(s.timeout)) // for what net/http still holds
	return nil
}

// readLines calls emit for each JSON value of a stream.
func readLines[T any](r io.Reader, emit func(T) error) error {
	dec := json.NewDecoder(r)
	for {
		var value T
		switch err := dec.Decode(&value); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if err := emit(value); err != nil {
			return &emitError{err}
		}
	}
}

// readChunks calls emit for pieces of a stream of bytes.
func readChunks(r io.Reader, emit func([]byte) error) error {
	buf := make([]byte, 64<<10)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			if err := emit(buf[:n]); err != nil {
				return &emitError{err}
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// emitError is an error of the reader's own function, not of the stream.
type emitError struct{ err error }

func (e *emitError) Error() string { return e.err.Error() }
