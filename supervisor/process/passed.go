package process

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Passed are descriptors for a child that others have too. They are numbers: an os.File
// would change whether they block, which all who have them would see. A nil Passed is
// empty.
type Passed struct{ fds []int }

// Pass copies descriptors for a child; they stay the caller's, the copies are closed
// on exec.
func Pass(fds []int) (*Passed, error) {
	p := &Passed{}
	for _, fd := range fds {
		copied, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, firstExtra)
		if err != nil {
			p.Close()
			return nil, fmt.Errorf("cannot copy a descriptor for the process: %w", err)
		}
		p.fds = append(p.fds, copied)
	}
	return p, nil
}

func (p *Passed) all() []int {
	if p == nil {
		return nil
	}
	return p.fds
}

// Close closes what was not handed over; it may be called again.
func (p *Passed) Close() {
	for _, fd := range p.all() {
		unix.Close(fd)
	}
	if p != nil {
		p.fds = nil
	}
}
