package probe

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coppice/configs"
	"coppice/tree"
)

// Times that were missed, while the daemon or the machine was halted, are not made
// up for; processes that began together are not asked together.
func TestMissedTimesAreSkipped(t *testing.T) {
	now := time.Now()
	a := &asked{Question: Question{Interval: time.Minute}}
	a.first(now)
	if d := a.at.Sub(now); d <= 0 || d > firstMax {
		t.Errorf("the first time is after %v", d)
	}
	a.again(now)
	if d := a.at.Sub(now); d < 30*time.Second || d > time.Minute {
		t.Errorf("the second time is after %v", d)
	}
	was := a.at
	a.again(a.at.Add(time.Second))
	if d := a.at.Sub(was); d != time.Minute {
		t.Errorf("the third time is %v after the second", d)
	}
	later := a.at.Add(8 * time.Hour)
	a.again(later)
	if d := a.at.Sub(later); d != time.Minute {
		t.Errorf("after eight hours of sleep the next time is after %v", d)
	}
}

// A failure that comes long after its time limit is the daemon's, which was
// halted, and not the process's. One in time counts.
func TestLateAnswersAreNone(t *testing.T) {
	p := NewProber(func(Answer) {})
	defer p.Close()
	a := &asked{Question: Question{Ref: tree.Ref{ID: "a"}, Interval: time.Hour}, lane: &p.lanes[0]}
	a.ended, a.cancel = context.WithCancel(p.stopped)
	p.asked[a.Ref] = a
	for _, late := range []bool{true, false} {
		if _, told := p.judge(a, errors.New("no answer"), time.Now(), late); told == late {
			t.Errorf("late %v, told %v", late, told)
		}
	}
	if len(p.lanes[0].schedule) != 2 {
		t.Error("it is not asked again")
	}
}

// Who cannot be asked for want of something has given no answer, and is soon asked
// again; a full queue is the process's own.
func TestShortageIsNoAnswer(t *testing.T) {
	p := NewProber(func(Answer) {})
	defer p.Close()
	tcp, local := configs.Probe{Kind: configs.ProbeTCP}, configs.Probe{Kind: configs.ProbeUnix}
	for _, c := range []struct {
		err  error
		told bool
	}{
		{failure(tcp, os.NewSyscallError("socket", unix.EMFILE)), false},
		{failure(tcp, os.NewSyscallError("connect", unix.EAGAIN)), false},
		{failure(tcp, &net.DNSError{Err: "dial udp: socket: " + unix.ENFILE.Error()}), false},
		{failure(local, os.NewSyscallError("socket", unix.ENFILE)), false},
		{failure(local, os.NewSyscallError("connect", unix.EAGAIN)), true},
		{failure(tcp, os.NewSyscallError("connect", unix.ECONNREFUSED)), true},
		{&Unasked{unix.ENOMEM}, false},
	} {
		a := &asked{Question: Question{Ref: tree.Ref{ID: "a"}, Interval: time.Hour}, lane: &p.lanes[0]}
		a.first(time.Now())
		a.ended, a.cancel = context.WithCancel(p.stopped)
		p.asked[a.Ref] = a
		now := time.Now()
		_, told := p.judge(a, c.err, now, false)
		if soon := a.at.Sub(now) < time.Minute; told != c.told || soon == c.told {
			t.Errorf("%v: told %v, soon asked again %v", c.err, told, soon)
		}
	}
}

// Why a process is not ready is told when that takes long, each reason once, and a
// few of them; a stranger at once.
func TestReasonsAreToldSparingly(t *testing.T) {
	now := time.Now()
	a := &asked{Question: Question{Probe: configs.Probe{Kind: configs.ProbeTCP}}}
	a.first(now)
	tell := func(after time.Duration, err error) bool {
		_, told := a.answer(err, now.Add(after))
		return told
	}
	refused, stranger := errors.New("connection refused"), &strangerError{"nginx has it"}
	if tell(0, refused) || !tell(0, stranger) || tell(0, stranger) {
		t.Error("the stranger is not told once and at once")
	}
	if !tell(impatience, refused) || tell(2*impatience, refused) || !tell(impatience, stranger) || !tell(impatience, refused) {
		t.Error("each change is not told once")
	}
	if tell(impatience, stranger) {
		t.Error("a fifth reason is told")
	}
	if !tell(impatience, nil) {
		t.Error("what is ready is not told")
	}
}

// A watchdog whose time has come hears first what was said before. Long after that
// time it begins anew: the daemon was halted.
func TestWatchdogIsFair(t *testing.T) {
	heard := make(chan Said, 10)
	n, err := NewNotify(func(s Said) { heard <- s })
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	ref := tree.Ref{ID: "a", Generation: 1}
	address, fd, err := n.Open(ref, os.Geteuid())
	if err != nil {
		t.Fatal(err)
	}
	n.SetPID(ref, os.Getpid())
	begin := func() time.Time {
		n.Watch(ref, time.Hour)
		n.socketsMu.Lock()
		defer n.socketsMu.Unlock()
		return n.sockets[ref].dog.fed.Add(time.Hour)
	}
	due := begin()
	n.socketsMu.Lock() // so that nobody else reads it
	if err := unix.Sendto(fd, []byte("WATCHDOG=1"), 0, &unix.SockaddrUnix{Name: address}); err != nil {
		t.Fatal(err)
	}
	n.sockets[ref].dog.fed = time.Now().Add(-time.Hour)
	n.socketsMu.Unlock()
	n.bark(due)
	if said := <-heard; !said.Well {
		t.Errorf("told %+v", said)
	}
	n.bark(begin().Add(time.Minute))
	n.bark(begin().Add(stalled / 2))
	if said := <-heard; said.Unwell == "" || len(heard) > 0 {
		t.Errorf("told %+v", said)
	}
}
