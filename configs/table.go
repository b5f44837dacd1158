package configs

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// table is one table of the file while it is read: what the parser made of it,
// and where its keys stand. Its methods read one key each; where the value is
// not what was expected they tell the fault and answer the default, so that
// what comes after is read as well.
type table struct {
	*loading
	// title is how faults name the table: [process.db].
	title  string
	values map[string]any
	at     *node
	// template says that it is a template's: what it lacks is said later.
	template bool
}

// below is the table that a key holds.
func (t table) below(key, title string, values map[string]any) table {
	at := t.at.field(key)
	if at == nil {
		at = &node{key: key, name: t.at.name, value: t.at.value}
	}
	return table{loading: t.loading, title: title, values: values, at: at}
}

// keys are the table's keys in the order in which the file mentions them. The
// index has all that the parser has.
func (t table) keys() []string {
	keys := make([]string, 0, len(t.values))
	for _, f := range t.at.fields {
		if _, found := t.values[f.key]; found {
			keys = append(keys, f.key)
		}
	}
	return keys
}

// span is the place of a key's value; of the table itself where there is no such key.
func (t table) span(key string) span {
	if f := t.at.field(key); f != nil {
		return f.value
	}
	return t.at.value
}

// item is the place of an element of a list.
func (t table) item(key string, i int) span {
	if f := t.at.field(key); f != nil && i < len(f.items) {
		return f.items[i]
	}
	return t.span(key)
}

// fault tells what is wrong with the value of a key, or with the table where
// the key is missing.
func (t table) fault(key string, h hint, format string, args ...any) {
	t.faultAt(t.span(key), h, format, args...)
}

func (t table) faultAt(at span, h hint, format string, args ...any) {
	t.collector.add(t.main, at, h, format, args...)
}

// unknown tells every key that is not known; elsewhere gives the hint for keys
// that would be right in another place.
func (t table) unknown(known []string, elsewhere map[string]string) {
	for _, key := range t.keys() {
		if slices.Contains(known, key) {
			continue
		}
		at := t.at.value
		if f := t.at.field(key); f != nil {
			at = f.name
		}
		h := nearest(key, known, listed("known keys:", known))
		if text := elsewhere[key]; text != "" {
			h = say(text)
		} else if text := foreignKeys[key]; text != "" && slices.Contains(known, "command") {
			h = say(text)
		} else if sub, ok := t.values[key].(map[string]any); ok && strings.Contains(t.title, ".") && looksNested(sub) {
			h = say(fmt.Sprintf("a name with a dot stands in quotes: %s", dotted(t.title, key)))
		}
		t.faultAt(at, h, "unknown key %s in %s", show(key), t.title)
	}
}

// looksNested says whether an unknown table seems to be a process or supervisor
// whose name was written with a bare dot.
func looksNested(values map[string]any) bool {
	return values["command"] != nil || values["children"] != nil
}

// dotted is the header that [process.api] and the key v2 were meant to be.
func dotted(title, key string) string {
	kind, name, _ := strings.Cut(strings.Trim(title, "[]"), ".")
	return fmt.Sprintf("[%s.%q]", kind, name+"."+key)
}

// text reads a string; false: there is none, or it is faulty.
func (t table) text(key, expected string) (string, bool) {
	value, found := t.values[key]
	if !found {
		return "", false
	}
	text, ok := value.(string)
	if !ok {
		t.fault(key, nil, "%s is %s: expected %s", key, describe(value), expected)
		return "", false
	}
	return text, t.prints(t.span(key), key, text, false)
}

// truth reads a boolean.
func (t table) truth(key string, fallback bool) bool {
	value, found := t.values[key]
	if !found {
		return fallback
	}
	b, ok := value.(bool)
	if !ok {
		t.fault(key, nil, "%s is %s: expected true or false", key, describe(value))
		return fallback
	}
	return b
}

// list reads a list; what its elements are is the caller's to look at.
func (t table) list(key, expected string) ([]any, bool) {
	value, found := t.values[key]
	if !found {
		return nil, false
	}
	list, ok := value.([]any)
	if !ok {
		t.fault(key, nil, "%s is %s: expected %s", key, describe(value), expected)
	}
	return list, ok
}

// texts reads a list of strings; it leaves out those that are faulty and says
// where each of the others stands.
func (t table) texts(key, expected string) (texts []string, places []span) {
	list, _ := t.list(key, "a list of "+expected)
	for i, value := range list {
		text, ok := value.(string)
		if !ok {
			t.faultAt(t.item(key, i), t.quotes(value, t.item(key, i)), "%s holds %s: expected %s", key, describe(value), expected)
			continue
		}
		if t.prints(t.item(key, i), key, text, false) {
			texts, places = append(texts, text), append(places, t.item(key, i))
		}
	}
	return texts, places
}

// choice is a word of the file and what it means.
type choice[T any] struct {
	word  string
	means T
}

// oneOf reads a string that is one of a few words.
func oneOf[T any](t table, key string, choices []choice[T], fallback T) T {
	if _, found := t.values[key]; !found {
		return fallback
	}
	known := make([]string, len(choices))
	expected := ""
	for i, c := range choices {
		known[i] = c.word
		switch i {
		case 0:
		case len(choices) - 1:
			expected += " or "
		default:
			expected += ", "
		}
		expected += strconv.Quote(c.word)
	}
	text, ok := t.text(key, expected)
	if !ok {
		return fallback
	}
	if i := slices.Index(known, text); i >= 0 {
		return choices[i].means
	}
	t.fault(key, nearest(text, known, ""), "%s is %s: expected %s", key, show(text), expected)
	return fallback
}

// prints refuses characters that a terminal or a program would obey. Commands
// and values of the environment may have lines and tabs.
func (t table) prints(at span, what, text string, lines bool) bool {
	r, found := control(text, lines)
	if !found {
		return true
	}
	var h hint
	if r == '\r' && strings.Contains(t.main.text[at.start:at.end], "\r") {
		h = say("the file has the line ends of Windows: expected those of Unix")
	}
	t.faultAt(at, h, "%s holds a control character, U+%04X", what, r)
	return false
}

// control finds the first control character of a text, C1 included.
func control(text string, lines bool) (rune, bool) {
	for _, r := range text {
		if unicode.IsControl(r) && !(lines && (r == '\n' || r == '\t')) {
			return r, true
		}
	}
	return 0, false
}

// describe names the type of a value.
func describe(value any) string {
	switch value := value.(type) {
	case string:
		return "a string"
	case int64:
		return fmt.Sprintf("a number, %d", value)
	case float64:
		return fmt.Sprintf("a number, %v", value)
	case bool:
		return fmt.Sprintf("%v", value)
	case time.Time:
		return "a date or time"
	case []any:
		return "a list"
	case []map[string]any:
		return "a list of tables"
	}
	return "a table"
}

// quotes is the hint for a value at a place that would be right as a string.
func (t table) quotes(value any, at span) hint {
	switch value.(type) {
	case int64, float64, bool:
		return say("a string stands in quotes: " + quoteShort(t.main.text[at.start:at.end]))
	}
	return nil
}

func blank(s string) bool { return strings.TrimSpace(s) == "" }
