package logs

import (
	"bytes"
	"math"
	"time"
)

// droppedTold is how often it is told that output is thrown away.
const droppedTold = 5 * time.Second

// drop is what a sink throws away while its file cannot be written. Whole lines
// go: the end of a line whose beginning is in the file is kept for it, and the end
// of one whose beginning was thrown away is thrown away too.
type drop struct {
	on   bool
	torn bool   // the file ends within a line, whose end the last pipe is to bring
	mark uint32 // of the incarnation that wrote what is lost
	last *pipe  // that brought the last bytes of the file
	tail []byte // what has come of that end
	lost int64  // thrown away, and not yet in the index

	untold int64 // thrown away, and not yet told
	toldAt time.Time
}

// begin begins to throw away what comes.
func (d *drop) begin(torn bool) {
	d.on, d.torn, d.tail = true, torn, nil
}

func (d *drop) end() { d.on, d.torn, d.tail = false, false, nil }

// mend takes the end of the file's last line from the front of what a pipe brings
// and returns the rest. Of a line that is too long the rest is thrown away.
func (d *drop) mend(p *pipe, data []byte) []byte {
	if !d.torn || p != d.last {
		return data
	}
	end := bytes.IndexByte(data, '\n') + 1
	d.torn = end == 0
	if d.torn {
		end = len(data)
	}
	if len(d.tail)+end > LineMax {
		d.torn = false
		return data
	}
	d.tail = append(d.tail, data[:end]...)
	return data[end:]
}

// count counts what is thrown away of a pipe's bytes.
func (d *drop) count(p *pipe, data []byte) {
	if len(data) == 0 {
		return
	}
	d.lost += int64(len(data))
	d.untold += int64(len(data))
	d.mark = p.Mark
	p.cutting = data[len(data)-1] != '\n'
}

func (d *drop) takeUntold() int64 {
	n := d.untold
	d.untold = 0
	return n
}

// discard takes a chunk from a pipe and throws it away.
func (k *sink) discard(s *Store, p *pipe, buf []byte) int {
	n, err := readPipe(p.fd, buf)
	if err != nil || n == 0 {
		return 0
	}
	s.echo.add(p, buf[:n])
	k.drop.count(p, k.drop.mend(p, buf[:n]))
	if now := time.Now(); k.drop.untold > 0 && now.Sub(k.drop.toldAt) >= droppedTold {
		k.drop.toldAt = now
		s.plan(k, telling, now)
	}
	return n
}

// cut throws away what is left in a pipe of a line whose beginning was thrown
// away.
func (k *sink) cut(s *Store, p *pipe, buf []byte) (int, error) {
	if line := s.scratch.line(p.fd, buf); line > 0 {
		buf = buf[:line]
	}
	n := k.discard(s, p, buf)
	if n == 0 {
		return 0, nil
	}
	s.plan(k, telling, time.Now())
	return n, k.recordLost()
}

// settleDrop brings a file in order that can be written again: the end of its last
// line and the record of what was thrown away behind it.
func (k *sink) settleDrop() error {
	if tail := k.drop.tail; len(tail) > 0 {
		k.arrived(k.drop.last.Mark, time.Now())
		n, err := pwriteAll(k.live.file, tail, k.live.end)
		k.live.end += int64(n)
		k.drop.tail = tail[n:]
		if err != nil {
			return err
		}
	}
	return k.recordLost()
}

// recordLost adds what was thrown away to the index. A line that was not ended
// because its end is lost too is ended.
func (k *sink) recordLost() error {
	if k.drop.lost == 0 {
		return nil
	}
	if !k.endsLine() {
		n, err := pwriteAll(k.live.file, []byte("\n"), k.live.end)
		k.live.end += int64(n)
		if err != nil {
			return err
		}
	}
	if k.drop.torn {
		k.drop.torn = false
		k.drop.last.cutting = true
	}
	for k.drop.lost > 0 {
		length := min(k.drop.lost, math.MaxUint32)
		r := record{offset: k.live.end, time: time.Now().UnixNano(), length: uint32(length), mark: k.drop.mark, kind: bytesDropped}
		if err := k.addRecord(r); err != nil {
			return err
		}
		k.drop.lost -= length
	}
	k.note.at = time.Time{} // what comes now arrives after a gap
	return nil
}
