package procfs

import (
	"errors"
	"os"
	"os/exec"
	"slices"
	"testing"
)

// Whoever lives is among the children while others, who were there before, are reaped.
func TestChildrenWhileOthersAreReaped(t *testing.T) {
	if !hasChildren() {
		t.Skip("this kernel does not list children")
	}
	for range 20 {
		others, end := crowd(t)
		stays := started(t, exec.Command("/bin/sleep", "1000"))
		over := make(chan bool)
		go func() {
			defer close(over)
			end()
			for _, other := range others {
				other.Wait()
			}
		}()
		for looking := true; looking; {
			select {
			case <-over:
				looking = false
			default:
			}
			children, err := Children(os.Getpid())
			if err != nil && !errors.Is(err, ErrRestless) {
				t.Fatal(err)
			}
			if err == nil && !slices.Contains(children, stays.Process.Pid) {
				t.Fatalf("%d is not among %v", stays.Process.Pid, children)
			}
		}
	}
}

// crowd starts many processes that end at the same time, when end is called.
func crowd(t *testing.T) (all []*exec.Cmd, end func()) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	for range 200 {
		one := exec.Command("/bin/cat")
		one.Stdin = read
		all = append(all, started(t, one))
	}
	return all, func() { write.Close() }
}

func started(t *testing.T, c *exec.Cmd) *exec.Cmd {
	t.Helper()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	return c
}

// Nobody has no children.
func TestChildrenOfNobody(t *testing.T) {
	gone := exec.Command("/bin/true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	if children, err := Children(gone.Process.Pid); hasChildren() && (err != nil || len(children) != 0) {
		t.Errorf("%v, %v", children, err)
	}
}
