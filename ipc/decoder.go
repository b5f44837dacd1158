package ipc

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// decodeTree reads what encoding/json reads into a fresh Tree. What our own daemon
// writes is read quickly; any other text, a wrong one too, is left to encoding/json.
func decodeTree(text string) (*Tree, error) {
	if t, ok := decodeQuickly(text); ok {
		return t, nil
	}
	t := &Tree{}
	if err := json.NewDecoder(strings.NewReader(text)).Decode(t); err != nil {
		return nil, err
	}
	return t, nil
}

// decodeQuickly reads a document whose fields stand in our order with nothing between
// them; false: this is none. It takes a tenth of the time of encoding/json, whose
// reflection is cold in a process that reads one document.
func decodeQuickly(text string) (*Tree, bool) {
	// A quotation mark inside of a text has a backslash before it, so these are nodes.
	nodes := strings.Count(text, `{"name":`)
	supervisors := strings.Count(text, `"children":[`)
	d := &decoder{rest: text, childrenHint: nodes/max(supervisors, 1) + 1}
	t := &Tree{}
	d.skip('{')
	d.first = true
	t.fields(d)
	d.end()
	return t, !d.foreign && strings.Trim(d.rest, " \t\r\n") == ""
}

// decoder is a coder that reads fields in their order. The texts that it finds are
// pieces of the document.
type decoder struct {
	rest string
	// first says that no field of this object was read yet.
	first bool
	// foreign says that the text was not written by an encoder; what was read is worth
	// nothing then.
	foreign bool
	// childrenHint is how many children a supervisor has, roughly.
	childrenHint int
}

// skip goes past a byte that has to be there.
func (d *decoder) skip(c byte) {
	if d.rest == "" || d.rest[0] != c {
		d.fail()
		return
	}
	d.rest = d.rest[1:]
}

// fail gives up: nothing is left to read.
func (d *decoder) fail() { d.foreign, d.rest = true, "" }

// key goes past the name of a field, if that one is next.
func (d *decoder) key(name string) bool {
	at := 2 // comma, quotation mark
	if d.first {
		at = 1
	}
	end := at + len(name)
	if len(d.rest) < end+2 || d.rest[at] != name[0] || d.rest[at:end] != name || d.rest[end:end+2] != `":` ||
		d.rest[at-1] != '"' || !d.first && d.rest[0] != ',' {
		return false
	}
	d.first = false
	d.rest = d.rest[end+2:]
	return true
}

// null goes past a null, if one is next.
func (d *decoder) null() bool {
	if !strings.HasPrefix(d.rest, "null") {
		return false
	}
	d.rest = d.rest[len("null"):]
	return true
}

func (d *decoder) string() string {
	d.skip('"')
	for i := range len(d.rest) {
		switch c := d.rest[i]; {
		case c == '"':
			text := d.rest[:i]
			d.rest = d.rest[i+1:]
			return text
		case c == '\\' || c < ' ' || c >= utf8.RuneSelf:
			return d.escaped(i)
		}
	}
	d.fail()
	return ""
}

// escaped reads the rest of a text that is not what it stands for; up to i it is.
func (d *decoder) escaped(i int) string {
	for ; i < len(d.rest) && d.rest[i] != '"'; i++ {
		if d.rest[i] == '\\' {
			i++
		}
	}
	var text string
	if i >= len(d.rest) || json.Unmarshal([]byte(`"`+d.rest[:i+1]), &text) != nil {
		d.fail()
		return ""
	}
	d.rest = d.rest[i+1:]
	return text
}

// digits are a number without sign, fraction or exponent.
func (d *decoder) digits() string {
	i := 0
	for i < len(d.rest) && d.rest[i] >= '0' && d.rest[i] <= '9' {
		i++
	}
	text := d.rest[:i]
	if i == 0 || i > 1 && text[0] == '0' || i < len(d.rest) && strings.IndexByte(".eE", d.rest[i]) >= 0 {
		d.fail()
		return ""
	}
	d.rest = d.rest[i:]
	return text
}

func (d *decoder) integer() int {
	n, err := strconv.Atoi(d.digits())
	if err != nil {
		d.fail()
	}
	return n
}

func (d *decoder) text(name string, v *string) {
	if d.key(name) {
		*v = d.string()
	}
}

func (d *decoder) textUnlessEmpty(name string, v *string) { d.text(name, v) }

func (d *decoder) nullableText(name string, v **string) {
	if d.key(name) && !d.null() {
		text := d.string()
		*v = &text
	}
}

func (d *decoder) texts(name string, v *[]string) {
	if !d.key(name) {
		return
	}
	*v = []string{}
	d.list(func() { *v = append(*v, d.string()) })
}

// list reads what stands in brackets, one by one.
func (d *decoder) list(each func()) {
	d.skip('[')
	for first := true; !d.foreign && !strings.HasPrefix(d.rest, "]"); first = false {
		if !first {
			d.skip(',')
		}
		each()
	}
	d.skip(']')
}

func (d *decoder) number(name string, v *int) {
	if d.key(name) {
		*v = d.integer()
	}
}

func (d *decoder) numberUnlessZero(name string, v *int) { d.number(name, v) }

func (d *decoder) nullableNumber(name string, v **int) {
	if d.key(name) && !d.null() {
		n := d.integer()
		*v = &n
	}
}

func (d *decoder) countUnlessZero(name string, v *uint64) {
	if !d.key(name) {
		return
	}
	n, err := strconv.ParseUint(d.digits(), 10, 64)
	if err != nil {
		d.fail()
	}
	*v = n
}

func (d *decoder) countUnlessNil(name string, v **uint64) {
	before := len(d.rest)
	n := new(uint64)
	if d.countUnlessZero(name, n); len(d.rest) != before {
		*v = n
	}
}

func (d *decoder) rateUnlessNil(name string, v **float64) {
	if !d.key(name) {
		return
	}
	i := strings.IndexAny(d.rest, ",}")
	if i < 0 || !plainNumber(d.rest[:i]) {
		d.fail()
		return
	}
	f, err := strconv.ParseFloat(d.rest[:i], 64)
	if err != nil {
		d.fail()
		return
	}
	d.rest = d.rest[i:]
	*v = &f
}

// plainNumber says that a text is a number without sign and exponent, as JSON writes it.
func plainNumber(text string) bool {
	whole, fraction, point := strings.Cut(text, ".")
	isDigits := func(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
	return isDigits(whole) && (len(whole) == 1 || whole[0] != '0') && (!point || isDigits(fraction))
}

func (d *decoder) flagIfSet(name string, v *bool) {
	if !d.key(name) {
		return
	}
	if !strings.HasPrefix(d.rest, "true") {
		d.fail()
		return
	}
	d.rest = d.rest[len("true"):]
	*v = true
}

func (d *decoder) moment(name string, v *time.Time) {
	if !d.key(name) {
		return
	}
	d.skip('"')
	text, rest, _ := strings.Cut(d.rest, `"`)
	if v.UnmarshalText([]byte(text)) != nil { // an escape in it too
		d.fail()
		return
	}
	d.rest = rest
}

func (d *decoder) momentUnlessNil(name string, v **time.Time) {
	before := len(d.rest)
	at := &time.Time{}
	if d.moment(name, at); len(d.rest) != before {
		*v = at
	}
}

func (d *decoder) wordOrNumber(name string, v *any) {
	switch {
	case !d.key(name):
	case strings.HasPrefix(d.rest, `"`):
		*v = d.string()
	default:
		*v = float64(d.integer())
	}
}

func (d *decoder) begin(name string, _ bool) bool {
	if !d.key(name) {
		return false
	}
	d.skip('{')
	d.first = true
	return !d.foreign
}

func (d *decoder) end() {
	d.skip('}')
	d.first = false
}

func (d *decoder) nodes(name string, v *[]Node) {
	if !d.key(name) {
		return
	}
	*v = make([]Node, 0, d.childrenHint)
	d.list(func() {
		*v = append(*v, Node{})
		d.skip('{')
		d.first = true
		(*v)[len(*v)-1].fields(d)
		d.end()
	})
}
