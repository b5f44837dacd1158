package journal

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

const (
	// roomStep is how much space is reserved at a time, roomMin what is always
	// reserved ahead: a few hundred records that a full disk still takes.
	roomStep = 256 << 10
	roomMin  = 128 << 10
)

// room is the space that is reserved for a file (fallocate(2),
// FALLOC_FL_KEEP_SIZE), up to end.
type room struct {
	end     int64
	missing bool // it could not be reserved the last time
	foreign bool // the file system does not reserve any
}

// reserve reserves space up to roomMin behind an end. Where that fails, what is
// to be written may still find space.
func (r *room) reserve(file *os.File, end int64) {
	if end+roomMin <= r.end || r.foreign {
		return
	}
	end = (end + roomMin + roomStep - 1) / roomStep * roomStep
	for {
		err := unix.Fallocate(int(file.Fd()), unix.FALLOC_FL_KEEP_SIZE, r.end, end-r.end)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS):
			r.foreign, r.missing = true, false
		case err != nil:
			r.missing = true
		default:
			r.end, r.missing = end, false
		}
		return
	}
}
