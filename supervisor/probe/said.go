package probe

import "coppice/tree"

// Said is one thing that was heard of an incarnation: one of its fields is set.
type Said struct {
	tree.Ref
	// Ready: it has said READY=1, or has written a newline to its pipe.
	Ready bool
	// Closed: it has closed its pipe without a newline.
	Closed bool
	// Well: it has said WATCHDOG=1, for the first time since Watch.
	Well bool
	// Unwell says in words that it has not said so in time, or has said that it is
	// not well.
	Unwell string
	// Extend is how much more time it asks for.
	Extend tree.Time
	// Watchdog is the span that it has chosen for its watchdog.
	Watchdog tree.Time
	// Stranger is a process that sent a message and does not belong to it.
	Stranger int
}

// Told is what an incarnation has said of itself last.
type Told struct {
	// Status is one line of valid UTF-8 without control characters.
	Status string
	// Reloading is set from RELOADING=1 until the next READY=1, Stopping from
	// STOPPING=1 on.
	Reloading, Stopping bool
	// MainPID is the process that it calls its main one, one of its own; 0: it has
	// not said.
	MainPID int
}

// tell hears what a message says, of a sender who may say it. The caller holds
// socketsMu, as do those of the functions below.
func (n *Notify) tell(s *socket, said notice) {
	if said.status != nil {
		s.told.Status = *said.status
	}
	s.told.Reloading = (s.told.Reloading || said.reloading) && !said.ready
	s.told.Stopping = s.told.Stopping || said.stopping
	if said.mainPID != 0 && said.mainPID != s.told.MainPID && s.owns(said.mainPID) {
		s.told.MainPID = said.mainPID
	}
	if said.extend > 0 {
		n.extend(s, said.extend)
	}
	if said.ready && !s.ready {
		s.ready = true
		n.post(Said{Ref: s.ref, Ready: true})
	}
	n.hearWatchdog(s, said)
}

// extend asks for more time. However often a process does, one wish of it waits to
// be told.
func (n *Notify) extend(s *socket, span tree.Time) {
	s.extend = span
	if !s.extending {
		s.extending = true
		n.post(Said{Ref: s.ref, Extend: span})
	}
}

// post leaves something to be told for the goroutine.
func (n *Notify) post(what Said) {
	n.news = append(n.news, what)
	n.rouse()
}

// takeNews takes what is to be told.
func (n *Notify) takeNews() []Said {
	n.socketsMu.Lock()
	defer n.socketsMu.Unlock()
	taken := n.news
	n.news = nil
	for i := range taken {
		if s := n.sockets[taken[i].Ref]; taken[i].Extend > 0 && s != nil {
			taken[i].Extend, s.extending = s.extend, false
		} else if taken[i].Watchdog > 0 && s != nil {
			taken[i].Watchdog, s.spanning = tree.Time(s.span), false
		}
	}
	n.rouse()
	return taken
}
