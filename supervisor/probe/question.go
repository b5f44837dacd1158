package probe

import (
	"context"
	"math/rand/v2"
	"time"

	"coppice/configs"
	"coppice/tree"
)

// Question is what one incarnation of a process is asked.
type Question struct {
	Ref   tree.Ref
	Probe configs.Probe
	// Interval is the time between two questions about its health, above 0. With 0
	// it is asked whether it is ready, until it is.
	Interval time.Duration
	// PID is its main process, and Mark the variable in the environment of what it
	// starts, by which they are known that have left its session.
	PID  int
	Mark string
	// Ask asks a question of the kinds ProbeCommand and ProbeLog, which are not
	// this package's to ask; nil is a good answer, *Unasked is none. It ends with ctx.
	Ask func(ctx context.Context) error
}

// Answer is the answer to one question.
type Answer struct {
	tree.Ref
	// Health tells an answer about its health from one about its readiness.
	Health bool
	OK     bool
	// Cause says in words why it is not ready, or not well.
	Cause string
}

const (
	// The delay between two questions whether a process is ready grows by half
	// each time, between these.
	retryDelayMin = 20 * time.Millisecond
	retryDelayMax = 500 * time.Millisecond
	// shortageMax is the longest delay before a process is asked again how it is that
	// could not be asked.
	shortageMax = 5 * time.Second
	// impatience is how long a process may be not ready before anybody is told
	// why: most are ready by then.
	impatience = time.Second
	// reasonsMax is how many reasons are told of one start.
	reasonsMax = 4
	// firstMax is how soon after its start a process is asked how it is.
	firstMax = time.Second
	// stalled is how late an answer can be and still count. One that came later
	// after its time limit says more of the daemon, which was halted, than of the
	// process.
	stalled = 200 * time.Millisecond
	// unkilled is how much later that of a command can be, which has to be killed
	// first.
	unkilled = 2 * time.Second
)

// asked is a question that is asked again and again.
type asked struct {
	Question
	lane    *lane
	began   time.Time
	at      time.Time // of the next time
	delay   time.Duration
	times   int
	reason  string // that was told
	reasons int
	ended   context.Context // cancelled with the question
	cancel  context.CancelFunc
}

// first is when a question is asked for the first time. Processes that are
// started together are not asked together.
func (a *asked) first(now time.Time) {
	a.began, a.at, a.delay = now, now, retryDelayMin
	if a.Interval > 0 {
		a.at = now.Add(rand.N(min(a.Interval, firstMax)) + 1)
	}
}

// again is when it is asked the next time. The second question about health comes
// at any time in the second half of the interval, so that those who began
// together are spread over it from then on. Times that were missed are not made
// up for.
func (a *asked) again(now time.Time) {
	a.times++
	if a.Interval > 0 {
		a.delay = retryDelayMin
	}
	switch {
	case a.Interval == 0:
		a.at = now.Add(a.delay)
		a.delay = min(a.delay+a.delay/2, retryDelayMax)
	case a.times == 1:
		a.at = now.Add(a.Interval - rand.N(a.Interval/2+1))
	default:
		a.at = a.at.Add(a.Interval)
		if a.at.Before(now) {
			a.at = now.Add(a.Interval)
		}
	}
}

// soon is when a process is asked how it is that could not be asked: sooner than in its
// interval, and less soon each time.
func (a *asked) soon(now time.Time) {
	a.at = now.Add(min(a.delay, a.Interval))
	a.delay = min(2*a.delay, shortageMax)
}

// slack is how late an answer may be.
func (a *asked) slack() time.Duration {
	if a.Ask != nil {
		return stalled + unkilled
	}
	return stalled
}

// answer is what is told of an error, or nil; false: nothing is.
func (a *asked) answer(err error, now time.Time) (Answer, bool) {
	answer := Answer{Ref: a.Ref, Health: a.Interval > 0, OK: err == nil}
	if err == nil {
		return answer, true
	}
	answer.Cause = err.Error()
	if answer.Health {
		return answer, true
	}
	_, known := err.(*strangerError)
	if !known && now.Sub(a.began) < impatience || a.reasons == reasonsMax || answer.Cause == a.reason {
		return answer, false
	}
	a.reason = answer.Cause
	a.reasons++
	return answer, true
}
