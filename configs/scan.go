package configs

import (
	"fmt"
	"strings"
)

const (
	// nestingMax bounds brackets, braces and the parts of a dotted key. The
	// parser needs memory that is quadratic in each of them.
	nestingMax = 32
	// keyCostMax bounds the parser's memory for keys: it keeps the whole path
	// of each, so many keys under a long one are quadratic too.
	keyCostMax = 128 << 20
)

// syntaxError is the first place at which a file is no TOML.
type syntaxError struct {
	at   span
	text string
	hint string
}

// index tells where every key and value of a TOML text stands, in one pass. It
// knows the structure of TOML and leaves to the parser what a number or a date
// is; where it finds no fault, the text is also safe to parse.
func index(text string) (*node, *syntaxError) {
	s := &scanner{text: text, root: &node{value: span{0, 0}}}
	s.table = s.root
	s.controls()
	for s.fault == nil && s.pos < len(s.text) {
		s.statement()
	}
	return s.root, s.fault
}

// scanner is one pass over a text. Its methods stand at pos, read what they are
// named after and stop at the first fault, which is kept.
type scanner struct {
	text  string
	pos   int
	root  *node
	table *node // of the last header
	// pathBytes is the length of the key of the table that is being filled.
	pathBytes int
	depth     int
	cost      int
	fault     *syntaxError
}

func (s *scanner) fail(at span, hint, format string, args ...any) {
	if s.fault == nil {
		s.fault = &syntaxError{at: at, text: fmt.Sprintf(format, args...), hint: hint}
	}
}

// failHere is a fault at the next character, or at the line's end.
func (s *scanner) failHere(format string, args ...any) {
	s.fail(s.here(), "", format, args...)
}

func (s *scanner) here() span {
	end := s.pos
	if end < len(s.text) && s.text[end] != '\n' && s.text[end] != '\r' {
		end++
		for end < len(s.text) && s.text[end]&0xc0 == 0x80 {
			end++
		}
	}
	return span{s.pos, end}
}

// found names the next character for a fault.
func (s *scanner) found() string {
	at := s.here()
	switch {
	case s.pos >= len(s.text):
		return "the end of the file"
	case at.start == at.end:
		return "the end of the line"
	}
	return fmt.Sprintf("%q", s.text[at.start:at.end])
}

// controls refuses characters that no TOML file has, comments included.
func (s *scanner) controls() {
	for i := range len(s.text) {
		switch c := s.text[i]; {
		case c >= 0x20 && c != 0x7f, c == '\t', c == '\n':
		case c == '\r' && i+1 < len(s.text) && s.text[i+1] == '\n':
		case c == '\r':
			s.fail(span{i, i + 1}, "", "a carriage return without a line feed: expected lines that end with a line feed")
			return
		default:
			s.fail(span{i, i + 1}, "", "a control character, U+%04X: expected text", c)
			return
		}
	}
}

func (s *scanner) peek() byte {
	if s.pos < len(s.text) {
		return s.text[s.pos]
	}
	return 0
}

// accept steps over a text if it stands here.
func (s *scanner) accept(text string) bool {
	if !strings.HasPrefix(s.text[s.pos:], text) {
		return false
	}
	s.pos += len(text)
	return true
}

func (s *scanner) blanks() {
	for s.peek() == ' ' || s.peek() == '\t' {
		s.pos++
	}
}

// comment steps over a comment, up to its line's end.
func (s *scanner) comment() {
	if s.peek() != '#' {
		return
	}
	if i := strings.IndexByte(s.text[s.pos:], '\n'); i >= 0 {
		s.pos += i
	} else {
		s.pos = len(s.text)
	}
}

// space steps over blanks, comments and line ends.
func (s *scanner) space() {
	for {
		s.blanks()
		s.comment()
		if !s.accept("\n") && !s.accept("\r\n") {
			return
		}
	}
}

// statement is a header, a key with its value, or nothing, and its line's end.
func (s *scanner) statement() {
	s.space()
	switch {
	case s.pos >= len(s.text):
		return
	case s.peek() == '[':
		s.header()
	default:
		s.assignment(s.table)
	}
	s.blanks()
	s.comment()
	if s.fault == nil && s.pos < len(s.text) && !s.accept("\n") && !s.accept("\r\n") {
		s.failHere("expected the end of the line, found %s", s.found())
	}
}

// header is [a.b] or [[a.b]]; the keys after it belong to its table.
func (s *scanner) header() {
	start, closing, kind := s.pos, "]", headedTable
	if s.accept("[[") {
		closing, kind = "]]", tableArray
	} else {
		s.accept("[")
	}
	parts := s.key()
	if s.fault == nil && !s.accept(closing) {
		s.failHere("expected %q after the table's name, found %s", closing, s.found())
	}
	if s.fault != nil {
		return
	}
	s.pathBytes = 0
	at := span{start, s.pos}
	parent, last := s.parent(s.root, parts), parts[len(parts)-1]
	if parent == nil {
		return
	}
	s.charge(parts)
	s.table = s.open(parent, last, at, kind)
	s.pathBytes = pathBytes(parts)
}

// open finds or makes the table of a header.
func (s *scanner) open(parent *node, last keyPart, at span, kind nodeKind) *node {
	old := parent.field(last.text)
	switch {
	case old == nil:
		n := &node{key: last.text, name: last.at, value: at, kind: kind}
		parent.add(n)
		return n
	case old.kind == tableArray && kind == tableArray:
		old.fields, old.byKey = nil, nil
	case old.kind == implicitTable && kind == headedTable:
		old.kind, old.name, old.value = kind, last.at, at
	default:
		s.twice(old, at)
	}
	return old
}

func (s *scanner) twice(old *node, at span) {
	s.fail(at, "", "%s is defined twice: the first stands in line %d", show(old.key), s.line(old.name.start))
}

// line is the number of the line that holds an offset.
func (s *scanner) line(offset int) int {
	return 1 + strings.Count(s.text[:offset], "\n")
}

// parent is the table that the last part of a key belongs to.
func (s *scanner) parent(in *node, parts []keyPart) *node {
	for _, part := range parts[:len(parts)-1] {
		next := in.field(part.text)
		if next == nil {
			next = &node{key: part.text, name: part.at, value: part.at}
			in.add(next)
		}
		if !next.isTable() {
			s.fail(part.at, "", "%s has a value already: it cannot hold further keys", show(part.text))
			return nil
		}
		in = next
	}
	return in
}

// assignment is key = value in a table.
func (s *scanner) assignment(in *node) {
	parts := s.key()
	if s.fault == nil && !s.accept("=") {
		s.failHere("expected \"=\" after the key, found %s", s.found())
	}
	if s.fault != nil {
		return
	}
	s.charge(parts)
	parent, last := s.parent(in, parts), parts[len(parts)-1]
	if parent == nil {
		return
	}
	if old := parent.field(last.text); old != nil {
		s.twice(old, last.at)
		return
	}
	n := &node{key: last.text, name: last.at}
	parent.add(n)
	s.blanks()
	n.value.start = s.pos
	s.pathBytes += pathBytes(parts)
	n.kind = s.value(n)
	s.pathBytes -= pathBytes(parts)
	n.value.end = s.pos
}
