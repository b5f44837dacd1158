package probe

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"

	"coppice/configs"
)

// Unasked is why a question could not be asked: this host lacks what it takes, such as
// a descriptor, memory or a process more. That is no answer, and says nothing of the
// process. Ask, too, returns it where it is so.
type Unasked struct{ Why error }

func (e *Unasked) Error() string { return "it could not be asked: " + e.Why.Error() }

func (e *Unasked) Unwrap() error { return e.Why }

// shortages are what the system says where it lacks something.
var shortages = []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS, syscall.EAGAIN}

// shortage is the one that is behind an error; 0: it is none.
func shortage(err error) syscall.Errno {
	var unresolved *net.DNSError // which has its reason as text only
	isText := errors.As(err, &unresolved)
	i := slices.IndexFunc(shortages, func(e syscall.Errno) bool {
		return errors.Is(err, e) || isText && strings.Contains(unresolved.Err, e.Error())
	})
	if i < 0 {
		return 0
	}
	return shortages[i]
}

// unasked says that a probe could not be asked; nil: it could.
func unasked(p configs.Probe, err error) error {
	short := shortage(err)
	if short == 0 || short == syscall.EAGAIN && p.Kind == configs.ProbeUnix { // its queue is full
		return nil
	}
	return &Unasked{fmt.Errorf("%s: %w", p, short)}
}

// isUnasked says whether an error is no answer.
func isUnasked(err error) bool {
	var e *Unasked
	return errors.As(err, &e)
}
