package configs

import (
	"fmt"
	"strings"
)

const (
	// valueBytesMax is the longest string that Linux gives to a program
	// (MAX_ARG_STRLEN), its closing NUL included.
	valueBytesMax = 128 << 10
	// defaultsNestedMax is how deep a default may hold variables with defaults.
	defaultsNestedMax = 8
)

// variableFault is what is wrong with one ${…} of a text.
type variableFault struct {
	at   span // in the text, without the closing brace
	text string
	hint string
	// unset is a missing value, which does no harm in a default that is not used.
	unset bool
}

// expander replaces the variables of one text.
type expander struct {
	text   string
	pos    int
	lookup func(name string) (string, bool)
	faults []variableFault
	out    int  // how many bytes came out
	ended  bool // by a fault that leaves the rest unread
}

// expandVariables replaces ${NAME} and ${NAME:-default}; $${ is a literal ${ and
// every other dollar stays. As in a shell, the default also stands for an empty
// value.
func expandVariables(text string, lookup func(string) (string, bool)) (string, []variableFault) {
	if !strings.Contains(text, "${") {
		return text, nil
	}
	e := &expander{text: text, lookup: lookup}
	out, _ := e.until(0)
	if e.out >= valueBytesMax {
		e.pos = 0
		e.fail(0, "", "the variables make it longer than the 128 KiB that a program can be given")
	}
	return out, e.faults
}

func (e *expander) fail(at int, hint, format string, args ...any) {
	e.faults = append(e.faults, variableFault{at: span{at, e.pos}, text: fmt.Sprintf(format, args...), hint: hint})
}

// until expands up to the end, or inside a default up to its closing brace.
func (e *expander) until(depth int) (out string, closed bool) {
	var b strings.Builder
	for e.pos < len(e.text) && e.out < valueBytesMax {
		rest := e.text[e.pos:]
		switch {
		case depth > 0 && rest[0] == '}':
			e.pos++
			return b.String(), true
		case strings.HasPrefix(rest, "$${"):
			e.pos += 3
			e.write(&b, "${")
		case strings.HasPrefix(rest, "${"):
			e.write(&b, e.variable(depth))
		default:
			e.pos++
			e.write(&b, rest[:1])
		}
	}
	return b.String(), false
}

// write counts what comes out, so that no text grows without bound.
func (e *expander) write(b *strings.Builder, s string) {
	e.out += len(s)
	b.WriteString(s)
}

// variable replaces the ${…} that stands here.
func (e *expander) variable(depth int) string {
	start := e.pos
	e.pos += len("${")
	name := e.name()
	rest := e.text[e.pos:]
	switch {
	case depth == defaultsNestedMax:
		e.fail(start, "", "defaults are nested more than %d deep", defaultsNestedMax)
		e.end()
	case name != "" && strings.HasPrefix(rest, ":-"):
		return e.defaulted(start, name, depth)
	case name != "" && strings.HasPrefix(rest, "}"):
		value, found := e.lookup(name)
		if !found {
			e.unset(start, name)
		}
		e.pos++
		return value
	case !strings.Contains(rest, "}"):
		e.unclosed(start)
	default:
		e.pos += strings.IndexByte(rest, '}')
		e.fail(start, literalHint, "expected ${NAME} or ${NAME:-default}")
		e.pos++
	}
	return ""
}

const literalHint = "write $${ for a literal ${"

func (e *expander) unclosed(start int) {
	e.fail(start, literalHint, "a ${ that is not closed: expected }")
	e.end()
}

// end stops at a fault behind which nothing can be told.
func (e *expander) end() {
	e.ended = true
	e.pos = len(e.text)
}

func (e *expander) unset(start int, name string) {
	name = head(name, shownBytesMax)
	e.fail(start, "set it, or say ${"+name+":-default}", "${%s} is not set and has no default", name)
	e.faults[len(e.faults)-1].unset = true
}

// defaulted is the value of a variable, or the default that stands here.
func (e *expander) defaulted(start int, name string, depth int) string {
	before, faults := e.out, len(e.faults)
	e.pos += len(":-")
	other, closed := e.until(depth + 1)
	if !closed {
		if !e.ended && e.out < valueBytesMax {
			e.pos = start + len("${") + len(name)
			e.unclosed(start)
		}
		return ""
	}
	e.out = before // what comes of it is counted by who writes it
	value, _ := e.lookup(name)
	if value == "" {
		return other
	}
	used := e.faults[:faults]
	for _, f := range e.faults[faults:] {
		if !f.unset {
			used = append(used, f)
		}
	}
	e.faults = used
	return value
}

// name reads the name of a variable; "" is none.
func (e *expander) name() string {
	start := e.pos
	for e.pos < len(e.text) && variableByte(e.text[e.pos], e.pos == start) {
		e.pos++
	}
	return e.text[start:e.pos]
}

func variableByte(c byte, first bool) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || !first && c >= '0' && c <= '9'
}
