package journal

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
)

// A line is the checksum of the rest in hexadecimal digits, a space, one JSON
// object and a newline. The object begins with its number and its kind, so that
// both can be read without looking at the rest; a step goes on with the number
// of its last report.
//
//	5e0c1f2a {"n":3,"k":"step","seq":7,"at":81203, … }
const (
	checksumDigits = 8
	prefixBytes    = checksumDigits + 1
)

// castagnoli is CRC-32C, which finds every error of up to three bits in a line
// of any length that occurs, and which processors compute.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// The kinds of lines.
const (
	kindBegin   = "begin"
	kindState   = "state"
	kindStep    = "step"
	kindSpawned = "spawned"
	kindReaped  = "reaped"
	kindSent    = "sent"
)

// head is what every line begins with.
type head struct {
	N    uint64 `json:"n"`
	Kind string `json:"k"`
	// Seq is the number of a step's last report.
	Seq uint64 `json:"seq,omitempty"`
}

// sheet collects lines that are to be written in one piece.
type sheet struct {
	bytes.Buffer
	encoder *json.Encoder
	scratch scratch
}

func newSheet() *sheet {
	s := &sheet{}
	s.encoder = json.NewEncoder(&s.Buffer)
	s.encoder.SetEscapeHTML(false) // it is for people and for us
	return s
}

// add appends one record as a line; after an error nothing has been added.
func (s *sheet) add(n uint64, r Record) error {
	start := s.Len()
	form, err := s.scratch.form(n, r)
	if err == nil {
		s.WriteString("........ ")
		err = s.encoder.Encode(form) // ends with a newline
	}
	if err == nil && s.Len()-start > lineBytesMax {
		err = errLong
	}
	if err != nil {
		s.Truncate(start)
		return err
	}
	line := s.Bytes()[start:]
	putChecksum(line[:checksumDigits], line[prefixBytes:len(line)-1])
	return nil
}

// sheetBytesMax is the space that an empty sheet may keep: more than what comes of one
// fact.
const sheetBytesMax = 64 << 10

// empty removes all lines, and the space of an unusually long one.
func (s *sheet) empty() {
	s.Reset()
	if s.Cap() > sheetBytesMax {
		s.Buffer = bytes.Buffer{}
	}
}

// putChecksum writes the checksum of the text in digits.
func putChecksum(digits, text []byte) {
	sum := crc32.Checksum(text, castagnoli)
	hex.Encode(digits, []byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)})
}

var (
	errChecksum = errors.New("its checksum is wrong")
	errHead     = errors.New("it does not begin as a record does")
)

// unseal checks a line without its newline and returns the JSON in it. Digits
// in capitals are none of ours.
func unseal(line []byte) ([]byte, error) {
	var want [checksumDigits]byte
	if len(line) < prefixBytes || line[checksumDigits] != ' ' {
		return nil, errChecksum
	}
	text := line[prefixBytes:]
	putChecksum(want[:], text)
	if !bytes.Equal(want[:], line[:checksumDigits]) {
		return nil, errChecksum
	}
	return text, nil
}

// behead reads what a line begins with.
func behead(text []byte) (head, error) {
	var h head
	rest, ok := bytes.CutPrefix(text, []byte(`{"n":`))
	if ok {
		h.N, rest, ok = digits(rest)
	}
	if ok {
		rest, ok = bytes.CutPrefix(rest, []byte(`,"k":"`))
	}
	end := bytes.IndexByte(rest, '"')
	if !ok || end < 0 {
		return head{}, errHead
	}
	h.Kind = knownKind(rest[:end])
	if h.Kind == "" {
		return head{}, fmt.Errorf("it is of the kind %.20q, which is unknown", rest[:end])
	}
	if seq, found := bytes.CutPrefix(rest[end:], []byte(`","seq":`)); found && h.Kind == kindStep {
		if h.Seq, _, ok = digits(seq); !ok {
			return head{}, errHead
		}
	}
	return h, nil
}

func knownKind(name []byte) string {
	for _, kind := range [...]string{kindStep, kindSpawned, kindReaped, kindSent, kindBegin, kindState} {
		if string(name) == kind {
			return kind
		}
	}
	return ""
}

// digits reads a number and returns what follows it.
func digits(text []byte) (number uint64, rest []byte, ok bool) {
	end := 0
	for end < len(text) && '0' <= text[end] && text[end] <= '9' {
		end++
	}
	number, err := strconv.ParseUint(string(text[:end]), 10, 64)
	return number, text[end:], err == nil
}
