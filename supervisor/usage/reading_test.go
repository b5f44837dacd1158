package usage

import (
	"math"
	"os"
	"testing"
	"time"

	gopsutil "github.com/shirou/gopsutil/v3/process"
)

// What the quick way reads is what gopsutil reads, and so is what the slow way does.
func TestReadingsAgreeWithGopsutil(t *testing.T) {
	for _, pid := range []int{os.Getpid(), os.Getppid(), 1} {
		got := &process{pid: pid}
		for _, way := range []string{"new", "known", "slow"} {
			before := times(t, pid)
			switch now := time.Now(); way {
			case "slow":
				got = &process{pid: pid}
				got.readSlowly(now)
			default:
				got.cpu-- // it has run since
				share(procFolder(t), []*process{got}, now)()
			}
			after := times(t, pid)
			const tick = 20 * time.Millisecond // two of them: user and system time are cut each
			if got.gone || got.cpu < before-tick || got.cpu > after+tick {
				t.Errorf("%s: pid %d has used %v, gopsutil says %v to %v", way, pid, got.cpu, before, after)
			}
			p := gopsutil.Process{Pid: int32(pid)}
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
		}
	}
}

func procFolder(t *testing.T) int {
	t.Helper()
	folder, err := os.Open("/proc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { folder.Close() })
	return int(folder.Fd())
}

func times(t *testing.T, pid int) time.Duration {
	t.Helper()
	p := gopsutil.Process{Pid: int32(pid)}
	used, err := p.Times()
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration((used.User + used.System) * float64(time.Second))
}

// The memory of what has not run is that of the last reading, for a while.
func TestIdleMemoryIsNotReadAgain(t *testing.T) {
	p, now := &process{pid: 1}, time.Now()
	read := func(at time.Time) { share(procFolder(t), []*process{p}, at)() }
	read(now)
	for tries := 0; ; tries++ {
		before := p.cpu
		p.memory = 42
		if read(p.read.Add(memoryAgeMax - 1)); p.cpu == before {
			break
		}
		if tries == 100 {
			t.Skip("process 1 never rests")
		}
	}
	if p.memory != 42 {
		t.Errorf("memory = %d, want what was known", p.memory)
	}
	if read(p.read.Add(memoryAgeMax)); p.memory == 42 {
		t.Error("what was known is too old, and still told")
	}
}

// A number that was used again is another process.
func TestUsedAgainIsReadAnew(t *testing.T) {
	p := &process{pid: os.Getpid(), cpu: time.Hour, start: 1, read: time.Now(), baselineAt: time.Now()}
	share(procFolder(t), []*process{p}, time.Now())()
	if p.start == 1 || !p.baselineAt.IsZero() {
		t.Errorf("a process that has used less than before is %+v, want its start and no baseline", p)
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

// A list of the host's processes serves for a while, and is made anew then.
func TestListServesForAWhile(t *testing.T) {
	var m Meter
	m.Begin().Of([]int{os.Getpid()})
	first := m.list.at
	m.Begin().Of([]int{os.Getpid()})
	if len(m.list.all) == 0 || !m.list.at.Equal(first) {
		t.Errorf("a list of %d processes of %v follows the one of %v at once", len(m.list.all), m.list.at, first)
	}
	m.list.at = first.Add(-listAgeMax)
	m.Begin().Of([]int{os.Getpid()})
	if !m.list.at.After(first) {
		t.Error("the list is too old, and still used")
	}
}
