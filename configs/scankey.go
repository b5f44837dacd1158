package configs

// keyPart is one part of a dotted key.
type keyPart struct {
	text string
	at   span
}

// key is a dotted key with the blanks around it.
func (s *scanner) key() []keyPart {
	var parts []keyPart
	for s.fault == nil {
		s.blanks()
		start := s.pos
		text := s.part()
		parts = append(parts, keyPart{text: text, at: span{start, s.pos}})
		if len(parts) > nestingMax {
			s.fail(parts[nestingMax].at, "", "a key of more than %d parts", nestingMax)
		}
		s.blanks()
		if !s.accept(".") {
			break
		}
	}
	return parts
}

// part is one part of a dotted key: bare, or in quotes.
func (s *scanner) part() string {
	start := s.pos
	switch s.peek() {
	case '"', '\'':
		quote := s.text[s.pos : s.pos+1]
		s.pos++
		s.quoted(start, quote, false)
		if s.fault != nil {
			return ""
		}
		text := s.text[start+1 : s.pos-1]
		if quote == `"` {
			text = unescape(text)
		}
		return text
	}
	for bareKeyByte(s.peek()) {
		s.pos++
	}
	if s.pos == start {
		s.failHere("expected a key, found %s", s.found())
	}
	return s.text[start:s.pos]
}

func bareKeyByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

// charge counts what a key costs the parser.
func (s *scanner) charge(parts []keyPart) {
	s.cost += s.pathBytes + pathBytes(parts) + 32*len(parts)
	if s.cost > keyCostMax {
		s.fail(parts[0].at, "", "the keys up to here are too many or too long: expected names of at most 64 characters")
	}
}

func pathBytes(parts []keyPart) int {
	n := 0
	for _, p := range parts {
		n += len(p.text) + 1
	}
	return n
}
