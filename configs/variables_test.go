package configs

import (
	"fmt"
	"testing"
)

func TestVariables(t *testing.T) {
	lookup := func(name string) (string, bool) {
		value, found := map[string]string{"A": "a", "EMPTY": "", "LONG_1": "${A}"}[name]
		return value, found
	}
	for text, want := range map[string]string{
		"":                      "",
		"$A $ $$ $1 {A} }":      "$A $ $$ $1 {A} }",
		"${A}":                  "a",
		"x${A}${A}y":            "xaay",
		"${LONG_1}":             "${A}", // what a variable holds is not looked at again
		"${EMPTY}":              "",
		"${EMPTY:-x}":           "x",
		"${A:-x}":               "a",
		"${NO:-}":               "",
		"${NO:-a b:-c$}":        "a b:-c$",
		"${NO:-${A}}":           "a",
		"${NO:-x${NO:-y${A}}z}": "xyaz",
		"${NO:-$${A}":           "${A",
		"${NO:-{x}}":            "{x}",
		"$${A}":                 "${A}",
		"$$${A}":                "$${A}",
		"$${":                   "${",
		"${A:-${NO}}":           "a", // a default that is not used may be unset
		"${NO} x":               " x 0-4 ${NO} is not set and has no default",
		"é${NO}":                "é 2-6 ${NO} is not set and has no default",
		"${A:-${NO}${1}}":       "a 10-13 expected ${NAME} or ${NAME:-default}",
		"${":                    " 0-2 a ${ that is not closed: expected }",
		"x${A":                  "x 1-4 a ${ that is not closed: expected }",
		"${A:-x":                " 0-3 a ${ that is not closed: expected }",
		"${A:-${B}":             " 5-8 ${B} is not set and has no default 0-3 a ${ that is not closed: expected }",
		"${A:-${B":              " 5-8 a ${ that is not closed: expected }",
		"${}":                   " 0-2 expected ${NAME} or ${NAME:-default}",
		"${A-x}y":               "y 0-5 expected ${NAME} or ${NAME:-default}",
		"${:-x}":                " 0-5 expected ${NAME} or ${NAME:-default}",
		"${1A} ${A B} ${é}":     "   0-4 expected ${NAME} or ${NAME:-default} 6-11 expected ${NAME} or ${NAME:-default} 13-17 expected ${NAME} or ${NAME:-default}",
	} {
		got, faults := expandVariables(text, lookup)
		for _, f := range faults {
			got += fmt.Sprintf(" %d-%d %s", f.at.start, f.at.end, f.text)
		}
		if got != want {
			t.Errorf("%q gives %q, want %q", text, got, want)
		}
	}
}

func TestEnvFile(t *testing.T) {
	text := `# a comment
  # another

A=1
  B = two words   # a comment
export C=3
export	D=4
E=
F=#no
G=a#b
H='single $A ${A} \n "x" # y'
I="double ${A} \n\t\\ \"x\" \${A} $A \q # y" # a comment
J="lines
and ${B}
and an end"
K='a
b'
L=${A}${B:-x}${NO:-default}$${x}
M=$HOME ${OUTER}
N.x-y_1=ok
O="" # empty
P=a=b=c
A=again
Q=${A}
`
	c := &collector{}
	got := parseEnvFile(c, &source{file: "x.env", text: text}, map[string]string{"OUTER": "outer", "A": "outer"})
	if faults := c.faults(); faults != nil {
		t.Error(faults)
	}
	want := map[string]string{
		"A": "again", "B": "two words", "C": "3", "E": "", "F": "", "G": "a#b", "H": `single $A ${A} \n "x" # y`,
		"I": "double 1 \n\t\\ \"x\" ${A} $A \\q # y", "J": "lines\nand two words\nand an end", "K": "a\nb",
		"L": "1two wordsdefault${x}", "M": "$HOME outer", "N.x-y_1": "ok", "O": "", "P": "a=b=c", "Q": "again", "D": "4",
	}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s is %q, want %q", name, got[name], value)
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %q", got)
	}
}

// Whatever an env_file holds, its faults are in it, and what it gives can be
// given to a program.
func FuzzEnvFile(f *testing.F) {
	for _, text := range []string{"A=1\n", "A=\"x\\n\\${B} ${A:-${B}}\" # c\nB='\n'", "export A=${B", "A=\"\\", "\"=", "A=${A}${A}\r\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c := &collector{}
		values := parseEnvFile(c, &source{file: "x.env", text: text}, map[string]string{"B": "b"})
		for _, p := range c.found {
			if p.at.start < 0 || p.at.end < p.at.start || p.at.end > len(text) {
				t.Errorf("%q is said to be at %v of %d", p.text, p.at, len(text))
			}
		}
		if c.total > 0 {
			return
		}
		for name, value := range values {
			if _, bad := control(value, true); bad || !goodVariable(name) {
				t.Errorf("%q is set to %q", name, value)
			}
		}
	})
}
