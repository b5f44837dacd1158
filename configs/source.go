package configs

import (
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// lineColumnsMax is the width of a shown line.
const lineColumnsMax = 160

// leftColumnsMax is how much of a long line is shown before the place.
const leftColumnsMax = 60

// span is a part of a source in bytes, the end not included.
type span struct{ start, end int }

// nowhere is the place of a fault that has none.
var nowhere = span{-1, -1}

// source is a text with lines: the tree file or one of its env_files.
type source struct {
	file string
	text string
	// order puts the faults of the tree file before those of env_files.
	order int
	lines []int // offset of each line's first byte; made by the first fault
	// secret are the parts that are shown to nobody.
	secret []span
}

// fault describes a fault at a place of this source.
func (s *source) fault(at span, text string) Fault {
	if at == nowhere {
		return Fault{File: s.file, Text: text}
	}
	at.start = min(max(at.start, 0), len(s.text))
	at.end = min(max(at.end, at.start), len(s.text))
	first, last := s.line(at.start)
	line := s.shown(first, last)
	from := min(at.start-first, len(line))
	to := min(max(at.end-first, from), len(line))
	f := Fault{File: s.file, Text: text, Line: s.number(at.start), Column: utf8.RuneCountInString(line[:from]) + 1}
	f.Source, f.Mark = excerpt(line, from, to)
	return f
}

// shown is a part of the text with stars for what is secret.
func (s *source) shown(first, last int) string {
	line := []byte(s.text[first:last])
	for _, at := range s.secret {
		for i := max(at.start, first); i < min(at.end, last); i++ {
			line[i-first] = '*'
		}
	}
	return string(line)
}

// line is the bytes of the line that holds offset, without its line end.
func (s *source) line(offset int) (first, last int) {
	first = s.lineStarts()[s.number(offset)-1]
	last = len(s.text)
	if i := strings.IndexByte(s.text[first:], '\n'); i >= 0 {
		last = first + i
	}
	if last > first && s.text[last-1] == '\r' {
		last--
	}
	return first, last
}

// number is the line, beginning at 1, that holds offset.
func (s *source) number(offset int) int {
	return sort.SearchInts(s.lineStarts(), offset+1)
}

func (s *source) lineStarts() []int {
	if s.lines == nil {
		s.lines = []int{0}
		for i := range len(s.text) {
			if s.text[i] == '\n' {
				s.lines = append(s.lines, i+1)
			}
		}
		// A text that ends with its line has no empty line behind it to point at.
		if n := len(s.lines); n > 1 && s.lines[n-1] == len(s.text) {
			s.lines = s.lines[:n-1]
		}
	}
	return s.lines
}

// excerpt is a line cut around its bytes from..to, with the mark for under it.
func excerpt(line string, from, to int) (shown, mark string) {
	// A cell is at most 4 bytes, so this much decides what is shown.
	const window = 4 * (lineColumnsMax + 1)
	left := cells(tail(line[:from], window))
	middle := cells(head(line[from:to], window))
	right := cells(head(line[to:], window))
	if width(left)+width(middle)+width(right) > lineColumnsMax {
		left = clipLeft(left, leftColumnsMax)
		room := lineColumnsMax - width(left)
		middle = clipRight(middle, room)
		right = clipRight(right, room-width(middle))
	}
	shown = strings.TrimRight(string(left)+string(middle)+string(right), " ")
	return shown, strings.Repeat(" ", width(left)) + strings.Repeat("^", max(1, width(middle)))
}

// head and tail cut a text at the border of a character.
func head(s string, bytes int) string {
	if len(s) <= bytes {
		return s
	}
	for bytes > 0 && !utf8.RuneStart(s[bytes]) {
		bytes--
	}
	return s[:bytes]
}

func tail(s string, bytes int) string {
	if len(s) <= bytes {
		return s
	}
	i := len(s) - bytes
	for i < len(s) && !utf8.RuneStart(s[i]) {
		i++
	}
	return s[i:]
}

// clipLeft keeps the last columns of a line, clipRight the first; what is cut
// leaves an ellipsis where there is room.
func clipLeft(rs []rune, columns int) []rune {
	left := width(rs)
	if left <= columns {
		return rs
	}
	for left > columns-1 {
		left -= width(rs[:1])
		rs = rs[1:]
	}
	return append([]rune{'…'}, rs...)
}

func clipRight(rs []rune, columns int) []rune {
	left := width(rs)
	if left <= columns {
		return rs
	}
	if columns == 0 {
		return nil
	}
	for left > columns-1 {
		left -= width(rs[len(rs)-1:])
		rs = rs[:len(rs)-1]
	}
	return append(rs[:len(rs):len(rs)], '…')
}

// safe is a text that a terminal prints and does not obey.
func safe(s string) string { return string(cells(s)) }

// cells are the characters of a text, each harmless: a tab is a space, and what
// controls a terminal, turns the direction or is not seen is U+FFFD.
func cells(s string) []rune {
	rs := make([]rune, 0, len(s))
	for _, r := range s {
		switch {
		case r == '\t':
			r = ' '
		case !unicode.IsPrint(r) && r != '\u00a0' && r != '\u3000':
			r = utf8.RuneError
		}
		rs = append(rs, r)
	}
	return rs
}

// width is the columns that characters take in a terminal, near enough to put a
// mark under the right place.
func width(rs []rune) int {
	n := 0
	for _, r := range rs {
		switch {
		case r < 0x300:
			n++
		case unicode.In(r, unicode.Mn, unicode.Me):
		case unicode.In(r, unicode.Han, unicode.Hangul, unicode.Hiragana, unicode.Katakana),
			r == '\u3000', r >= 0xff01 && r <= 0xff60, r >= 0x1f300 && r <= 0x1faff:
			n += 2
		default:
			n++
		}
	}
	return n
}
