package usage_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"coppice/supervisor/usage"
)

// TestMain lets this binary be the children that are measured.
func TestMain(m *testing.M) {
	switch os.Getenv("USAGE_TEST_CHILD") {
	case "":
		os.Exit(m.Run())
	case "helper": // holds memory until its input ends
		hold(16 << 20)
	case "leader": // holds memory and has a helper in its session
		helper := exec.Command("/proc/self/exe")
		helper.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", "USAGE_TEST_CHILD=helper")
		helper.Stdin, helper.Stdout = os.Stdin, os.Stdout
		if err := helper.Start(); err != nil {
			panic(err)
		}
		hold(16 << 20)
	case "burn": // uses CPU time, says so, then waits
		burn(200 * time.Millisecond)
		hold(0)
	}
}

// hold touches memory, says on stdout that it is there, and waits for its input
// to end.
func hold(bytes int) {
	memory := make([]byte, bytes)
	for i := 0; i < bytes; i += os.Getpagesize() {
		memory[i] = 1
	}
	fmt.Print("r")
	io.Copy(io.Discard, os.Stdin)
	runtime.KeepAlive(memory)
}

// burn uses CPU time of this process.
func burn(d time.Duration) {
	var usage syscall.Rusage
	for time.Duration(usage.Utime.Nano()+usage.Stime.Nano()) < d {
		for range 100_000 {
		}
		syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	}
}

// start runs this binary as a child that leads a session, and returns when it
// and its helpers have said that they are there.
func start(t *testing.T, role string, ready int) int {
	t.Helper()
	child := exec.Command("/proc/self/exe")
	child.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", "USAGE_TEST_CHILD="+role)
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		io.Copy(io.Discard, out)
		child.Wait()
	})
	if _, err := io.ReadFull(out, make([]byte, ready)); err != nil {
		t.Fatal(err)
	}
	return child.Process.Pid
}

func TestSessionIsSummed(t *testing.T) {
	alone, leader := start(t, "helper", 1), start(t, "leader", 2)
	var m usage.Meter
	for range 2 { // the second time from what the first one has found
		got := m.Begin().Of([]int{alone, leader})
		if got[0].Processes != 1 || got[1].Processes != 2 {
			t.Fatalf("Sample = %v, want both children and the helper", got)
		}
		if got[0].Memory < 16<<20 {
			t.Errorf("alone holds %d bytes, want 16 MiB and more", got[0].Memory)
		}
		if got[1].Memory < 32<<20 {
			t.Errorf("leader and helper hold %d bytes, want 32 MiB and more", got[1].Memory)
		}
	}
}

func TestCPUTimeAndLifetimePercent(t *testing.T) {
	pid := start(t, "burn", 1)
	var m usage.Meter
	u := m.Begin().Of([]int{pid})[0]
	if u.CPUSeconds < 0.18 || u.CPUSeconds > 5 {
		t.Errorf("CPUSeconds = %v after 0.2 s of work", u.CPUSeconds)
	}
	if u.CPUPercent <= 0 || u.CPUPercent > 100 {
		t.Errorf("CPUPercent = %v over the lifetime", u.CPUPercent)
	}
}

// The second sample compares with the first one: this process works at full
// speed in between, whatever its lifetime says.
func TestPercentSinceThePreviousSampleInWallTime(t *testing.T) {
	self := []int{os.Getpid()}
	var m usage.Meter
	m.Begin().Of(self)
	var before, after syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	begun := time.Now()
	burnWall(300 * time.Millisecond)
	got := m.Begin().Of(self)[0].CPUPercent
	syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	used := time.Duration(after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano())
	want := 100 * used.Seconds() / time.Since(begun).Seconds()
	if got < want-25 || got > want+25 {
		t.Errorf("CPUPercent = %.0f, want about %.0f", got, want)
	}
}

// burnWall works until wall time has passed.
func burnWall(d time.Duration) {
	for begun := time.Now(); time.Since(begun) < d; {
		for range 100_000 {
		}
	}
}

func TestVanishedProcessIsAbsent(t *testing.T) {
	child := exec.Command("/proc/self/exe")
	child.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", "USAGE_TEST_CHILD=helper")
	if err := child.Run(); err != nil {
		t.Fatal(err)
	}
	var m usage.Meter
	for pid, got := range m.Begin().Of([]int{child.Process.Pid, 0}) {
		if got != (usage.Usage{}) {
			t.Errorf("Sample of process %d = %v, want nothing", pid, got)
		}
	}
}

func TestManyCallersAtOnce(t *testing.T) {
	self := []int{os.Getpid()}
	var m usage.Meter
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			if m.Begin().Of(self)[0].Memory == 0 {
				t.Error("no memory")
			}
		})
	}
	callers.Wait()
}

// BenchmarkNew prints the cost of a sample of 1,000 children that were never seen,
// BenchmarkIdle that of one where none of them has run since the last.
func BenchmarkNew(b *testing.B) {
	pids := sleepers(b)
	for b.Loop() {
		var m usage.Meter
		m.Begin().Of(pids)
	}
}

func BenchmarkIdle(b *testing.B) {
	pids := sleepers(b)
	var m usage.Meter
	for b.Loop() {
		m.Begin().Of(pids)
	}
}

// sleepers are 1,000 processes that lead sessions and do nothing.
func sleepers(b *testing.B) []int {
	pids := make([]int, 1000)
	for i := range pids {
		child := exec.Command("sleep", "1000")
		child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := child.Start(); err != nil {
			b.Skip("cannot start 1,000 children: ", err)
		}
		b.Cleanup(func() { child.Process.Kill(); child.Wait() })
		pids[i] = child.Process.Pid
	}
	return pids
}
