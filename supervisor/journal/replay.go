package journal

import (
	"errors"
	"fmt"
	"io"
)

// replay reads the present file record by record.
type replay struct {
	lines *lines
	path  string
	// n counts the sound records, end is where the last of them ends; state is
	// where the State does.
	n          uint64
	end, state int64
	begin      Begin
	lastSeq    uint64
}

// all visits the sound records up to the first damage, and looks through what
// comes after it.
func (r *replay) all(visit func(Record) error) (*Damage, error) {
	for {
		line, err := r.lines.next()
		switch {
		case err == io.EOF, err == errTorn && r.n >= 2:
			return r.complete()
		case err == errTorn || err == errLong:
			return r.damage(err)
		case err != nil:
			return nil, err
		}
		record, err := r.next(line)
		if err == nil {
			err = visit(record)
		}
		if newer := newerFormat(0); errors.As(err, &newer) {
			return nil, fmt.Errorf("%s: %w", r.path, newer)
		}
		if err != nil {
			return r.damage(err)
		}
		r.n++
		r.end = r.lines.end
		if r.n == 2 {
			r.state = r.end
		}
	}
}

// next is the record of a line, which must be the one that is due.
func (r *replay) next(line []byte) (Record, error) {
	text, err := unseal(line)
	if err != nil {
		return nil, err
	}
	h, err := behead(text)
	if err != nil {
		return nil, err
	}
	// What is no part of this record does not end the numbers.
	r.lastSeq = max(r.lastSeq, h.Seq)
	switch due := r.n + 1; {
	case h.N != due:
		return nil, fmt.Errorf("the number of the record is %d", h.N)
	case (due == 1) != (h.Kind == kindBegin), (due == 2) != (h.Kind == kindState):
		return nil, fmt.Errorf("a record %q is not to be there", h.Kind)
	}
	record, err := decode(h, text)
	if err != nil {
		return nil, err
	}
	if begin, ok := record.(Begin); ok {
		r.begin = begin
		r.lastSeq = max(r.lastSeq, begin.Seq)
	}
	return record, nil
}

var errIncomplete = errors.New("the file ends before the state of the tree")

// complete is what to say at the end of the file.
func (r *replay) complete() (*Damage, error) {
	if r.n < 2 {
		return &Damage{Path: r.path, Offset: r.end, Record: r.n + 1, Cause: errIncomplete, Tail: true}, nil
	}
	return nil, nil
}

// damage is what is wrong with the line that was read last. The rest of the file
// is looked through for what is sound.
func (r *replay) damage(cause error) (*Damage, error) {
	d := &Damage{Path: r.path, Offset: r.lines.at, Record: r.n + 1, Cause: cause}
	seq, sound, err := lastOf(r.lines)
	r.lastSeq = max(r.lastSeq, seq)
	d.Tail = sound == 0
	return d, err
}

// lastOf looks through the rest of a file for the highest number of a report, and
// counts the sound lines.
func lastOf(l *lines) (seq uint64, sound int, err error) {
	for {
		line, err := l.next()
		switch {
		case err == io.EOF || err == errTorn:
			return seq, sound, nil
		case err == errLong:
			continue
		case err != nil:
			return seq, sound, err
		}
		text, err := unseal(line)
		if err != nil {
			continue
		}
		sound++
		h, err := behead(text)
		if err != nil {
			continue
		}
		seq = max(seq, h.Seq)
		if h.Kind == kindBegin {
			if record, err := decodeBegin(text); err == nil {
				seq = max(seq, record.(Begin).Seq)
			}
		}
	}
}
