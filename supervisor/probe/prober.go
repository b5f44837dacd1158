package probe

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"coppice/configs"
	"coppice/tree"
)

// Prober asks processes whether they are ready, and how they are. All methods may
// be called by many goroutines at once, and none of them waits.
type Prober struct {
	deliver   func(Answer)
	listeners listeners

	stop     context.CancelFunc
	stopped  context.Context
	wake     chan struct{} // holds one: the schedule has changed
	routines sync.WaitGroup

	// askedMu guards what follows and the fields of every question.
	askedMu sync.Mutex
	asked   map[tree.Ref]*asked
	lanes   lanes
}

// NewProber starts the goroutine that plans. deliver is called with each answer
// about health, with the first good one about readiness, and with what keeps a
// process from being ready, where that takes long. It is called by several
// goroutines and must return soon after Close is called.
func NewProber(deliver func(Answer)) *Prober {
	p := &Prober{
		deliver: deliver,
		wake:    make(chan struct{}, 1),
		asked:   map[tree.Ref]*asked{},
		lanes:   newLanes(),
	}
	p.stopped, p.stop = context.WithCancel(context.Background())
	p.routines.Go(p.plan)
	return p
}

// Ask asks a question again and again: about readiness at once and until the
// answer is good, about health in each interval, until Cancel. A question of the
// same incarnation that was asked before is not asked any more.
func (p *Prober) Ask(q Question) {
	a := &asked{Question: q, lane: p.lanes.of(q)}
	a.first(time.Now())
	a.ended, a.cancel = context.WithCancel(p.stopped)
	p.askedMu.Lock()
	p.forget(q.Ref)
	p.asked[q.Ref] = a
	heap.Push(&a.lane.schedule, a)
	p.askedMu.Unlock()
	p.signal()
}

// Cancel ends the question of an incarnation; its answer may have been told just
// before. An incarnation that is not asked anything is ignored.
func (p *Prober) Cancel(ref tree.Ref) {
	p.askedMu.Lock()
	defer p.askedMu.Unlock()
	p.forget(ref)
}

// forget is Cancel for who holds askedMu.
func (p *Prober) forget(ref tree.Ref) {
	if a := p.asked[ref]; a != nil {
		delete(p.asked, ref)
		a.cancel()
	}
}

// Close ends all questions and the goroutines.
func (p *Prober) Close() {
	p.stop()
	p.routines.Wait()
}

func (p *Prober) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// plan asks the questions that are due, and sleeps until the next one is.
func (p *Prober) plan() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		wait, any := p.begin(time.Now())
		if any {
			timer.Reset(wait)
		} else {
			timer.Stop()
		}
		select {
		case <-p.stopped.Done():
			return
		case <-p.wake:
		case <-timer.C:
		}
	}
}

// begin asks what is due, as far as there is room, and tells how long it is until
// the next question; false: there is none, or no room for it.
func (p *Prober) begin(now time.Time) (wait time.Duration, any bool) {
	p.askedMu.Lock()
	defer p.askedMu.Unlock()
	for i := range p.lanes {
		l := &p.lanes[i]
		for {
			a := l.next(now)
			if a == nil {
				break
			}
			l.busy++
			p.routines.Go(func() { p.ask(a) })
		}
		if until, waits := l.until(now); waits && (!any || until < wait) {
			wait, any = until, true
		}
	}
	return wait, any
}

// ask asks one question once, and tells the answer.
func (p *Prober) ask(a *asked) {
	ctx, cancel := a.ended, context.CancelFunc(func() {})
	limit := time.Duration(a.Probe.Timeout)
	if a.Ask == nil { // else it knows the limit itself
		ctx, cancel = context.WithTimeout(ctx, limit)
	}
	began := time.Now()
	err := p.question(ctx, a.Question)
	cancel()
	now := time.Now()
	late := err != nil && limit > 0 && now.Sub(began) > limit+a.slack()
	if answer, ok := p.judge(a, err, now, late); ok {
		p.deliver(answer)
	}
	p.askedMu.Lock()
	a.lane.busy--
	p.askedMu.Unlock()
	p.signal()
}

// judge says what is to be told, and plans the next time. An answer that is late
// is none, and about health neither is one of who could not be asked: it is soon asked
// again.
func (p *Prober) judge(a *asked, err error, now time.Time, late bool) (Answer, bool) {
	p.askedMu.Lock()
	defer p.askedMu.Unlock()
	if p.asked[a.Ref] != a {
		return Answer{}, false
	}
	none := a.Interval > 0 && isUnasked(err)
	switch {
	case a.Interval == 0 && err == nil:
		p.forget(a.Ref)
	case none:
		a.soon(now)
		heap.Push(&a.lane.schedule, a)
	default:
		a.again(now)
		heap.Push(&a.lane.schedule, a)
	}
	if late || none {
		return Answer{}, false
	}
	return a.answer(err, now)
}

// question asks; nil is a good answer.
func (p *Prober) question(ctx context.Context, q Question) error {
	switch q.Probe.Kind {
	case configs.ProbeTCP:
		return accepts(ctx, "tcp", q.Probe)
	case configs.ProbeUnix:
		return accepts(ctx, "unix", q.Probe)
	case configs.ProbeHTTP:
		return get(ctx, q.Probe)
	case configs.ProbeListening:
		return p.listening(ctx, q)
	}
	return q.Ask(ctx)
}
