package logs

import (
	"fmt"
	"strconv"
	"strings"
)

// Position is a place in one output of a process: between two bytes that it
// wrote. It stays good when files are compressed and when the daemon is another.
type Position struct {
	Name string
	// Stderr says that it is in the second output of a process whose log is
	// split.
	Stderr bool
	// Seq is the number of the file, Offset how many bytes of it, as they were
	// written, are before the place.
	Seq    uint64
	Offset int64
	// Told is how many notes about output that is missing at this very place lie
	// before it: bytes were thrown away here, and it was told.
	Told int
}

// String writes it as NAME@SEQ:OFFSET or NAME:err@SEQ:OFFSET, with +TOLD behind
// it where that is not 0.
func (p Position) String() string {
	text := p.Name
	if p.Stderr {
		text += ":" + errStream
	}
	text += "@" + strconv.FormatUint(p.Seq, 10) + ":" + strconv.FormatInt(p.Offset, 10)
	if p.Told > 0 {
		text += "+" + strconv.Itoa(p.Told)
	}
	return text
}

// ParsePosition reads what String writes.
func ParsePosition(text string) (Position, error) {
	wrong := func(what string) (Position, error) {
		return Position{}, fmt.Errorf("cannot read the position %.80q: %s; it is NAME@FILE:OFFSET", text, what)
	}
	output, place, _ := strings.Cut(text, "@")
	p := Position{}
	p.Name, p.Stderr = strings.CutSuffix(output, ":"+errStream)
	if !legalName(p.Name) {
		return wrong("its name is not legal")
	}
	place, told, some := strings.Cut(place, "+")
	if some {
		n, err := strconv.ParseUint(told, 10, 31)
		if err != nil || n == 0 {
			return wrong("what stands behind + is no number from 1")
		}
		p.Told = int(n)
	}
	seq, offset, _ := strings.Cut(place, ":")
	var err error
	if p.Seq, err = strconv.ParseUint(seq, 10, 64); err != nil || p.Seq == 0 {
		return wrong("the file is no number from 1")
	}
	bytes, err := strconv.ParseUint(offset, 10, 63)
	if err != nil {
		return wrong("the offset is no number from 0")
	}
	p.Offset = int64(bytes)
	return p, nil
}
