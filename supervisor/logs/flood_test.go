package logs_test

import (
	"bytes"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coppice/configs"
	"coppice/supervisor/logs"
)

// usual is how many bytes a pipe can hold that nobody made larger.
const usual = 64 << 10

func pipeSize(t *testing.T, pipe *os.File) int {
	t.Helper()
	size, err := unix.FcntlInt(pipe.Fd(), unix.F_GETPIPE_SZ, 0)
	if err != nil {
		t.Error(err)
	}
	return size
}

// floodOf is a block of numbered lines of 100 bytes.
func floodOf(lines int) (block []byte) {
	for i := range lines {
		block = fmt.Appendf(block, "%099d\n", i)
	}
	return block
}

// flooded sees that a block is in the files again and again, and nothing else.
func flooded(t *testing.T, dir, name string, block []byte, times int) {
	t.Helper()
	if all := captured(t, dir, name); !bytes.Equal(all, bytes.Repeat(block, times)) {
		t.Errorf("%s: %d bytes that are not what was written: %d", name, len(all), times*len(block))
	}
}

// A pipe that is written to faster than it is emptied becomes larger, and small
// again when that is over. Then it is waited for as before, and its end is seen.
func TestFloodedPipeIsLargerForAWhile(t *testing.T) {
	for _, lines := range []int{41, 655} {
		dir := t.TempDir()
		ended := make(chan logs.Pipe, 1)
		s := openWith(t, dir, logs.Options{OnEnded: func(p logs.Pipe) { ended <- p }})
		child := pipeAs(t, s, "api", configs.Log{MaxSize: 1 << 20, MaxFiles: 100_000})
		block, times := floodOf(lines), 0
		for start := time.Now(); pipeSize(t, child) == usual; times++ {
			child.Write(block)
			if time.Since(start) > 20*time.Second {
				t.Fatal("the pipe is as it was")
			}
		}
		eventually(t, "the pipe is small again", func() bool { return pipeSize(t, child) == usual })
		child.Write(block)
		times++
		arrived(t, s, "api", len(block)*times)
		s.Retire("api") // else it is kept for the next incarnation
		child.Close()
		<-ended
		flooded(t, dir, "api", block, times)
	}
}

// The next incarnation gets the pipe of the last one as a new one would be.
func TestFloodedPipeOfTheNextIncarnation(t *testing.T) {
	s, _ := open(t, nil)
	child := pipe(t, s, "api")
	block := floodOf(655)
	for start := time.Now(); pipeSize(t, child) == usual; {
		child.Write(block)
		if time.Since(start) > 20*time.Second {
			t.Fatal("the pipe is as it was")
		}
	}
	child.Close()
	s.Drain("api")
	if size := pipeSize(t, pipe(t, s, "api")); size != usual {
		t.Errorf("it can hold %d bytes", size)
	}
}

// A flood that cannot be written does not keep the mover busy.
func TestFloodOfAFullDisk(t *testing.T) {
	dir := smallDisk(t, 64<<20)
	d := newDropping(t, dir)
	child := pipeAs(t, d.Store, "api", configs.Log{MaxSize: 1 << 30, MaxFiles: 1})
	block := floodOf(655)
	var writer sync.WaitGroup
	writer.Go(func() {
		for range 4000 {
			child.Write(block)
		}
	})
	<-d.troubles
	if pipeSize(t, child) == usual {
		t.Error("the pipe is as it was")
	}
	time.Sleep(50 * time.Millisecond)
	var before, after unix.Rusage
	unix.Getrusage(unix.RUSAGE_SELF, &before)
	time.Sleep(500 * time.Millisecond)
	unix.Getrusage(unix.RUSAGE_SELF, &after)
	if n := after.Nvcsw - before.Nvcsw; n > 500 {
		t.Errorf("it woke up %d times in half a second", n)
	}
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT, "size=1g"); err != nil {
		t.Fatal(err)
	}
	writer.Wait()
	d.Drain("api")
	flooded(t, dir, "api", block, 4000)
}

// What a child that floods its pipe has left in it at its end comes to the file
// with nobody's help.
func TestFloodThatEnds(t *testing.T) {
	dir := t.TempDir()
	ended := make(chan logs.Pipe, 1)
	s := openWith(t, dir, logs.Options{OnEnded: func(p logs.Pipe) { ended <- p }})
	for i := range 20 {
		name := fmt.Sprint("api", i)
		child := pipeAs(t, s, name, configs.Log{MaxSize: 1 << 20, MaxFiles: 100})
		block := floodOf(1 + 4*i)
		for range 3000 {
			child.Write(block)
		}
		s.Retire(name) // else it is kept for the next incarnation
		child.Close()
		<-ended
		flooded(t, dir, name, block, 3000)
	}
}

// The room of larger pipes is memory: no more than eight are at once.
func TestFewFloodedPipesAreLarger(t *testing.T) {
	dir := t.TempDir()
	s := openWith(t, dir, logs.Options{})
	const children, most = 12, 8
	var pipes []*os.File
	for i := range children {
		pipes = append(pipes, pipeAs(t, s, fmt.Sprint("api", i), configs.Log{MaxSize: 1 << 20, MaxFiles: 1}))
	}
	larger := func() (n int) {
		for _, p := range pipes {
			if pipeSize(t, p) > usual {
				n++
			}
		}
		return n
	}
	stop := make(chan struct{})
	var writers sync.WaitGroup
	for _, p := range pipes {
		writers.Go(func() {
			block := append(bytes.Repeat([]byte("x"), 32<<10-1), '\n')
			for {
				select {
				case <-stop:
					return
				default:
					p.Write(block)
				}
			}
		})
	}
	for range 300 {
		if n := larger(); n > most {
			t.Errorf("%d pipes are larger", n)
			break
		}
		time.Sleep(time.Millisecond)
	}
	close(stop)
	writers.Wait()
	eventually(t, "all pipes are small again", func() bool { return larger() == 0 })
}
