package logs_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"coppice/supervisor/logs"
)

// screen is a store whose echo goes to a terminal that takes everything.
type screen struct {
	*logs.Store
	lines chan string // each write
}

// Write shows p.
func (s *screen) Write(p []byte) (int, error) {
	s.lines <- string(p)
	return len(p), nil
}

func echoing(t *testing.T, colour bool) *screen {
	t.Helper()
	s := &screen{lines: make(chan string, 10_000)}
	store, err := logs.Open(t.TempDir(), logs.Options{Echo: &logs.Echo{Out: s, Colour: colour, Width: 6}})
	if err != nil {
		t.Fatal(err)
	}
	s.Store = store
	return s
}

// end closes the store and returns all that was shown.
func (s *screen) end() string {
	s.Close()
	close(s.lines)
	var all strings.Builder
	for written := range s.lines {
		all.WriteString(written)
	}
	return all.String()
}

func TestEcho(t *testing.T) {
	s := echoing(t, false)
	api, db := pipe(t, s.Store, "api"), pipe(t, s.Store, "a-long-name")
	say(t, s.Store, api, "api", "one\ntwo\r\n\nbeg")
	say(t, s.Store, db, "a-long-name", "hello\n")
	// The child has ended: its last line is shown though it has no end.
	api.Close()
	s.Drain("api")
	next := pipe(t, s.Store, "api")
	say(t, s.Store, next, "api", "new\n")
	want := "api    | one\napi    | two\napi    | \napi    | beg\na-long-name | hello\napi    | new\n"
	if got := s.end(); got != want {
		t.Errorf("shown\n%s\nwant\n%s", got, want)
	}
}

func TestEchoIsSafeForATerminal(t *testing.T) {
	for _, c := range []struct{ written, plain, coloured string }{
		{"tab\there", "tab\there", "tab\there"},
		{"grün ✓ 木", "grün ✓ 木", "grün ✓ 木"},
		{"\x1b[1;31mred\x1b[0m", "red", "\x1b[1;31mred\x1b[0m\x1b[0m"},
		{"\x1b[38:2:1:2:3mrgb", "rgb", "\x1b[38:2:1:2:3mrgb\x1b[0m"},
		{"\x1b[2Jcleared", "^[[2Jcleared", "^[[2Jcleared"},
		{"\x1b]0;title\x07", "^[]0;title^G", "^[]0;title^G"},
		{"\x1b[31", "^[[31", "^[[31"},
		{"50%\r100%", "50%^M100%", "50%^M100%"},
		{"a\x00b\x7f", "a^@b^?", "a^@b^?"},
		{"\u009b2J", `\u009b2J`, `\u009b2J`},
		{"\xff\xfe", `\xff\xfe`, `\xff\xfe`},
		{"abc\u202edef\u200b", `abc\u202edef\u200b`, `abc\u202edef\u200b`},
		{"one\u2028two", `one\u2028two`, `one\u2028two`},
	} {
		for colour, want := range map[bool]string{false: "api    | " + c.plain, true: "\x1b[36mapi   \x1b[0m | " + c.coloured} {
			s := echoing(t, colour)
			say(t, s.Store, pipe(t, s.Store, "api"), "api", c.written+"\n")
			if got := s.end(); got != want+"\n" {
				t.Errorf("%q with colour %v: shown %q, want %q", c.written, colour, got, want+"\n")
			}
		}
	}
}

func TestEchoColoursEachNameOnce(t *testing.T) {
	s := echoing(t, true)
	for _, name := range []string{"a", "b", "a", "c"} {
		w := pipe(t, s.Store, name)
		say(t, s.Store, w, name, "x\n")
	}
	want := "\x1b[36ma     \x1b[0m | x\n\x1b[33mb     \x1b[0m | x\n\x1b[36ma     \x1b[0m | x\n\x1b[32mc     \x1b[0m | x\n"
	if got := s.end(); got != want {
		t.Errorf("shown %q", got)
	}
}

func TestEchoCutsALongLine(t *testing.T) {
	s := echoing(t, false)
	w := pipe(t, s.Store, "api")
	for range 200 {
		write(t, w, strings.Repeat("x", 1000))
	}
	write(t, w, "\nnext\n")
	want := "api    | " + strings.Repeat("x", 8192) + " ... (191808 bytes more, they are in the log)\napi    | next\n"
	if got := s.end(); got != want {
		t.Errorf("shown %d bytes, ending in %q", len(got), got[max(0, len(got)-100):])
	}
}

func TestEchoShowsAPartialLineInWallTime(t *testing.T) {
	s := echoing(t, false)
	w := pipe(t, s.Store, "api")
	write(t, w, "password: ")
	if got := <-s.lines; got != "api    | password: \n" {
		t.Errorf("shown %q", got)
	}
	write(t, w, "thanks\n")
	if got := <-s.lines; got != "api    | thanks\n" {
		t.Errorf("shown %q", got)
	}
	s.end()
}

// stuck is a terminal that takes nothing until it is released.
type stuck struct {
	entered, release chan struct{}
	out              io.Writer
}

func (s *stuck) Write(p []byte) (int, error) {
	select {
	case s.entered <- struct{}{}:
	default:
	}
	<-s.release
	return s.out.Write(p)
}

// A terminal that is slower than the children holds up none of them, and what it
// missed is told by number.
func TestEchoDropsAndSaysSo(t *testing.T) {
	var shown strings.Builder
	out := &stuck{entered: make(chan struct{}, 1), release: make(chan struct{}), out: &shown}
	dir := t.TempDir()
	s, err := logs.Open(dir, logs.Options{Echo: &logs.Echo{Out: out, Width: 3}})
	if err != nil {
		t.Fatal(err)
	}
	w := pipe(t, s, "api")
	write(t, w, "0\n")
	<-out.entered
	const lines = 300_000
	for i := range lines / 1000 {
		var block strings.Builder
		for j := range 1000 {
			fmt.Fprintf(&block, "line %d\n", i*1000+j)
		}
		say(t, s, w, "api", block.String())
	}
	close(out.release)
	s.Close()

	counted, missed, next := 0, 0, 0
	for text := range strings.Lines(shown.String()) {
		text, found := strings.CutPrefix(strings.TrimSuffix(text, "\n"), "api | ")
		var n int
		switch {
		case !found:
			t.Fatalf("shown %q", text)
		case text == "0":
		case strings.HasPrefix(text, "..."):
			if _, err := fmt.Sscanf(text, "... %d lines not shown here, they are in the log", &n); err != nil {
				t.Fatalf("shown %q", text)
			}
			missed += n
		default:
			if _, err := fmt.Sscanf(text, "line %d", &n); err != nil || n < next {
				t.Fatalf("shown %q after line %d", text, next-1)
			}
			counted, next = counted+1, n+1
		}
	}
	if missed == 0 || counted == 0 || counted+missed != lines {
		t.Errorf("%d lines shown and %d told missing, of %d", counted, missed, lines)
	}
	if got := len(read(t, dir, logs.Query{Last: -1})); got != lines+1 {
		t.Errorf("%d lines in the log", got)
	}
}

// A terminal that is gone ends the echo, and nothing else; one that is stuck
// does not hold up the end.
func TestTerminalThatIsGoneOrStuck(t *testing.T) {
	forever := &stuck{entered: make(chan struct{}, 1), release: make(chan struct{}), out: io.Discard}
	defer close(forever.release)
	for what, out := range map[string]io.Writer{"gone": brokenPipe{}, "stuck": forever} {
		dir := t.TempDir()
		s, err := logs.Open(dir, logs.Options{Echo: &logs.Echo{Out: out}})
		if err != nil {
			t.Fatal(err)
		}
		w := pipe(t, s, "api")
		for range 100 {
			say(t, s, w, "api", "line\n")
		}
		s.Close()
		if got := len(captured(t, dir, "api")); got != 500 {
			t.Errorf("%s: %d bytes captured", what, got)
		}
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }
