package supervisor

import (
	"context"

	"coppice/ipc"
)

// followerEventsMax are the events that a follower may be behind before it is
// sent back to the files.
const followerEventsMax = 1024

// follower is one reader that waits for more. lagged is closed when it is too
// slow, or the record ends: it has to look into the files.
type follower struct {
	events chan ipc.Event
	lagged chan struct{}
}

func (f *follower) offer(e ipc.Event) bool {
	select {
	case f.events <- e:
		return true
	default:
		return false
	}
}

// relay passes on what comes in until f has fallen behind.
func (f *follower) relay(ctx context.Context, since uint64, emit func(ipc.Event) error) (uint64, error) {
	for {
		select {
		case e := <-f.events:
			if err := emit(e); err != nil {
				return since, err
			}
			since = e.Seq
		case <-ctx.Done():
			return since, nil
		case <-f.lagged:
			return since, nil
		}
	}
}

// publish hands events to the followers. One that is too far behind is sent to
// the files. The caller holds mu.
func (r *record) publish(events []ipc.Event) {
	for f := range r.followers {
		for _, e := range events {
			if !f.offer(e) {
				delete(r.followers, f)
				close(f.lagged)
				break
			}
		}
	}
}

// read calls emit for each event after since; with follow it goes on until ctx
// is done or the record has ended.
func (r *record) read(ctx context.Context, since uint64, follow bool, emit func(ipc.Event) error) error {
	for {
		f, last := r.follow()
		err := ReadEvents(r.dir, since, func(e ipc.Event) error {
			if e.Seq > last {
				return nil // it is in the follower, or was not there when it was asked
			}
			if err := emit(e); err != nil {
				return err
			}
			since = e.Seq
			return ctx.Err()
		})
		if err != nil || !follow || f == nil {
			r.unfollow(f)
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		if since, err = f.relay(ctx, max(since, last), emit); err != nil || ctx.Err() != nil {
			r.unfollow(f)
			return err
		}
	}
}

// follow takes hold of everything from now on, in a follower (nil when the
// record has ended), and tells the last event that is not in it.
func (r *record) follow() (f *follower, last uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.followers != nil {
		f = &follower{events: make(chan ipc.Event, followerEventsMax), lagged: make(chan struct{})}
		r.followers[f] = true
	}
	return f, r.last
}

func (r *record) unfollow(f *follower) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.followers, f)
}

// end ends the record: followers get what they have not had yet, and an end.
func (r *record) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for f := range r.followers {
		close(f.lagged)
	}
	r.followers = nil
}
