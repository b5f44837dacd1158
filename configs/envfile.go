package configs

import (
	"strings"
	"unicode/utf8"
)

const (
	// envFileBytesMax is the size of an env_file, and of all that it sets.
	envFileBytesMax = 1 << 20
)

// envFile reads NAME=value lines. The common dotenv libraries either mistake
// ${A:-x} or cannot say where a line is wrong, so this is a parser of our own:
//
//	# a comment                      export NAME=value
//	NAME=value # a comment           NAME="a \"value\" with ${VARIABLES},\n and lines"
//	NAME=                            NAME='a value as it stands, $ and \ included'
//
// Variables are those of the lines above, else the caller's environment.
type envFile struct {
	*collector
	source  *source
	outer   map[string]string
	values  map[string]string
	pos     int
	bytes   int // of all values
	stopped bool
}

// parseEnvFile reads a whole env_file and tells its faults.
func parseEnvFile(c *collector, src *source, outer map[string]string) map[string]string {
	f := &envFile{collector: c, source: src, outer: outer, values: map[string]string{}}
	if !utf8.ValidString(src.text) {
		at := invalidUTF8(src.text)
		c.add(src, span{at, at + 1}, nil, "a byte that is no UTF-8: expected NAME=value lines of text")
		return f.values
	}
	for f.pos < len(src.text) && !f.stopped {
		f.entry()
	}
	return f.values
}

func (f *envFile) fail(at span, h hint, format string, args ...any) {
	f.collector.add(f.source, at, h, format, args...)
}

func (f *envFile) lookup(name string) (string, bool) {
	if value, found := f.values[name]; found {
		return value, true
	}
	value, found := f.outer[name]
	return value, found
}

// line is the rest of the line at pos, without its end.
func (f *envFile) line() string {
	line, _, _ := strings.Cut(f.source.text[f.pos:], "\n")
	return strings.TrimSuffix(line, "\r")
}

// skipLine goes to the next line.
func (f *envFile) skipLine() {
	if i := strings.IndexByte(f.source.text[f.pos:], '\n'); i >= 0 {
		f.pos += i + 1
	} else {
		f.pos = len(f.source.text)
	}
}

// entry reads a line, or the lines of a value in quotes.
func (f *envFile) entry() {
	line := f.line()
	text := strings.TrimLeft(line, " \t")
	if text == "" || text[0] == '#' {
		f.skipLine()
		return
	}
	if after, found := strings.CutPrefix(text, "export"); found && after != strings.TrimLeft(after, " \t") {
		text = strings.TrimLeft(after, " \t")
	}
	start := f.pos + len(line) - len(text)
	name, value, found := strings.Cut(text, "=")
	name = strings.TrimRight(name, " \t")
	if !found || !goodVariable(name) {
		at := span{start, start + len(text)}
		f.fail(at, nil, "expected NAME=value, with a name of A-Z a-z 0-9 _ . - that begins with a letter or _")
		f.skipLine()
		return
	}
	value = strings.TrimLeft(value, " \t")
	f.pos += len(line) - len(value)
	f.set(name, span{start, start + len(name)})
	f.skipLine()
}

// goodVariable says whether an env_file may set a variable of this name.
func goodVariable(name string) bool {
	for i := range len(name) {
		if !variableByte(name[i], i == 0) && (i == 0 || name[i] != '.' && name[i] != '-') {
			return false
		}
	}
	return name != ""
}

// set reads the value at pos and remembers it.
func (f *envFile) set(name string, at span) {
	var value string
	ok := true
	switch start := f.pos; {
	case strings.HasPrefix(f.source.text[start:], `"`), strings.HasPrefix(f.source.text[start:], `'`):
		value, ok = f.quoted()
	default:
		value = f.expand(unquoted(f.line()), start, nil)
	}
	if !ok {
		return
	}
	if r, found := control(value, true); found {
		f.fail(at, nil, "%s holds a control character, U+%04X", name, r)
	}
	if f.bytes += len(name) + len(value); f.bytes > envFileBytesMax {
		f.fail(at, nil, "the values up to here are more than the 1 MiB that a program can be given")
		f.stopped = true
	}
	f.values[name] = value
}

// unquoted is a value up to its comment.
func unquoted(line string) string {
	for i := range len(line) {
		if line[i] == '#' && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t') {
			line = line[:i]
			break
		}
	}
	return strings.TrimRight(line, " \t")
}

// quoted reads a value in quotes, which may have several lines; behind it only a
// comment may stand.
func (f *envFile) quoted() (string, bool) {
	start := f.pos
	text := f.source.text[start+1:]
	quote := f.source.text[start]
	end := closingQuote(text, quote)
	if end < 0 {
		f.fail(span{start, start + 1}, nil, "a value that is not closed: expected %c", quote)
		f.stopped = true
		return "", false
	}
	f.pos = start + 1 + end + 1
	if rest := f.line(); unquoted(rest) != "" {
		f.fail(span{f.pos, f.pos + len(rest)}, nil, "expected the end of the line after the closing %c", quote)
	}
	if quote == '\'' {
		return text[:end], true
	}
	plain, places := unescapeValue(text[:end])
	return f.expand(plain, start+1, places), true
}

// closingQuote is where a value in quotes ends; -1: nowhere.
func closingQuote(text string, quote byte) int {
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && quote == '"':
			i++
		case text[i] == quote:
			return i
		}
	}
	return -1
}

// unescapeValue undoes the escapes of a value in double quotes; places says
// which byte of text each byte came from.
func unescapeValue(text string) (plain string, places []int) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		start, c := i, text[i]
		if c == '\\' && i+1 < len(text) {
			if j := strings.IndexByte("nrt\"\\$", text[i+1]); j >= 0 {
				i++
				c = "\n\r\t\"\\$"[j]
			}
		}
		if c == '$' && i > start && strings.HasPrefix(text[i:], "${") {
			b.WriteByte('$') // \${ is the literal that expandVariables knows as $${
			places = append(places, start)
		}
		b.WriteByte(c)
		places = append(places, start)
	}
	return b.String(), append(places, len(text))
}

// expand replaces the variables of a value that begins at an offset; places are
// those of unescapeValue, nil where nothing was escaped.
func (f *envFile) expand(text string, offset int, places []int) string {
	value, faults := expandVariables(text, f.lookup)
	for _, v := range faults {
		at := v.at
		if places != nil {
			at = span{places[at.start], places[at.end]}
		}
		f.fail(span{offset + at.start, offset + at.end}, say(v.hint), "%s", v.text)
	}
	return value
}
