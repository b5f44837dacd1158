package supervisor

import (
	"sync"

	"coppice/supervisor/process"
)

// turn is the right to touch what belongs to the loop. The loop has it while it works, and
// not while it waits. Then the reaper, which tells most of what happens, takes it and takes
// the step itself: a restart is a chain of an end, a step, a start and another step, and each link
// would wake another goroutine, and mostly another thread under it.
type turn struct {
	sync.Mutex
	taken bool // the loop runs: who has the turn may take steps

	mailMu sync.Mutex
	mail   [][]process.Fact // what the reaper has told and nobody has heard yet
	ring   chan struct{}    // room for one: there is something for the loop to do
}

// post leaves what the reaper tells.
func (t *turn) post(facts []process.Fact) {
	t.mailMu.Lock()
	defer t.mailMu.Unlock()
	t.mail = append(t.mail, facts)
}

// collect takes what was left. The caller has the turn.
func (t *turn) collect() [][]process.Fact {
	t.mailMu.Lock()
	defer t.mailMu.Unlock()
	mail := t.mail
	t.mail = nil
	return mail
}

// rouse wakes the loop.
func (t *turn) rouse() {
	select {
	case t.ring <- struct{}{}:
	default:
	}
}

// deliver hears what the reaper tells, on the reaper's goroutine, or leaves it to the loop
// if that is at work.
func (r *runtime) deliver(facts []process.Fact) {
	r.turn.post(facts)
	if !r.turn.TryLock() {
		r.turn.rouse() // whoever has the turn may not look again
		return
	}
	defer r.turn.Unlock()
	if !r.turn.taken {
		r.turn.rouse()
		return
	}
	r.inTurn = true
	r.heedAll()
	r.inTurn = false
	r.reaper.Then(r.finishInTurn) // after what the step has asked of it
	if r.halted != nil || len(r.ahead) > 0 {
		r.turn.rouse()
		return
	}
	r.arm()
	r.heap.Stir()
}

// finishInTurn is finish on the reaper's goroutine.
func (r *runtime) finishInTurn() {
	if !r.turn.TryLock() {
		r.turn.rouse()
		return
	}
	defer r.turn.Unlock()
	if r.turn.taken {
		r.finish()
	}
}

// heedAll hears all that the reaper has told.
func (r *runtime) heedAll() {
	for _, facts := range r.turn.collect() {
		if r.halted != nil {
			return // as the loop, which hears nothing more then
		}
		r.heed(facts)
	}
}
