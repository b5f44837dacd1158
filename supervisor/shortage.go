package supervisor

import (
	"errors"
	"slices"
	"syscall"
)

// shortages are the reasons for which a start fails and that are neither its fault
// nor there for ever: too many processes, too little memory, no descriptor left, a
// full disk under the log.
var shortages = []syscall.Errno{
	syscall.EAGAIN, syscall.ENOMEM, syscall.EMFILE, syscall.ENFILE, syscall.ENOSPC, syscall.EDQUOT, syscall.ENOBUFS,
}

// isShortage says whether an error is one of them.
func isShortage(err error) bool {
	return slices.ContainsFunc(shortages, func(e syscall.Errno) bool { return errors.Is(err, e) })
}
