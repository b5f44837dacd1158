package configs

import "fmt"

// ListenFirst is the first of the descriptors that a process is given by number
// (SD_LISTEN_FDS_START, sd_listen_fds(3)).
const ListenFirst = 3

// fdStoreMax is how many descriptors a process can leave at most: those that it can
// begin with, and also what one message can bring (SCM_MAX_FD).
const fdStoreMax = fdMax - ListenFirst + 1

// fdStore reads how many descriptors a process may leave for its next incarnation.
func (t table) fdStore(ready Ready) int {
	count := t.number("fd_store", 0, fdStoreMax)
	last := ListenFirst + count - 1
	switch {
	case count == 0:
	case ready.Kind == ReadyExit:
		t.fault("fd_store", nil, `fd_store with ready = "exit": what is ready when it has ended leaves nothing to a next one`)
	case ready.Kind == ReadyFD && ready.FD <= last:
		h := say("say a smaller one")
		if last < fdMax {
			h = say(fmt.Sprintf("say ready = { fd = %d }", last+1))
		}
		t.fault("fd_store", h, "fd_store = %d with ready = { fd = %d }: descriptors %d to %d are for those that are given back",
			count, ready.FD, ListenFirst, last)
	}
	return count
}
