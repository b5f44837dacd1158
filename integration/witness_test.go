package integration

import (
	"bufio"
	"bytes"
	endian "encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A witness is a process that knows by itself what coppice must not get wrong. It
// holds a lock for life, so that a second one of its name is noticed by the kernel;
// it counts, in memory that outlives it, how often it was started and how many of
// its lines were taken; and each of its lines says which one it is.
//
// WITNESS in its environment is FOLDER:NAME:PAUSE; PAUSE is how long it waits after
// 64 lines, 0 for a flood, "-" for one that writes a line and no more.
const witnessVariable = "WITNESS"

// witnessBytes is the length of a witness's shared memory: starts, then lines of
// the present start, then whether it was asked to stop.
const witnessBytes = 24

// beWitness is the main program of a witness.
func beWitness(what string) {
	fields := strings.SplitN(what, ":", 3)
	path := filepath.Join(fields[0], fields[1])
	lock, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	exitIf(err)
	if unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		exitIf(os.WriteFile(path+".double", fmt.Appendf(nil, "%d\n", os.Getpid()), 0o600))
	}
	file, err := os.OpenFile(path+".count", os.O_RDWR|os.O_CREATE, 0o600)
	exitIf(err)
	exitIf(file.Truncate(witnessBytes))
	count, err := unix.Mmap(int(file.Fd()), 0, witnessBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	exitIf(err)
	start := endian.LittleEndian.Uint64(count) + 1
	endian.LittleEndian.PutUint64(count[8:], 0)
	endian.LittleEndian.PutUint64(count, start)

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	pause, err := time.ParseDuration(fields[2])
	once := err != nil
	for line := uint64(1); ; line++ {
		_, err := os.Stdout.Write(witnessLine(fields[1], start, line))
		exitIf(err)
		endian.LittleEndian.PutUint64(count[8:], line)
		select {
		case <-stop:
			os.Exit(0)
		default:
		}
		if once {
			<-stop
			os.Exit(0)
		}
		if pause > 0 && line%64 == 0 {
			select {
			case <-stop:
				os.Exit(0)
			case <-time.After(pause):
			}
		}
	}
}

func exitIf(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "witness:", err)
		os.Exit(99)
	}
}

// witnessLine is one line: name, start, number, padding, checksum.
func witnessLine(name string, start, line uint64) []byte {
	text := fmt.Appendf(nil, "%s %d %d ", name, start, line)
	for range rand.IntN(60) {
		text = append(text, 'x')
	}
	return fmt.Appendf(text, " %08x\n", crc32.ChecksumIEEE(text))
}

// witnesses are the witnesses of one tree.
type witnesses struct {
	t      testing.TB
	folder string
	// unheard says that some may have ended while nobody of coppice lived: the last
	// words of a start may be missing.
	unheard bool
}

func newWitnesses(t testing.TB, folder string) *witnesses {
	t.Helper()
	w := &witnesses{t: t, folder: filepath.Join(folder, "witness")}
	if err := os.MkdirAll(w.folder, 0o700); err != nil {
		t.Fatal(err)
	}
	return w
}

// process is the table of a witness in a tree file.
func (w *witnesses) process(name, pause, more string) string {
	return fmt.Sprintf("[process.%s]\ncommand = [%q]\nenv = { %s = %q }\n%s\n",
		name, os.Args[0], witnessVariable, w.folder+":"+name+":"+pause, more)
}

// starts is how often a witness was started, lines how many of its present
// start's lines were taken.
func (w *witnesses) counts(name string) (starts, lines uint64) {
	w.t.Helper()
	content, err := os.ReadFile(filepath.Join(w.folder, name+".count"))
	if err != nil && !os.IsNotExist(err) {
		w.t.Fatalf("%s's memory: %v", name, err)
	}
	if len(content) < witnessBytes {
		return 0, 0 // it has just begun
	}
	return endian.LittleEndian.Uint64(content), endian.LittleEndian.Uint64(content[8:])
}

// speak waits until each of them has written something.
func (w *witnesses) speak(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		until(t, name+" has spoken", func() bool {
			_, lines := w.counts(name)
			return lines > 0
		})
	}
}

// single fails if ever two witnesses of one name lived at the same time.
func (w *witnesses) single(names ...string) {
	w.t.Helper()
	for _, name := range names {
		if pid, err := os.ReadFile(filepath.Join(w.folder, name+".double")); err == nil {
			w.t.Errorf("a second %s was started beside one that lives: pid %s", name, bytes.TrimSpace(pid))
		}
	}
}

// check reads a witness's captured output: of each start all lines from the first,
// in order and whole; of the last start as many as it knows to have written.
func (w *witnesses) check(name string, output io.Reader) (lines int) {
	w.t.Helper()
	var start, line uint64
	in := bufio.NewReaderSize(output, 1<<20)
	for {
		text, err := in.ReadBytes('\n')
		if err == io.EOF && len(text) == 0 {
			break
		}
		s, l, ok := parseWitness(name, bytes.TrimSuffix(text, []byte("\n")))
		if w.unheard && (!ok || s > start && l == 1) {
			// The first line of the next start stands behind what there is of a last line.
			at := max(0, bytes.LastIndex(text, []byte(name+" ")))
			s, l, ok = parseWitness(name, bytes.TrimSuffix(text[at:], []byte("\n")))
		}
		switch {
		case !ok || err != nil:
			w.t.Errorf("%s: torn after line %d of start %d: %q", name, line, start, text)
			return lines
		case s == start && l == line+1, s > start && l == 1:
		default:
			w.t.Errorf("%s: line %d of start %d is followed by line %d of start %d", name, line, start, l, s)
			return lines
		}
		start, line = s, l
		lines++
	}
	starts, written := w.counts(name)
	if written == 0 && start < starts || w.unheard && start == starts {
		return lines // its last start was stopped before it wrote, or nobody heard all of it
	}
	if start != starts || line < written || line > written+1 {
		w.t.Errorf("%s: the log ends with line %d of start %d, it has written %d of start %d", name, line, start, written, starts)
	}
	return lines
}

func parseWitness(name string, text []byte) (start, line uint64, ok bool) {
	body, sum, found := bytes.Cut(text, []byte(" "))
	if at := bytes.LastIndexByte(text, ' '); at >= 0 {
		body, sum, found = text[:at], text[at+1:], true
	}
	fields := strings.Fields(string(body))
	if !found || len(fields) < 3 || fields[0] != name || fmt.Sprintf("%08x", crc32.ChecksumIEEE(body)) != string(sum) {
		return 0, 0, false
	}
	start, err1 := strconv.ParseUint(fields[1], 10, 64)
	line, err2 := strconv.ParseUint(fields[2], 10, 64)
	return start, line, err1 == nil && err2 == nil
}
