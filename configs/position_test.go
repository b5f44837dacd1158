package configs

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

// The index knows the same keys as the parser, and its places hold what the
// parser read there.
func checkIndex(t *testing.T, text string) {
	t.Helper()
	root, fault := index(text)
	if fault != nil {
		if at := fault.at; at.start < 0 || at.end < at.start || at.end > len(text) {
			t.Fatalf("the fault %q is outside of the text: %v of %d", fault.text, at, len(text))
		}
		if stricter(fault.text) {
			return
		}
		if _, _, err := decodeText(text); err == nil {
			t.Fatalf("the index finds %q at %v, the parser finds nothing:\n%s", fault.text, fault.at, text)
		}
		return
	}
	values, meta, err := decodeText(text)
	if err != nil {
		return
	}
	want := map[string]bool{}
	for _, key := range meta.Keys() {
		if path, ok := outsideArrays(values, key); ok {
			for i := range path { // the parser does not tell the implicit ones
				want[fmt.Sprintf("%q", []string(path[:i+1]))] = true
			}
		}
	}
	got := map[string]bool{}
	compareTable(t, text, root, values, nil, got)
	for key := range want {
		if !got[key] {
			t.Errorf("the index does not know %s of\n%s", key, text)
		}
	}
	for key := range got {
		if !want[key] {
			t.Errorf("only the index knows %s of\n%s", key, text)
		}
	}
}

// stricter says whether a fault is one that the parser lets pass: it has no
// bounds, and does not see that some tables are defined already.
func stricter(fault string) bool {
	return slices.ContainsFunc([]string{"nested more", "a key of more", "too many", "defined twice", "has a value already"},
		func(part string) bool { return strings.Contains(fault, part) })
}

func decodeText(text string) (values map[string]any, meta toml.MetaData, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	meta, err = toml.Decode(text, &values)
	return values, meta, err
}

// outsideArrays says whether no part of a key is in an array.
func outsideArrays(values map[string]any, key toml.Key) (toml.Key, bool) {
	for i, part := range key[:len(key)-1] {
		below, ok := values[part].(map[string]any)
		if !ok {
			return key[:i+1], false
		}
		values = below
	}
	return key, true
}

func compareTable(t *testing.T, text string, n *node, values map[string]any, path []string, got map[string]bool) {
	for _, f := range n.fields {
		below := append(slices.Clone(path), f.key)
		got[fmt.Sprintf("%q", below)] = true
		name := text[f.name.start:f.name.end]
		if keyText(name) != f.key {
			t.Errorf("the name of %q is said to be at %q", below, name)
		}
		value, found := values[f.key]
		if !found {
			t.Errorf("the parser has no %q", below)
			continue
		}
		switch value := value.(type) {
		case map[string]any:
			compareTable(t, text, f, value, below, got)
			if f.kind == inlineTable {
				compareValue(t, text, f.value, value)
			}
		case []any:
			compareValue(t, text, f.value, value)
			if len(f.items) != len(value) {
				t.Fatalf("%q has %d items, %d by the index", below, len(value), len(f.items))
			}
			for i, item := range f.items {
				compareValue(t, text, item, value[i])
			}
		case []map[string]any: // [[header]], or an array of tables
		default:
			compareValue(t, text, f.value, value)
		}
	}
}

func keyText(name string) string {
	values, _, err := decodeText(name + " = 1")
	if err != nil {
		return err.Error()
	}
	for key := range values {
		return key
	}
	return ""
}

func compareValue(t *testing.T, text string, at span, want any) {
	t.Helper()
	raw := text[at.start:at.end]
	values, _, err := decodeText("x = " + raw)
	if got := fmt.Sprintf("%#v", values["x"]); err != nil || got != fmt.Sprintf("%#v", want) {
		t.Errorf("the value %#v is said to be at %q, which is %s (%v)", want, raw, got, err)
	}
}

var tomlTexts = []string{
	"",
	"a = 1",
	"a = 1 # c\n\tb.c = \"x\" \r\n",
	"\"a b\".'c\\d'.\"\" = [ 1, [2], {x = 3}, ] # c",
	"[a]\nb = 1\n[a.b2]\n[ a . c ]\nd = '''\n'x''y''' \n",
	"[[a]]\nb = 1\n[[a]]\nb = 2\n[a.c]\nd = 1\n[z]\n",
	"a = { b = 1, c.d = 2, e = { f = [] } }",
	"a = {\n b = 1, # c\n c = 2,\n}\n",
	"a = \"\"\"\nx \"\" y \\\n   z\"\"\"\"\"\nb = '''''' \n",
	`a = "\b\t\n\f\r\e\"\\\x41\u00e9\U0001F600"`,
	"a = 1979-05-27 07:32:00\nb = [1979-05-27 , 1979-05-27T00:00:00Z]\nc = 07:32:00",
	"a = inf\nb = -nan\nc = +1_000.5e-3\nd = 0xff_f\ne = true\nf = [false]",
	"a.b = 1\na.c = 2\n[x.y]\nz = 1\n[x]\nw = 2\n",
	"a = 1\na = 2", "[a]\n[a]", "a = 1\n[a.b]", "[a]\nb = 1\n[a.b]", "[a.b]\n[a]\nb = 2",
	"a = [1\nb = 2", "a = {b = 1", "a = \"x\nb", "a = '''x", "[a", "[[a]", "a", "a =", "= 1", "a = ./run", "a = yes",
	"a = \"\\q\"", "a = \"\\ud800\"", "a = 00", "a = 1 2", "a = [1 2]", "a = \x01", "a\rb", "# \x7f",
	strings.Repeat("[", 40), "a = " + strings.Repeat("[", 32) + strings.Repeat("]", 32),
	"a = " + strings.Repeat("[", 33) + strings.Repeat("]", 33), strings.Repeat("a.", 33) + "a = 1",
	"[fruit]\napple.color = 1\n[fruit.apple]\n", "[fruit]\napple.color = 1\n[fruit.apple.taste]\n",
	"a = [{b = 1}, {b = 2}]", "a = [{b = 1}]\n[[a]]\n", "a = {b.c = 1}\n[a.b]", "a = {}\n[a.b]",
	"a = \"\"\"\"\"\"\nb = \"\"\"\"x\"\"\"\"\n", "a = '''a''''''",
}

func TestIndexKnowsWhatTheParserKnows(t *testing.T) {
	for _, text := range tomlTexts {
		checkIndex(t, text)
	}
}

func FuzzIndex(f *testing.F) {
	for _, text := range tomlTexts {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if utf8.ValidString(text) && len(text) < 1<<16 {
			checkIndex(t, text)
		}
	})
}
