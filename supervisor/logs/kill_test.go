package logs_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"coppice/configs"
	"coppice/supervisor/logs"
)

var kills = flag.Int("kills", 200, "how often the mover is killed")

// movers is a row of processes with a store, each killed before the next one
// begins. The test holds the pipes, as a keeper does.
type movers struct {
	t     *testing.T
	dir   string
	how   string // see killedLog
	pipes []logs.Pipe
	reads []*os.File
	ends  []*os.File // what children would hold
	env   []string
}

// killedLog is how the output is kept by those that are killed.
func killedLog(text string) configs.Log {
	how := configs.DefaultLog()
	how.MaxFiles = 1 << 20
	how.MaxSize, _ = strconv.ParseInt(strings.TrimSuffix(text, "z"), 10, 64)
	how.Compress = strings.HasSuffix(text, "z")
	return how
}

func newMovers(t *testing.T, how string, names ...string) *movers {
	m := &movers{t: t, dir: t.TempDir(), how: how}
	for _, name := range names {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		m.pipes = append(m.pipes, logs.Pipe{Name: name, Stream: "log", Mark: 1})
		m.reads, m.ends = append(m.reads, r), append(m.ends, w)
		t.Cleanup(func() { r.Close(); w.Close() })
	}
	return m
}

// begin starts the next one; it says on its stdout that it moves, and it ends in
// order at the end of its stdin.
func (m *movers) begin() (child *exec.Cmd, end func()) {
	child = exec.Command("/proc/self/exe")
	child.Env = append(os.Environ(), "LOGS_TEST_CHILD=mover", "LOGS_TEST_DIR="+m.dir, "LOGS_TEST_HOW="+m.how)
	child.Env = append(child.Env, m.env...)
	child.Env = append(child.Env, "LOGS_TEST_PIPES="+strings.Join(pipeNames(m.pipes), " "))
	child.ExtraFiles = m.reads
	child.Stderr = os.Stderr
	in, err := child.StdinPipe()
	if err != nil {
		m.t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		m.t.Fatal(err)
	}
	return child, func() {
		in.Close()
		if err := child.Wait(); err != nil {
			m.t.Error(err)
		}
	}
}

func pipeNames(pipes []logs.Pipe) (names []string) {
	for _, p := range pipes {
		names = append(names, p.Name)
	}
	return names
}

// beMover is the process that is killed.
func beMover() {
	s, err := logs.Open(os.Getenv("LOGS_TEST_DIR"), logs.Options{})
	if err != nil {
		panic(err)
	}
	how := killedLog(os.Getenv("LOGS_TEST_HOW"))
	names := strings.Fields(os.Getenv("LOGS_TEST_PIPES"))
	for i, name := range names {
		reader := os.NewFile(uintptr(3+i), name)
		if err := s.Adopt(logs.Pipe{Name: name, Stream: "log", Mark: 1}, how, reader); err != nil {
			panic(err)
		}
	}
	os.Stdin.Read(make([]byte, 1))
	for _, name := range names {
		s.Drain(name)
	}
	s.Close()
}

// A store that is killed at any moment, again and again, loses no line, doubles
// none and tears none, while files are rotated and compressed.
func TestKilledAgainAndAgain(t *testing.T) {
	for _, how := range []string{"65536", "20000z", "16777216"} {
		t.Run(how, func(t *testing.T) { testKilled(t, how, max(1, *kills/3)) })
	}
}

func testKilled(t *testing.T, how string, kills int) {
	m := newMovers(t, how, "a", "b", "c", "d")
	stop := make(chan struct{})
	var writers sync.WaitGroup
	written := make([]int, len(m.ends))
	for i, w := range m.ends {
		writers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				written[i]++
				fmt.Fprintf(w, "%s line %d %s\n", m.pipes[i].Name, written[i], strings.Repeat("x", written[i]*7%150))
			}
		})
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range kills {
		child, _ := m.begin()
		<-time.After(time.Duration(random.IntN(30_000)) * time.Microsecond)
		child.Process.Kill()
		child.Wait()
	}
	close(stop)
	_, end := m.begin()
	writers.Wait()
	end()
	total := 0
	for i, p := range m.pipes {
		total += written[i]
		lines := strings.Split(strings.TrimSuffix(string(captured(t, m.dir, p.Name)), "\n"), "\n")
		if len(lines) != written[i] {
			t.Errorf("%s: %d lines, want %d", p.Name, len(lines), written[i])
		}
		for j, line := range lines {
			if want := fmt.Sprintf("%s line %d %s", p.Name, j+1, strings.Repeat("x", (j+1)*7%150)); line != want {
				t.Fatalf("%s: line %d is %q, want %q", p.Name, j+1, line, want)
			}
		}
		checkFiles(t, m.dir, p.Name, killedLog(how))
	}
	t.Logf("%d kills, %d lines in %d files", kills, total, len(files(t, m.dir, "a")))
}

// checkFiles sees that a folder is as it should be: whole lines in every file, none
// much longer than it should be, and nothing that is left over.
func checkFiles(t *testing.T, dir, name string, how configs.Log) {
	t.Helper()
	names := files(t, dir, name)
	for _, file := range names {
		plain, packed := strings.CutSuffix(file, ".gz")
		switch {
		case file == "current":
		case strings.HasSuffix(file, ".times"):
			base := strings.TrimSuffix(file, ".times")
			if !slices.Contains(names, base) && !slices.Contains(names, base+".gz") {
				t.Errorf("%s: an index of nothing", file)
			}
		case packed && slices.Contains(names, plain):
			t.Errorf("%s is there twice", plain)
		case strings.HasSuffix(plain, ".log"):
			data, err := os.ReadFile(filepath.Join(dir, name, file))
			if err == nil && packed {
				data, err = unzip(data)
			}
			if err != nil || len(data) > 0 && data[len(data)-1] != '\n' || int64(len(data)) > how.MaxSize+200 {
				t.Errorf("%s: %d bytes, ending in %q (%v)", file, len(data), data[max(0, len(data)-20):], err)
			}
		default:
			t.Errorf("%s is left over", file)
		}
	}
	target, err := os.Readlink(filepath.Join(dir, name, "current"))
	if err != nil || !slices.Contains(names, target) {
		t.Errorf("current leads to %q (%v)", target, err)
	}
}
