package usage

import (
	"math"
	"os"
	"testing"
	"time"

	"github.com/shirou/gopsutil/v3/process"
)

// What the quick way reads is what gopsutil reads, and so is what the slow way does.
func TestReadingsAgreeWithGopsutil(t *testing.T) {
	now := time.Now()
	known := map[int]reading{}
	for _, pid := range []int{os.Getpid(), os.Getppid(), 1} {
		for _, way := range []string{"new", "known", "slow"} {
			before := times(t, pid)
			got := read([]part{{pid: pid}}, known, now)[0]
			if way == "slow" {
				got = readSlowly(pid, now)
			}
			after := times(t, pid)
			const tick = 20 * time.Millisecond // two of them: user and system time are cut each
			if !got.alive || got.cpu < before-tick || got.cpu > after+tick {
				t.Errorf("%s: pid %d has used %v, gopsutil says %v to %v", way, pid, got.cpu, before, after)
			}
			p := process.Process{Pid: int32(pid)}
			memory, err := p.MemoryInfo()
			if err != nil {
				t.Fatal(err)
			}
			if math.Abs(float64(got.memory)-float64(memory.RSS)) > 16<<20 {
				t.Errorf("%s: pid %d has %d bytes, gopsutil says %d", way, pid, got.memory, memory.RSS)
			}
			created, err := p.CreateTime()
			if err != nil {
				t.Fatal(err)
			}
			born := sinceBoot() - time.Since(time.UnixMilli(created))
			if diff := (got.start - born).Abs(); diff > 3*time.Second {
				t.Errorf("%s: pid %d was started %v after boot, gopsutil says %v", way, pid, got.start, born)
			}
			got.cpu-- // so that it has run since
			known[pid] = got
		}
	}
}

func times(t *testing.T, pid int) time.Duration {
	t.Helper()
	p := process.Process{Pid: int32(pid)}
	used, err := p.Times()
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration((used.User + used.System) * float64(time.Second))
}

// The memory of what has not run is that of the last reading, for a while.
func TestIdleMemoryIsNotReadAgain(t *testing.T) {
	pid := 1
	now := time.Now()
	first := read([]part{{pid: pid}}, nil, now)[0]
	marked := first
	marked.memory = 42
	known := map[int]reading{pid: marked}
	for tries := 0; ; tries++ {
		got := read([]part{{pid: pid}}, known, now.Add(time.Second))[0]
		if got.cpu == first.cpu {
			if got.memory != 42 {
				t.Errorf("memory = %d, want what was known", got.memory)
			}
			break
		}
		if tries == 100 {
			t.Skip("process 1 never rests")
		}
		first.cpu, marked.cpu = got.cpu, got.cpu
		known[pid] = marked
	}
	if got := read([]part{{pid: pid}}, known, now.Add(memoryAgeMax))[0]; got.memory == 42 {
		t.Error("what was known is too old, and still told")
	}
}

func TestFieldOfLine(t *testing.T) {
	for number, want := range map[int]uint64{1: 7, 2: 0, 3: 123} {
		if got, ok := field([]byte("7 0 123\n"), number); !ok || got != want {
			t.Errorf("field %d = %d, %v; want %d", number, got, ok, want)
		}
	}
	for _, number := range []int{4, 22} {
		if got, ok := field([]byte("7 0 123\n"), number); ok {
			t.Errorf("field %d = %d, want none", number, got)
		}
	}
	if _, ok := field([]byte("1 x"), 2); ok {
		t.Error("a letter is no number")
	}
}
