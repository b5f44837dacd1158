package process

import (
	"coppice/supervisor/poller"
)

// watch waits for the end of an adopted child: the pidfd of a process can be read
// once it is a zombie, see pidfd_open(2). Where there is no pidfd, or it cannot be
// waited for, the process is looked at from time to time.
func (r *Reaper) watch(c *child) {
	if c.group.handle == 0 || r.attend() != nil || r.poller.Add(c.group.handle, int32(c.group.handle)) != nil {
		r.seekLater(c)
		return
	}
	r.watched[c.group.handle] = c
	delete(r.sought, c.ref)
}

// unwatch ends that, and must come before the pidfd is closed.
func (r *Reaper) unwatch(c *child) {
	if r.watched[c.group.handle] == c {
		r.poller.Remove(c.group.handle)
		delete(r.watched, c.group.handle)
	}
	delete(r.sought, c.ref)
}

// attend starts the goroutine that waits for all pidfds, and all pipes of jobs, once
// one is needed.
func (r *Reaper) attend() error {
	if r.poller != nil {
		return nil
	}
	p, err := poller.New()
	if err != nil {
		return err
	}
	r.poller = p
	go r.hearEnds(p)
	return nil
}

// hearEnds reports the descriptors that can be read, until the poller is closed. Each
// is reported once: it stays readable. (A number that was closed and given to another
// descriptor meanwhile does no harm: who is reported without need is looked at and
// watched again.)
func (r *Reaper) hearEnds(p *poller.Poller) {
	for {
		events, err := p.Wait()
		if err != nil {
			return
		}
		fds := make([]int, 0, len(events))
		for _, event := range events {
			p.Remove(int(event.Fd))
			fds = append(fds, int(event.Fd))
		}
		r.enqueue(func() {
			for _, fd := range fds {
				r.stirred(fd)
			}
		})
	}
}

// stirred looks at the adopted child whose pidfd was reported, or the job or set-up
// whose pipe. It may be neither's any more, for it was ended by other news.
func (r *Reaper) stirred(fd int) {
	if c := r.watched[fd]; c != nil {
		delete(r.watched, fd)
		r.seek(c)
	}
	if j := r.pipes[fd]; j != nil {
		r.readJob(j)
	}
	if c := r.setups[fd]; c != nil {
		r.stirredSetup(c)
	}
}
