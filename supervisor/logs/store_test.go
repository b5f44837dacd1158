package logs_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coppice/configs"
	"coppice/supervisor/logs"
)

// open makes a store that ends with the test.
func open(t *testing.T, echo *logs.Echo) (*logs.Store, string) {
	t.Helper()
	return openIn(t, filepath.Join(t.TempDir(), "log"), echo)
}

func openIn(t *testing.T, dir string, echo *logs.Echo) (*logs.Store, string) {
	t.Helper()
	return openWith(t, dir, logs.Options{Echo: echo}), dir
}

func openWith(t *testing.T, dir string, o logs.Options) *logs.Store {
	t.Helper()
	s, err := logs.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// pipe makes a pipe that the test writes to as a child would.
func pipe(t *testing.T, s *logs.Store, name string) *os.File {
	t.Helper()
	return pipeAs(t, s, name, configs.DefaultLog())
}

func pipeAs(t *testing.T, s *logs.Store, name string, how configs.Log) *os.File {
	t.Helper()
	o, err := s.Begin(name, how)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.Close)
	return o.Stdout
}

func write(t *testing.T, w *os.File, data string) {
	t.Helper()
	if _, err := w.WriteString(data); err != nil {
		t.Fatal(err)
	}
}

// captured is what is in a name's files.
func captured(t *testing.T, dir, name string) []byte {
	t.Helper()
	return stream(t, dir, name, "log")
}

// stream is what is in the files of a stream, the oldest first.
func stream(t *testing.T, dir, name, stream string) []byte {
	t.Helper()
	var all []byte
	for _, file := range logFiles(t, dir, name, stream) {
		_, packed := strings.CutSuffix(file, ".gz")
		data, err := os.ReadFile(filepath.Join(dir, name, file))
		if err == nil && packed {
			data, err = unzip(data)
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, data...)
	}
	return all
}

func unzip(data []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// files lists a name's folder.
func files(t *testing.T, dir, name string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, name))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

// arrived waits until the mover has brought so many bytes to a name's file.
func arrived(t *testing.T, s *logs.Store, name string, bytes int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen := 0
	err := s.Follow(ctx, logs.Query{Names: []string{name}, Last: -1, Raw: true}, func(line logs.Line) error {
		if seen += len(line.Bytes); seen >= bytes {
			cancel()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestMoverBringsBytesToTheFile(t *testing.T) {
	s, dir := open(t, nil)
	w := pipe(t, s, "api")
	for _, data := range []string{"one\n", "t", "wo\n\x00\xff", "\x1b[2J"} {
		before := len(captured(t, dir, "api"))
		write(t, w, data)
		arrived(t, s, "api", before+len(data))
	}
	if got, want := string(captured(t, dir, "api")), "one\ntwo\n\x00\xff\x1b[2J"; got != want {
		t.Errorf("captured %q, want %q", got, want)
	}
	for path, mode := range map[string]os.FileMode{
		"": 0o700 | os.ModeDir, "api": 0o700 | os.ModeDir, "api/000000001.log": 0o600, "api/000000001.log.times": 0o600,
		"api/current": 0o777 | os.ModeSymlink,
	} {
		info, err := os.Lstat(filepath.Join(dir, path))
		if err != nil || info.Mode() != mode {
			t.Errorf("%q has mode %v, want %v (%v)", path, info.Mode(), mode, err)
		}
	}
}

func TestDrainMovesAllThatWasWritten(t *testing.T) {
	s, dir := open(t, nil)
	var want []byte
	for i := range 200 {
		w := pipe(t, s, "api")
		data := bytes.Repeat([]byte{byte(i)}, 1+i*300)
		want = append(want, data...)
		write(t, w, string(data))
		w.Close()
		s.Drain("api")
		if got := captured(t, dir, "api"); !bytes.Equal(got, want) {
			t.Fatalf("incarnation %d: %d bytes captured, want %d", i, len(got), len(want))
		}
	}
	s.Drain("never")
}

// A process that got away holds the pipe: Drain does not wait for it, and what
// it writes is read.
func TestGrandchildHoldsThePipe(t *testing.T) {
	s, dir := open(t, nil)
	w := pipe(t, s, "api")
	write(t, w, "child\n")
	s.Drain("api")
	next := pipe(t, s, "api")
	write(t, next, "next child\n")
	s.Drain("api")
	write(t, w, "grandchild\n")
	arrived(t, s, "api", len("child\nnext child\ngrandchild\n"))
	if got := string(captured(t, dir, "api")); got != "child\nnext child\ngrandchild\n" {
		t.Errorf("captured %q", got)
	}
}

// Drain returns although somebody writes without end.
func TestDrainIsBoundedUnderAFlood(t *testing.T) {
	s, _ := open(t, nil)
	stop := flood(t, s, "flood")
	defer stop()
	for range 200 {
		s.Drain("flood")
	}
}

// flood writes to a name's pipe as fast as it goes, until stop is called.
func flood(t *testing.T, s *logs.Store, name string) (stop func()) {
	w := pipe(t, s, name)
	done := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		data := bytes.Repeat([]byte("flood flood flood flood flood\n"), 1000)
		for {
			select {
			case <-done:
				return
			default:
				w.Write(data)
			}
		}
	})
	return sync.OnceFunc(func() { close(done); writer.Wait(); w.Close() })
}

// What others write arrives, in bounded time, while one child floods its pipe.
func TestFloodStarvesNobody(t *testing.T) {
	s, dir := open(t, nil)
	stop := flood(t, s, "flood")
	defer stop()
	for i := range 200 {
		name := fmt.Sprint("p", i)
		w := pipe(t, s, name)
		write(t, w, "hello\n")
		if i%2 == 0 {
			s.Drain(name)
		} else {
			arrived(t, s, name, 6)
		}
		if got := string(captured(t, dir, name)); got != "hello\n" {
			t.Fatalf("%s: captured %q", name, got)
		}
		w.Close()
		s.Drain(name)
		s.Forget(name)
	}
}

// Many incarnations of many names, with Drain, Forget, Read and Follow at the
// same time: every byte is captured once and in order.
func TestRaces(t *testing.T) {
	s, dir := open(t, nil)
	var work sync.WaitGroup
	for p := range 8 {
		name := fmt.Sprint("p", p)
		work.Go(func() {
			want := ""
			for i := range 50 {
				o, err := s.Begin(name, configs.DefaultLog())
				if err != nil {
					t.Error(err)
					return
				}
				w := o.Stdout
				for j := range 20 {
					line := fmt.Sprintf("%s %d %d\n", name, i, j)
					w.WriteString(line)
					want += line
					if j%7 == 0 {
						s.Drain(name)
					}
				}
				w.Close()
				s.Drain(name)
				if i%10 == 0 {
					s.Forget(name)
				}
			}
			if got := string(captured(t, dir, name)); got != want {
				t.Errorf("%s: %d bytes captured, want %d", name, len(got), len(want))
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	lines := 0
	readers.Go(func() {
		s.Follow(ctx, logs.Query{Last: -1}, func(logs.Line) error {
			if lines++; lines == 8*50*20 {
				cancel()
			}
			return nil
		})
	})
	readers.Go(func() {
		for range 20 {
			logs.Read(dir, logs.Query{Last: 10}, func(logs.Line) error { return nil })
		}
	})
	work.Wait()
	readers.Wait()
	if lines != 8*50*20 {
		t.Errorf("%d lines followed, want %d", lines, 8*50*20)
	}
}

func TestClosedPipesLeaveNothing(t *testing.T) {
	s, _ := open(t, nil)
	before := descriptors(t)
	for i := range 300 {
		w := pipe(t, s, fmt.Sprint("p", i))
		write(t, w, "x")
		w.Close()
		s.Drain(fmt.Sprint("p", i))
		s.Retire(fmt.Sprint("p", i))
	}
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors open, %d before", after, before)
	}
	if got := runtime.NumGoroutine(); got > 20 {
		t.Errorf("%d goroutines", got)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// TestMain lets this binary be the children: one that writes much, or those that
// hold many pipes.
func TestMain(m *testing.M) {
	switch os.Getenv("LOGS_TEST_CHILD") {
	case "":
		os.Exit(m.Run())
	case "flood":
		size, _ := strconv.Atoi(os.Getenv("LOGS_TEST_SIZE"))
		count, _ := strconv.Atoi(os.Getenv("LOGS_TEST_COUNT"))
		floodStdout(size, count)
		return
	case "mover":
		beMover()
		return
	}
	pipes, _ := strconv.Atoi(os.Getenv("LOGS_TEST_CHILD"))
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		for fd := 3; fd < 3+pipes; fd++ {
			syscall.Write(fd, []byte("line\n"))
		}
	}
}

// tenChildren runs children that hold the write ends between them, and returns a
// function that makes them write one line to each pipe.
func tenChildren(t *testing.T, s *logs.Store, pipes int) (speak func()) {
	var stdins []io.Writer
	for c := range 10 {
		child := exec.Command("/proc/self/exe")
		child.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", fmt.Sprint("LOGS_TEST_CHILD=", pipes/10))
		for i := range pipes / 10 {
			o, err := s.Begin(fmt.Sprint("p", c*pipes/10+i), configs.DefaultLog())
			if err != nil {
				t.Fatal(err)
			}
			child.ExtraFiles = append(child.ExtraFiles, o.Stdout)
		}
		stdin, err := child.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		for _, w := range child.ExtraFiles {
			w.Close()
		}
		t.Cleanup(func() { stdin.Close(); child.Wait() })
		stdins = append(stdins, stdin)
	}
	return func() {
		for _, stdin := range stdins {
			io.WriteString(stdin, "speak\n")
		}
	}
}

func TestTenThousandPipes(t *testing.T) {
	const children = 10_000
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	need := uint64(children*logs.PerChild + children/10 + logs.Fixed + 100)
	if limit.Max < need {
		t.Skipf("the hard limit of open files is %d, %d are needed", limit.Max, need)
	}
	goroutines := runtime.NumGoroutine()
	// In memory where possible: ten thousand new folders take a disk seconds.
	dir, err := os.MkdirTemp("/dev/shm", "coppice-logs-")
	if err != nil {
		dir = t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s, _ := openIn(t, dir, nil)
	speak := tenChildren(t, s, children)
	if got := runtime.NumGoroutine(); got > goroutines+1 {
		t.Errorf("%d goroutines for %d children, %d without a store", got, children, goroutines)
	}
	ctx, cancel := context.WithCancel(t.Context())
	seen := 0
	speak()
	begun := time.Now()
	err = s.Follow(ctx, logs.Query{Last: -1}, func(logs.Line) error {
		switch seen++; seen {
		case children, 2 * children:
			t.Logf("a line of each of %d children in %v", children, time.Since(begun))
			begun = time.Now()
			speak()
		case 3 * children:
			cancel()
		}
		return nil
	})
	if err != nil || seen != 3*children {
		t.Errorf("%d lines followed, want %d (%v)", seen, 3*children, err)
	}
	for i := range children {
		s.Drain(fmt.Sprint("p", i))
	}
	if got := string(captured(t, dir, "p9999")); got != "line\nline\nline\n" {
		t.Errorf("captured %q", got)
	}
	last := 0
	begun = time.Now()
	if err := logs.Read(dir, logs.Query{Last: 100}, func(logs.Line) error { last++; return nil }); err != nil || last != 100 {
		t.Errorf("the last 100 lines are %d (%v)", last, err)
	}
	t.Logf("the last 100 lines of %d files in %v", children, time.Since(begun))
}

func TestIllegalNames(t *testing.T) {
	s, _ := open(t, nil)
	for _, name := range []string{"", ".", "..", "a/b", "../x", "-x", "a b", strings.Repeat("x", 65)} {
		if o, err := s.Begin(name, configs.DefaultLog()); err == nil {
			o.Close()
			t.Errorf("a pipe for %q", name)
		}
	}
}

// The end of the store moves what the pipes hold.
func TestCloseMovesWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	s, err := logs.Open(dir, logs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := pipe(t, s, "api")
	write(t, w, "last words")
	s.Close()
	if got := string(captured(t, dir, "api")); got != "last words" {
		t.Errorf("captured %q", got)
	}
}
