package footprint

import (
	"os"
	"reflect"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// What the kernel tells of a program: of its file, private, not to be written to, and
// unchanged is its code and are its constants; nothing else is.
func TestMappings(t *testing.T) {
	const smaps = `00400000-0093f000 r-xp 00000000 fe:00 1234                               /usr/bin/coppice
Size:               5372 kB
Rss:                5116 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
0093f000-00e88000 r--p 0053f000 fe:00 1234                               /usr/bin/coppice
Anonymous:             0 kB
00e88000-00ee9000 rw-p 00a88000 fe:00 1234                               /usr/bin/coppice
Anonymous:             0 kB
00f00000-00f01000 r--p 00b00000 fe:00 1234                               /usr/bin/coppice
Anonymous:             4 kB
00f10000-00f11000 r--s 00b00000 fe:00 1234                               /usr/bin/coppice
Anonymous:             0 kB
f272e400000-f272ec00000 rw-p 00000000 00:00 0
Anonymous:             0 kB
7ffe2a000000-7ffe2a001000 r-xp 00000000 fe:00 77                         /usr/lib/other
Anonymous:             0 kB
7ffe2a5fe000-7ffe2a600000 r-xp 00000000 00:00 0                          [vdso]
Anonymous:             0 kB
`
	want := []span{{0x400000, 0x53f000}, {0x93f000, 0x549000}}
	if got := mappings(smaps, "/usr/bin/coppice"); !reflect.DeepEqual(got, want) {
		t.Errorf("%x, not %x", got, want)
	}
	if got := mappings(smaps, "/usr/bin/coppice (deleted)"); got != nil {
		t.Errorf("%x are of another file", got)
	}
}

// The program goes on after its pages were let go.
func TestTrim(t *testing.T) {
	if len(program()) == 0 {
		t.Fatal("no part of this program was found in /proc/self/smaps")
	}
	for range 3 {
		trimHeap()
		trimProgram()
	}
	if _, err := os.ReadFile("/proc/self/exe"); err != nil {
		t.Error(err)
	}
}

// The program is given back once the work is over: a second after the last of much work,
// two after the last of little; the heap after much work, also while that goes on.
func TestDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h Heap
		look := func(after time.Duration, heap, program bool) {
			t.Helper()
			time.Sleep(after)
			if a, b := h.due(); a != heap || b != program {
				t.Errorf("due are the heap (%v) and the program (%v), not %v and %v", a, b, heap, program)
			}
		}
		h.timer = time.NewTimer(time.Hour) // nobody but this test looks
		h.Stir()
		look(calm/2, false, false)
		look(calm/2, true, true) // the beginning is always much
		h.Stir()
		look(calm, false, false)
		look(calm, false, true)
		h.Stir()
		garbage := make([][]byte, 0, busy/calm)
		for range busy/calm - 1 {
			garbage = append(garbage, make([]byte, 1<<20))
			look(calm/2, false, false)
			time.Sleep(calm / 2)
			h.Stir()
		}
		look(calm/2, false, false)
		h.Stir()
		look(calm/2, true, false)
		runtime.KeepAlive(garbage)
		if time.Sleep(still); h.first.IsZero() {
			t.Error("the work is over for it while it goes on")
		}
	})
}

// It is given back that long after the last work, and not when somebody looks by chance.
func TestDueInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h Heap
		h.Stir()
		time.Sleep(calm * 9 / 10)
		h.Stir()
		time.Sleep(calm)
		synctest.Wait()
		h.mu.Lock()
		defer h.mu.Unlock()
		if !h.first.IsZero() {
			t.Error("a second after the last work the program is not given back")
		}
	})
}
