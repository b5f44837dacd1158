package configs

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// value is what stands behind "=" or in an array; n takes what is in it.
func (s *scanner) value(n *node) nodeKind {
	start := s.pos
	switch {
	case s.accept(`"""`):
		s.quoted(start, `"""`, true)
	case s.accept(`'''`):
		s.quoted(start, `'''`, true)
	case s.accept(`"`):
		s.quoted(start, `"`, false)
	case s.accept(`'`):
		s.quoted(start, `'`, false)
	case s.peek() == '[':
		s.nested(func() { s.array(n) })
		return arrayValue
	case s.peek() == '{':
		s.nested(func() { s.inline(n) })
		return inlineTable
	default:
		s.bare()
	}
	return plainValue
}

// nested reads what a bracket or a brace opens.
func (s *scanner) nested(read func()) {
	if s.depth == nestingMax {
		s.failHere("nested more than %d deep", nestingMax)
		return
	}
	s.depth++
	s.pos++
	read()
	s.depth--
}

// quoted reads a string up to its closing quotes; the opening ones are at start.
func (s *scanner) quoted(start int, quotes string, lines bool) {
	for s.fault == nil {
		if s.accept(quotes) {
			// Up to two more quotes are the end of the text, before the three.
			for range 2 {
				if lines {
					s.accept(quotes[:1])
				}
			}
			return
		}
		switch c := s.peek(); {
		case s.pos >= len(s.text):
			s.fail(span{start, start + len(quotes)}, "", "a string that is not closed: expected %s before the end of the file", quotes)
		case !lines && (c == '\n' || c == '\r'):
			s.fail(span{start, s.pos}, "", "a string that is not closed: expected %s before the end of the line", quotes)
		case c == '\\' && quotes[0] == '"':
			s.escape(lines)
		default:
			s.pos++
		}
	}
}

// escape steps over a backslash and what belongs to it.
func (s *scanner) escape(lines bool) {
	start := s.pos
	s.pos++
	digits := 0
	switch c := s.peek(); {
	case c != 0 && strings.IndexByte(`btnfre"\`, c) >= 0:
	case c == 'x':
		digits = 2
	case c == 'u':
		digits = 4
	case c == 'U':
		digits = 8
	case lines && (c == ' ' || c == '\t' || c == '\r' || c == '\n'):
		return // it joins lines; the parser sees to the rest
	default:
		s.fail(span{start, s.here().end}, `write \\ for a backslash, or put the text in single quotes`,
			`unknown escape: expected one of \b \t \n \f \r \e \" \\ \xHH \uHHHH \UHHHHHHHH`)
		return
	}
	s.pos++
	for range digits {
		if !hexByte(s.peek()) {
			s.fail(span{start, s.here().end}, "", "an escape that is too short: expected %d hexadecimal digits", digits)
			return
		}
		s.pos++
	}
	if digits > 0 {
		if code, err := strconv.ParseUint(s.text[s.pos-digits:s.pos], 16, 32); err != nil || !utf8.ValidRune(rune(code)) {
			s.fail(span{start, s.pos}, "", "an escape that is no character of Unicode")
		}
	}
}

func hexByte(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f'
}

// unescape is the text of a basic string of one line, whose escapes are right.
func unescape(s string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, `\`)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[after[0]]
		if digits > 0 {
			code, _ := strconv.ParseUint(after[1:1+digits], 16, 32) // escape has looked at it
			b.WriteRune(rune(code))
		} else {
			b.WriteByte("\b\t\n\f\r\x1b\"\\"[strings.IndexByte(`btnfre"\`, after[0])])
		}
		s = after[1+digits:]
	}
}

// array reads [ value, … ] behind its bracket.
func (s *scanner) array(n *node) {
	opened := span{s.pos - 1, s.pos}
	for {
		s.space()
		if s.fault != nil || s.accept("]") {
			return
		}
		if s.closes(opened, "]", "an array") {
			return
		}
		start := s.pos
		s.value(&node{})
		n.items = append(n.items, span{start, s.pos})
		s.space()
		if s.fault == nil && !s.accept(",") && s.peek() != ']' && !s.closes(opened, "]", "an array") {
			s.failHere("expected \",\" or \"]\" in the array that begins in line %d, found %s", s.line(opened.start), s.found())
		}
	}
}

// inline reads { key = value, … } behind its brace.
func (s *scanner) inline(n *node) {
	opened := span{s.pos - 1, s.pos}
	for {
		s.space()
		if s.fault != nil || s.accept("}") {
			return
		}
		if s.closes(opened, "}", "a table") {
			return
		}
		s.assignment(n)
		s.space()
		if s.fault == nil && !s.accept(",") && s.peek() != '}' && !s.closes(opened, "}", "a table") {
			s.failHere("expected \",\" or \"}\" in the table that begins in line %d, found %s", s.line(opened.start), s.found())
		}
	}
}

// closes is a fault at the opening bracket when the file ends before the other.
func (s *scanner) closes(opened span, closing, what string) bool {
	if s.pos < len(s.text) {
		return false
	}
	s.fail(opened, "", "%s that is not closed: expected %q before the end of the file", what, closing)
	return true
}

// bare reads a number, a date or a truth value; which of them it is, and
// whether it is a good one, is the parser's to say.
func (s *scanner) bare() {
	start := s.pos
	s.word()
	// A date may have a blank before its time.
	if s.pos-start == len("2006-01-02") && s.text[start+4] == '-' && s.peek() == ' ' &&
		s.pos+1 < len(s.text) && s.text[s.pos+1] >= '0' && s.text[s.pos+1] <= '9' {
		s.pos++
		s.word()
	}
	text := s.text[start:s.pos]
	switch {
	case text == "":
		s.failHere("expected a value, found %s", s.found())
	case !bareValue(text):
		s.fail(span{start, s.pos}, "a string stands in quotes: "+quoteShort(text), "expected a value, found %s", show(text))
	}
}

// word steps up to what may end a bare value.
func (s *scanner) word() {
	for s.pos < len(s.text) && strings.IndexByte(" \t\r\n,]}#", s.text[s.pos]) < 0 {
		s.pos++
	}
}

// bareValue says whether a text may be a number, a date or a truth value.
func bareValue(text string) bool {
	if text == "true" || text == "false" {
		return true
	}
	for i := range len(text) {
		if c := text[i]; !bareKeyByte(c) && c != '+' && c != '.' && c != ':' && c != ' ' {
			return false
		}
	}
	number := strings.TrimLeft(text, "+-")
	return number != "" && number[0] >= '0' && number[0] <= '9' || number == "inf" || number == "nan"
}
