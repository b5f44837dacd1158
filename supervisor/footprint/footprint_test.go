package footprint

import (
	"os"
	"reflect"
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
		Trim()
	}
	if _, err := os.ReadFile("/proc/self/exe"); err != nil {
		t.Error(err)
	}
}

// Memory is given back a second after the last work, or ten after the first one, once.
func TestStir(t *testing.T) {
	trimmed := func(h *Heap) bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.first.IsZero()
	}
	synctest.Test(t, func(t *testing.T) {
		h := &Heap{}
		h.Stir()
		time.Sleep(calm / 2)
		h.Stir()
		time.Sleep(calm - time.Millisecond)
		if synctest.Wait(); trimmed(h) {
			t.Error("given back less than a second after the last work")
		}
		time.Sleep(2 * time.Millisecond)
		if synctest.Wait(); !trimmed(h) {
			t.Error("nothing was given back")
		}
		times := 0
		for range 4 * busy / calm { // twenty seconds
			h.Stir()
			time.Sleep(calm/2 + time.Millisecond)
			if synctest.Wait(); trimmed(h) {
				times++
			}
		}
		if times != 1 && times != 2 {
			t.Errorf("given back %d times in twenty seconds of work", times)
		}
	})
}
