package logs

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"coppice/supervisor/crash"
)

// The delay between two tries of a file that cannot be written doubles between
// these.
const (
	retryDelayMin = 50 * time.Millisecond
	retryDelayMax = 5 * time.Second
	// While output is thrown away less is lost if it is tried more often.
	dropDelayMax = 500 * time.Millisecond
)

// roomWanted is how much room a file system must have before a file on it that
// could not be written is written again: where little comes free, trouble is not
// told again and again.
const roomWanted = 64 << 10

// errCopying tells of a file system that cannot splice, or of a filter of system calls
// that forbids it.
var errCopying = errors.New("its file system cannot take bytes from a pipe, or a filter forbids it (splice), so they are copied: should coppice be killed, the last ones may be there twice")

// moveOnce takes one chunk from a pipe to the file. With sure the pipe need not be
// asked whether it has something: to ask takes the lock that who writes to it needs.
func (k *sink) moveOnce(s *Store, p *pipe, buf []byte, sure bool) outcome {
	if p.fd < 0 || k.failing && !k.drop.on {
		return outcome{}
	}
	if !sure {
		held, ended := holds(p.fd)
		switch {
		case ended:
			k.setAside(s, p)
			return outcome{ended: true}
		case held == 0:
			return outcome{}
		}
	}
	if k.failing {
		return outcome{moved: k.discard(s, p, buf)}
	}
	o := outcome{}
	var err error
	if o.moved, o.opened, err = k.move(s, p, buf); err != nil {
		o.trouble = k.fail(s, err)
	}
	return o
}

// holds tells how much is in a pipe, or that it has ended.
func holds(fd int) (bytes int, ended bool) {
	bytes, err := unix.IoctlGetInt(fd, unix.TIOCINQ)
	if err != nil || bytes > 0 {
		return max(bytes, 0), false
	}
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	if n, err := unix.Poll(poll, 0); n < 1 || err != nil || poll[0].Revents&unix.POLLHUP == 0 {
		return 0, false
	}
	// The last writer is gone: what it wrote at the last moment is seen now.
	bytes, err = unix.IoctlGetInt(fd, unix.TIOCINQ)
	return max(bytes, 0), err == nil && bytes == 0
}

// drainPipe takes what is in a pipe now, and sees whether it has ended.
func (k *sink) drainPipe(s *Store, p *pipe, buf []byte) outcome {
	var total outcome
	left, _ := holds(p.fd)
	for {
		o := k.moveOnce(s, p, buf, false)
		total.moved += o.moved
		total.trouble = total.trouble.then(o.trouble)
		total.ended = o.ended
		// One look more than the bytes need tells the end of the pipe.
		if o.moved == 0 || left < 0 {
			return total
		}
		if left -= o.moved; left == 0 {
			left = -1
		}
	}
}

// catchUp tries again what failed and takes what is in the pipes now, the earlier
// incarnation's first, so that its last line is whole before the next one begins.
// It returns the pipes that have ended.
func (k *sink) catchUp(s *Store, buf []byte) (ended []*pipe, t trouble) {
	t = k.retry(s)
	for _, p := range slices.Clone(k.pipes) {
		o := k.drainPipe(s, p, buf)
		if o.ended {
			ended = append(ended, p)
		}
		t = t.then(o.trouble)
	}
	return ended, t
}

// move notes the time of the bytes in a pipe and takes some of them to the file.
func (k *sink) move(s *Store, p *pipe, buf []byte) (n int, opened bool, err error) {
	now := time.Now()
	opened = k.live.file < 0
	due := k.note.due(s, k, p.Mark, now)
	if err = k.ready(s, due); err != nil {
		return 0, opened, err
	}
	if p.cutting {
		n, err := k.cut(s, p, buf)
		return n, opened, err
	}
	room := k.room(s, p, now, buf)
	// The record comes first, so that nobody sees bytes with an old time; if the
	// bytes fail to follow, a later record for their offset replaces it.
	if due || k.note.at.IsZero() {
		k.arrived(p.Mark, now)
	}
	crash.Point("move.noted")
	if k.live.end == 0 {
		k.begin(s, now)
	}
	if k.copying || k.how.Direct {
		n, err = k.copy(s, p, buf[:min(room, chunkMax)])
	} else {
		n, err = k.splice(s, p, int(room), buf)
	}
	k.live.end += int64(n)
	crash.Point("move.moved")
	if n > 0 {
		k.drop.last = p
		k.retryDelay = 0
		s.janitor.stored(int64(n))
	}
	if err == unix.EFBIG && k.live.end > 0 && k.rotate(s, now) { // no file may be longer here
		return n, opened, nil
	}
	if err != nil && err != errCopying {
		err = fmt.Errorf("cannot write %s: %w", k.path(k.live.segment), err)
	}
	return n, opened, err
}

// splice takes bytes from a pipe to the file: what splice(2) takes from the pipe
// is in the file, whenever this process is killed. It needs an offset of its own,
// as a file that is opened for appending cannot be spliced to.
func (k *sink) splice(s *Store, p *pipe, most int, buf []byte) (int, error) {
	for {
		offset := k.live.end
		n, err := unix.Splice(p.fd, nil, k.live.file, &offset, most, unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MOVE)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			return 0, nil
		case err == unix.EINVAL, err == unix.ENOSYS, err == unix.EPERM:
			k.copying = true
			return 0, errCopying
		case err != nil:
			return 0, err
		}
		k.show(s, p, int(n), buf)
		return int(n), nil
	}
}

// show gives the echo a copy of what was moved to the end of the file.
func (k *sink) show(s *Store, p *pipe, moved int, buf []byte) {
	if s.echo == nil {
		return
	}
	for shown := 0; shown < moved; {
		n, err := unix.Pread(k.live.file, buf[:min(len(buf), moved-shown)], k.live.end+int64(shown))
		if err != nil || n == 0 {
			return
		}
		s.echo.add(p, buf[:n])
		shown += n
	}
}

// copy does what splice does where that is not possible. The bytes are taken from
// the pipe once they are in the file, so that none is lost.
func (k *sink) copy(s *Store, p *pipe, buf []byte) (int, error) {
	n, err := pwriteAll(k.live.file, buf[:s.scratch.peek(p.fd, buf)], k.live.end)
	s.echo.add(p, buf[:n])
	for taken := 0; taken < n; {
		got, readErr := readPipe(p.fd, buf[:n-taken])
		if readErr != nil || got == 0 {
			break // it cannot be: they are there
		}
		taken += got
	}
	return n, err
}

// fail stops moving until the file can be written again. The pipes are left
// alone, or what they bring is thrown away.
func (k *sink) fail(s *Store, err error) trouble {
	if err == errCopying {
		return trouble{changed: true, err: fmt.Errorf("cannot write %s as it should be: %w", k.path(k.live.segment), err)}
	}
	k.failing = true
	k.retryDelay = max(retryDelayMin, k.slower())
	if k.how.Drop {
		k.drop.begin(k.live.file >= 0 && !k.endsLine())
	} else {
		for _, p := range k.pipes {
			s.epoll.Remove(p.fd)
		}
	}
	k.closeFiles()
	return trouble{retryAfter: k.retryDelay, changed: true, err: err}
}

// retry sees whether the file can be written again. Then the pipes are read
// again.
func (k *sink) retry(s *Store) trouble {
	if !k.failing {
		return trouble{}
	}
	if err := k.heal(s); err != nil {
		k.closeFiles()
		k.retryDelay = k.slower()
		return trouble{retryAfter: k.retryDelay}
	}
	k.failing = false
	if k.drop.on {
		k.drop.end()
		s.plan(k, telling, time.Now())
	} else {
		for _, p := range k.pipes {
			if !p.flooding {
				// This fails only where memory has run out, and Drain reads it still.
				s.epoll.Add(p.fd, p.number)
			}
		}
	}
	return trouble{changed: true, healed: true}
}

// slower is the delay after one more try that failed.
func (k *sink) slower() time.Duration {
	if k.drop.on {
		return min(2*k.retryDelay, dropDelayMax)
	}
	return min(2*k.retryDelay, retryDelayMax)
}

// heal opens the file, sees that there is room in it and, where output was thrown
// away, brings it in order.
func (k *sink) heal(s *Store) error {
	if err := k.openFile(s); err != nil {
		return err
	}
	err := unix.Fallocate(k.live.file, unix.FALLOC_FL_KEEP_SIZE, k.live.end, roomWanted)
	if err == nil {
		// It was a question: kept, the room would be missing to others who ask.
		_ = unix.Fallocate(k.live.file, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, k.live.end, roomWanted)
	}
	switch err {
	case nil, unix.EOPNOTSUPP, unix.ENOSYS, unix.EINTR:
		return k.settleDrop()
	}
	return err
}
