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
	got := m.Sample(map[string]int{"alone": alone, "leader": leader})
	if len(got) != 2 {
		t.Fatalf("Sample = %v, want both children", got)
	}
	if got["alone"].Memory < 16<<20 {
		t.Errorf("alone holds %d bytes, want 16 MiB and more", got["alone"].Memory)
	}
	if got["leader"].Memory < 32<<20 {
		t.Errorf("leader and helper hold %d bytes, want 32 MiB and more", got["leader"].Memory)
	}
}

func TestCPUTimeAndLifetimePercent(t *testing.T) {
	pid := start(t, "burn", 1)
	var m usage.Meter
	u := m.Sample(map[string]int{"burn": pid})["burn"]
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
	self := map[string]int{"self": os.Getpid()}
	var m usage.Meter
	m.Sample(self)
	var before, after syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	begun := time.Now()
	burnWall(300 * time.Millisecond)
	got := m.Sample(self)["self"].CPUPercent
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
	if got := m.Sample(map[string]int{"gone": child.Process.Pid, "none": 0}); len(got) != 0 {
		t.Errorf("Sample = %v, want nothing", got)
	}
}

func TestManyCallersAtOnce(t *testing.T) {
	self := map[string]int{"self": os.Getpid()}
	var m usage.Meter
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			if m.Sample(self)["self"].Memory == 0 {
				t.Error("no memory")
			}
		})
	}
	callers.Wait()
}

// BenchmarkThousand prints the cost of one sample of 1,000 children.
func BenchmarkThousand(b *testing.B) {
	pids := map[string]int{}
	for i := range 1000 {
		child := exec.Command("sleep", "1000")
		child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := child.Start(); err != nil {
			b.Skip("cannot start 1,000 children: ", err)
		}
		defer child.Wait()
		defer child.Process.Kill()
		pids[fmt.Sprint("p", i)] = child.Process.Pid
	}
	var m usage.Meter
	for b.Loop() {
		if got := m.Sample(pids); len(got) != 1000 {
			b.Fatalf("%d of 1,000 sampled", len(got))
		}
	}
}
