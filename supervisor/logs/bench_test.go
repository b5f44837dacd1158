package logs_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"coppice/configs"
	"coppice/supervisor/logs"
)

// BenchmarkCapture prints what one child can write a second, in writes of a size,
// and what the capture costs: CPU seconds a gigabyte of this process, in which
// the child's own work is not.
func BenchmarkCapture(b *testing.B) {
	for _, c := range []struct {
		name string
		size int
		how  configs.Log
	}{
		{"100", 100, configs.DefaultLog()},
		{"4096", 4096, configs.DefaultLog()},
		{"5000", 5000, configs.DefaultLog()},
		{"65536", 65536, configs.DefaultLog()},
		{"direct", 4096, configs.Log{Direct: true}},
	} {
		b.Run(c.name, func(b *testing.B) {
			s, size := benchStore(b), c.size
			before := cpuTime()
			b.SetBytes(int64(size))
			child := exec.Command("/proc/self/exe")
			child.Env = append(os.Environ(), "LOGS_TEST_CHILD=flood", fmt.Sprint("LOGS_TEST_SIZE=", size), fmt.Sprint("LOGS_TEST_COUNT=", b.N))
			o, err := s.Begin("api", c.how)
			if err != nil {
				b.Fatal(err)
			}
			child.Stdout = o.Stdout
			b.ResetTimer()
			if err := child.Run(); err != nil {
				b.Fatal(err)
			}
			o.Close()
			s.Drain("api")
			b.StopTimer()
			bytes := float64(size) * float64(b.N)
			b.ReportMetric((cpuTime()-before).Seconds()/bytes*1e9, "cpu-s/GB")
		})
	}
}

func benchStore(b *testing.B) *logs.Store {
	b.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "coppice-logs-")
	if err != nil {
		dir = b.TempDir()
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	s, err := logs.Open(dir, logs.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.Close)
	return s
}

func cpuTime() time.Duration {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkLifeOfAChild is all that the store does for one incarnation that
// writes one line.
func BenchmarkLifeOfAChild(b *testing.B) {
	s := benchStore(b)
	line := []byte("one line\n")
	for b.Loop() {
		o, err := s.Begin("api", configs.DefaultLog())
		if err != nil {
			b.Fatal(err)
		}
		o.Stdout.Write(line)
		o.Close()
		s.Drain("api")
	}
}

// BenchmarkLastOfAGigabyte reads the last lines of a big file.
func BenchmarkLastOfAGigabyte(b *testing.B) {
	dir := b.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "api"), 0o700); err != nil {
		b.Fatal(err)
	}
	file, err := os.Create(filepath.Join(dir, "api", "000000001.log"))
	if err != nil {
		b.Fatal(err)
	}
	// A hole stands for what is never read.
	file.Seek(1<<30, 0)
	file.WriteString("\n" + strings.Repeat("a line of the end\n", 100_000))
	file.Close()
	for _, last := range []int{10, 10_000} {
		b.Run(fmt.Sprint(last), func(b *testing.B) {
			for b.Loop() {
				lines := 0
				logs.Read(dir, logs.Query{Last: last}, func(logs.Line) error { lines++; return nil })
				if lines != last {
					b.Fatalf("%d lines", lines)
				}
			}
		})
	}
}

// floodStdout is the child of BenchmarkCapture.
func floodStdout(size, count int) {
	block := append(bytes.Repeat([]byte("x"), size-1), '\n')
	for range count {
		for rest := block; len(rest) > 0; {
			n, err := os.Stdout.Write(rest)
			if err != nil {
				os.Exit(1)
			}
			rest = rest[n:]
		}
	}
}
