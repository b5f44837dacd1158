package probe

import (
	"container/heap"
	"context"
	"net"
	"sync"
	"time"

	"coppice/tree"
)

const (
	// connectors is how many connection attempts are made at once. Nearly all
	// of them are answered at once, by this host itself.
	connectors = 8
	// connectTimeout ends an attempt that nobody answers.
	connectTimeout = time.Second
	// The delay between two attempts grows by half each time, between these.
	retryDelayMin = 20 * time.Millisecond
	retryDelayMax = 500 * time.Millisecond
)

// TCP finds out when processes accept connections. All methods may be called by
// many goroutines at once, and none of them waits.
type TCP struct {
	deliver func(tree.Ref)

	stop     context.CancelFunc
	stopped  context.Context
	wake     chan struct{} // holds one: the schedule has changed
	due      chan *attempt
	routines sync.WaitGroup

	// attemptsMu guards what follows and the fields of every attempt.
	attemptsMu sync.Mutex
	attempts   map[tree.Ref]*attempt
	schedule   schedule
}

// attempt is one process that is asked again and again.
type attempt struct {
	ref     tree.Ref
	address string
	at      time.Time // of the next try
	delay   time.Duration
	ended   context.Context // cancelled with the attempt
	cancel  context.CancelFunc
}

// NewTCP starts the goroutines. deliver is called, by one of them, when a
// process has accepted a connection; it must return soon after Close is called.
func NewTCP(deliver func(tree.Ref)) *TCP {
	t := &TCP{
		deliver:  deliver,
		wake:     make(chan struct{}, 1),
		due:      make(chan *attempt),
		attempts: map[tree.Ref]*attempt{},
	}
	t.stopped, t.stop = context.WithCancel(context.Background())
	t.routines.Go(t.plan)
	for range connectors {
		t.routines.Go(t.connect)
	}
	return t
}

// Watch connects to address (host:port) at once and then again and again until
// somebody accepts the connection, which is closed and told through deliver, or
// until Cancel. A ref is watched once.
func (t *TCP) Watch(ref tree.Ref, address string) {
	a := &attempt{ref: ref, address: address, at: time.Now(), delay: retryDelayMin}
	a.ended, a.cancel = context.WithCancel(t.stopped)
	t.attemptsMu.Lock()
	t.attempts[ref] = a
	heap.Push(&t.schedule, a)
	t.attemptsMu.Unlock()
	t.signal()
}

// Cancel ends the watch of a ref; it may have been told just before. A ref that
// is not watched is ignored.
func (t *TCP) Cancel(ref tree.Ref) {
	t.attemptsMu.Lock()
	defer t.attemptsMu.Unlock()
	if a := t.attempts[ref]; a != nil {
		delete(t.attempts, ref)
		a.cancel()
	}
}

// Close ends all watches and the goroutines.
func (t *TCP) Close() {
	t.stop()
	t.routines.Wait()
}

func (t *TCP) signal() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// plan hands out the attempts that are due.
func (t *TCP) plan() {
	for {
		a, wait := t.next(time.Now())
		if a == nil {
			select {
			case <-t.stopped.Done():
				return
			case <-t.wake:
			case <-wait:
			}
			continue
		}
		select {
		case <-t.stopped.Done():
			return
		case t.due <- a:
		}
	}
}

// next takes the attempt that is due, or tells when one will be; nil: none is.
func (t *TCP) next(now time.Time) (*attempt, <-chan time.Time) {
	t.attemptsMu.Lock()
	defer t.attemptsMu.Unlock()
	for len(t.schedule) > 0 {
		a := t.schedule[0]
		if a.ended.Err() == nil && a.at.After(now) {
			return nil, time.After(a.at.Sub(now))
		}
		heap.Pop(&t.schedule)
		if a.ended.Err() == nil {
			return a, nil
		}
	}
	return nil, nil
}

// connect makes one attempt after the other.
func (t *TCP) connect() {
	for {
		select {
		case <-t.stopped.Done():
			return
		case a := <-t.due:
			t.judge(a, accepts(a.ended, a.address))
		}
	}
}

// judge tells a success, and plans the next try after a failure.
func (t *TCP) judge(a *attempt, accepted bool) {
	t.attemptsMu.Lock()
	current := t.attempts[a.ref] == a
	switch {
	case !current:
	case accepted:
		delete(t.attempts, a.ref)
		a.cancel()
	default:
		a.at = time.Now().Add(a.delay)
		a.delay = min(a.delay+a.delay/2, retryDelayMax)
		heap.Push(&t.schedule, a)
	}
	t.attemptsMu.Unlock()
	if current && accepted {
		t.deliver(a.ref)
	}
	t.signal()
}

// accepts says whether somebody accepts a connection at an address. A connection
// from a port to itself is none: the kernel makes one when it happens to choose
// the very port as the one to connect from.
func accepts(ctx context.Context, address string) bool {
	dialer := net.Dialer{Timeout: connectTimeout, KeepAlive: -1}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	defer conn.Close()
	return conn.LocalAddr().String() != conn.RemoteAddr().String()
}

// schedule is a heap of attempts, the next one first.
type schedule []*attempt

func (s schedule) Len() int           { return len(s) }
func (s schedule) Less(i, j int) bool { return s[i].at.Before(s[j].at) }
func (s schedule) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }
func (s *schedule) Push(x any)        { *s = append(*s, x.(*attempt)) }
func (s *schedule) Pop() any {
	old := *s
	last := old[len(old)-1]
	*s = old[:len(old)-1]
	return last
}
