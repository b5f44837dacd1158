package probe_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coppice/supervisor/probe"
	"coppice/tree"
)

// spoken is a hub with a socket of this very process, which says words.
func spoken(t *testing.T) (h *hub, say func(string)) {
	t.Helper()
	h = newHub(t)
	address := h.open(api)
	h.SetPID(api, os.Getpid())
	return h, func(text string) {
		t.Helper()
		if err := send(address, []byte(text), nil); err != nil {
			t.Fatal(err)
		}
		h.Drain(api)
	}
}

// What a process says of itself is kept until it says something else.
func TestTold(t *testing.T) {
	h, say := spoken(t)
	for _, c := range []struct {
		text string
		want probe.Told
	}{
		{"STATUS=warming up", probe.Told{Status: "warming up"}},
		{"READY=1", probe.Told{Status: "warming up"}},
		{"RELOADING=1\nMONOTONIC_USEC=7\nSTATUS=", probe.Told{Reloading: true}},
		{"STATUS=again", probe.Told{Status: "again", Reloading: true}},
		{"READY=1", probe.Told{Status: "again"}},
		{"STOPPING=0", probe.Told{Status: "again"}},
		{"STOPPING=1\nSTATUS=\x1b[2Jbye", probe.Told{Status: "[2Jbye", Stopping: true}},
		{"READY=1", probe.Told{Status: "[2Jbye", Stopping: true}},
	} {
		if say(c.text); h.Told(api) != c.want {
			t.Errorf("after %q it has told %+v", c.text, h.Told(api))
		}
	}
}

// Only one of its own processes can be called the main one.
func TestMainPID(t *testing.T) {
	h, say := spoken(t)
	child := start(t, "wait", "", "")
	for text, want := range map[string]int{
		"MAINPID=1": 0, "MAINPID=-1": 0, "MAINPID=x": 0, "MAINPID=99999999999999999999": 0, "MAINPID=4194305": 0,
		fmt.Sprintf("MAINPID=%d", os.Getppid()): 0,
	} {
		if say(text); h.Told(api).MainPID != want {
			t.Errorf("%s: it is %d", text, h.Told(api).MainPID)
		}
	}
	if say(fmt.Sprintf("MAINPID=%d", child.Process.Pid)); h.Told(api).MainPID != child.Process.Pid {
		t.Errorf("its child is not: %d", h.Told(api).MainPID)
	}
}

// What is no time is not asked for.
func TestExtend(t *testing.T) {
	h, say := spoken(t)
	for _, text := range []string{"0", "-5", "x", "99999999999999999999"} {
		say("EXTEND_TIMEOUT_USEC=" + text)
	}
	h.quiet()
	say("EXTEND_TIMEOUT_USEC=2000000")
	if said := <-h.others; said != (probe.Said{Ref: api, Extend: 2 * tree.Second}) {
		t.Errorf("told %+v", said)
	}
}

func TestWatchdog(t *testing.T) {
	h, say := spoken(t)
	say("WATCHDOG=1") // nobody waits for it yet
	h.Watch(api, time.Hour)
	say("WATCHDOG=1")
	say("WATCHDOG=1")
	if said := <-h.others; said != (probe.Said{Ref: api, Well: true}) {
		t.Errorf("told %+v", said)
	}
	say("WATCHDOG_USEC=50000")
	if said := <-h.others; said != (probe.Said{Ref: api, Watchdog: tree.Second / 20}) {
		t.Errorf("told %+v", said)
	}
	if said := <-h.others; said != (probe.Said{Ref: api, Unwell: "it has not said WATCHDOG=1 for 50ms"}) {
		t.Errorf("told %+v", said)
	}
	say("WATCHDOG=1\nWATCHDOG=trigger")
	h.quiet()
	h.Watch(api, time.Hour) // what was said before is not forgotten
	if said := <-h.others; said.Unwell != "it has said WATCHDOG=trigger" {
		t.Errorf("told %+v", said)
	}
	if len(h.others) > 0 {
		t.Errorf("told %+v", <-h.others)
	}
}

// The span that a process has chosen holds whenever its word is waited for, and is told
// only so often.
func TestWatchdogIsChosen(t *testing.T) {
	h, say := spoken(t)
	say("WATCHDOG_USEC=3600000000")
	if said := <-h.others; said != (probe.Said{Ref: api, Watchdog: 3600 * tree.Second}) {
		t.Errorf("told %+v", said)
	}
	h.Watch(api, time.Millisecond)
	h.quiet()
	if len(h.others) > 0 {
		t.Errorf("told %+v", <-h.others)
	}
	for i := range 200 {
		say(fmt.Sprintf("WATCHDOG_USEC=%d", 3600000000+i))
	}
	h.quiet()
	if n := len(h.others); n > 64 {
		t.Errorf("%d spans are told", n)
	}
}

// pipeOf makes the pipe of an incarnation.
func (h *hub) pipeOf(ref tree.Ref) *os.File {
	h.Helper()
	write, _, err := h.OpenPipe(ref)
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() { write.Close(); h.Cancel(ref) })
	return write
}

// A newline makes it ready, whatever comes before and behind it.
func TestPipe(t *testing.T) {
	for _, text := range []string{"\n", "ready\n", "\n\n\n", strings.Repeat("x", 5000) + "\n" + strings.Repeat("y", 3000)} {
		h := newHub(t)
		w := h.pipeOf(api)
		h.SetPID(api, 1)
		w.WriteString(text)
		if got := <-h.ready; got != api {
			t.Errorf("told %v", got)
		}
		w.WriteString(strings.Repeat("z", 200_000)) // nobody is held up by what is said later
		w.Close()
		h.quiet()
		if !h.Drain(api) || len(h.others) > 0 {
			t.Error("it is not ready any more")
		}
	}
}

// One who closes it without a newline is not ready, and that is told; nothing is
// told before the process is known.
func TestPipeIsClosed(t *testing.T) {
	h := newHub(t)
	w := h.pipeOf(api)
	w.WriteString("ready")
	w.Close()
	h.quiet()
	h.SetPID(api, 1)
	if said := <-h.others; said != (probe.Said{Ref: api, Closed: true}) || h.Drain(api) {
		t.Errorf("told %+v", said)
	}
	ref := tree.Ref{ID: "early", Generation: 1}
	h.pipeOf(ref).WriteString("\n")
	if !h.Drain(ref) {
		t.Error("what was written before the end is not seen")
	}
	h.quiet()
	h.SetPID(ref, 1)
	if got := <-h.ready; got != ref {
		t.Errorf("told %v", got)
	}
	if socket, pipe := h.Cancel(ref); socket || !pipe {
		t.Errorf("it had a socket: %v, a pipe: %v", socket, pipe)
	}
	if h.Drain(ref) {
		t.Error("ready after Cancel")
	}
}

// Another Notify goes on with a pipe that was kept, or that the process still has.
func TestPipeIsAdopted(t *testing.T) {
	for _, kept := range []bool{true, false} {
		first := newHub(t)
		write, fd, err := first.OpenPipe(api)
		if err != nil {
			t.Fatal(err)
		}
		defer write.Close()
		var reader *os.File
		if kept {
			copied, err := unix.Dup(fd)
			if err != nil {
				t.Fatal(err)
			}
			reader = os.NewFile(uintptr(copied), "kept")
		}
		first.Close()
		h := newHub(t)
		if _, err := h.AdoptPipe(api, reader, os.Getpid(), int(write.Fd())); err != nil {
			t.Fatal(err)
		}
		write.WriteString("\n")
		if got := <-h.ready; got != api {
			t.Errorf("kept %v: told %v", kept, got)
		}
	}
	if _, err := newHub(t).AdoptPipe(api, nil, os.Getpid(), 0); err == nil {
		t.Error("what is no pipe was adopted")
	}
}
