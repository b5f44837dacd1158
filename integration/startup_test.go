package integration

import (
	"bytes"
	"fmt"
	"os"
	"testing"
)

// What every package may do before main, in memory and together: a command is short, and each page that
// was never used before costs it as much as a system call. Measured in bytes and allocations, which
// a busy machine does not change.
const (
	initBytesMax        = 384 << 10
	initAllocsMax       = 1400
	packageInitBytesMax = 176 << 10 // the table of system calls has nearly all of it
)

func TestStartUpBudget(t *testing.T) {
	if os.Getenv("RACE") != "" {
		t.Skip("a program that watches for races has a start of its own")
	}
	b := newBed(t, "")
	b.env = append(b.env, "GODEBUG=inittrace=1")
	trace, err := b.command("version").CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	packages, bytesSum, allocsSum := 0, 0, 0
	for line := range bytes.Lines(trace) {
		var name string
		var at, clock float64
		var size, allocs int
		_, err := fmt.Sscanf(string(line), "init %s @%f ms, %f ms clock, %d bytes, %d allocs", &name, &at, &clock, &size, &allocs)
		if err != nil {
			continue // what the command says itself
		}
		if size > packageInitBytesMax {
			t.Errorf("%s takes %d bytes before main, at most %d: let it be made when it is needed", name, size, packageInitBytesMax)
		}
		packages, bytesSum, allocsSum = packages+1, bytesSum+size, allocsSum+allocs
	}
	t.Logf("%d packages take %d bytes in %d allocations before main", packages, bytesSum, allocsSum)
	if packages == 0 || bytesSum > initBytesMax || allocsSum > initAllocsMax {
		t.Errorf("%d packages take %d bytes in %d allocations before main, at most %d in %d:\n%s",
			packages, bytesSum, allocsSum, initBytesMax, initAllocsMax, trace)
	}
}
