package footprint

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

// When memory is given back.
const (
	calm    = time.Second      // after the last work
	still   = 2 * time.Second  // after the last of little work
	busy    = 10 * time.Second // after the first, if there is always more
	garbage = 512 << 10        // bytes that were allocated: below that it was a restart or two
)

// Heap gives memory back after work. The zero value is ready; its methods may be called
// by any goroutine.
type Heap struct {
	mu        sync.Mutex
	timer     *time.Timer
	first     time.Time // of the work that is not over; zero: there is none
	last      time.Time
	allocated uint64 // by the whole life of the process, when memory was given back last
}

// Stir says that work was done. It costs less than a microsecond and never waits.
func (h *Heap) Stir() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = time.Now()
	if !h.first.IsZero() {
		return
	}
	h.first = h.last
	if h.timer == nil {
		h.timer = time.AfterFunc(calm, h.look)
		return
	}
	h.timer.Reset(calm)
}

// look gives memory back, or looks again later.
func (h *Heap) look() {
	heap, program := h.due()
	if heap {
		trimHeap()
	}
	if program {
		trimProgram()
	}
}

// due says what is to be given back now. It takes the work for done where the program is.
func (h *Heap) due() (heap, program bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	rest, allocated := now.Sub(h.last), allocatedBytes()
	much := h.allocated == 0 || allocated-h.allocated >= garbage
	program = rest >= calm && much || rest >= still
	heap = much && (program || now.Sub(h.first) >= busy)
	if heap {
		h.allocated, h.first = allocated, now
	}
	switch {
	case program:
		h.first = time.Time{}
	case rest < calm:
		h.timer.Reset(calm - rest)
	default:
		h.timer.Reset(still - rest)
	}
	return heap, program
}

// trimHeap gives back, after a collection, the pages of the heap that are free. It takes
// some milliseconds of one CPU for a heap of ten megabytes, and other goroutines go on.
func trimHeap() {
	runtime.GC() // what lies in a sync.Pool goes with the second collection
	debug.FreeOSMemory()
}

// hurryPercent is how much the heap may grow by while somebody waits, GOGC: what a process
// makes when it begins lives on, mostly, and collections would take a third of the time.
const hurryPercent = 300

// Hurry lets the heap grow further than usual before it is collected, until the function
// that it returns is called.
func Hurry() (end func()) {
	usual := debug.SetGCPercent(hurryPercent)
	return func() { debug.SetGCPercent(usual) }
}

// allocatedBytes are all bytes that were ever allocated.
func allocatedBytes() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
