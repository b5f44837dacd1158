package configs_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"coppice/configs"
)

// parseFaults are the faults of a text, in a time that shows that nothing in it
// is quadratic; the bound is far above what is needed.
func parseFaults(t *testing.T, path string, src []byte) configs.Faults {
	t.Helper()
	begun := time.Now()
	_, err := configs.Parse(path, src, environ)
	if took := time.Since(begun); took > 30*time.Second {
		t.Errorf("%d bytes took %s", len(src), took)
	}
	var faults configs.Faults
	if err != nil && !errors.As(err, &faults) {
		t.Fatalf("want faults, got %v", err)
	}
	return faults
}

const good = "[process.a]\ncommand = 'x'\n"

// What is no text at all: only an empty file, one that is too big and one that
// is not UTF-8 may lack a place.
func TestEncodings(t *testing.T) {
	utf16 := func(text string, high int) string {
		var b strings.Builder
		for i := range len(text) {
			pair := [2]byte{}
			pair[1-high] = text[i]
			b.Write(pair[:])
		}
		return b.String()
	}
	for name, test := range map[string]struct{ src, want string }{
		"empty":              {"", "x.toml: the file is empty: expected at least one process"},
		"blank":              {" \n\t\r\n", "x.toml: the file is empty: expected at least one process"},
		"only BOM":           {"\ufeff", "x.toml: the file is empty: expected at least one process"},
		"two BOMs":           {"\ufeff\ufeff" + good, "x.toml:1:1: expected a key, found \"\\ufeff\"\n    �[process.a]\n    ^"},
		"UTF-16LE":           {"\xff\xfe" + utf16(good, 1), "x.toml: the file is UTF-16: expected UTF-8 text"},
		"UTF-16BE":           {"\xfe\xff" + utf16(good, 0), "x.toml: the file is UTF-16: expected UTF-8 text"},
		"UTF-16LE, no mark":  {utf16(good, 1), "x.toml:1:2: a control character, U+0000: expected text\n"},
		"0xFF":               {good + "dir = '\xff'\n", "x.toml:3:8: a byte that is no UTF-8, 0xFF: expected UTF-8 text\n    dir = '�'\n           ^"},
		"overlong":           {good + "# \xc0\xaf\n", "x.toml:3:3: a byte that is no UTF-8, 0xC0: expected UTF-8 text\n"},
		"surrogate":          {good + "# \xed\xa0\x80\n", "x.toml:3:3: a byte that is no UTF-8, 0xED: expected UTF-8 text\n"},
		"cut off":            {good + "# \xe6\x97", "x.toml:3:3: a byte that is no UTF-8, 0xE6: expected UTF-8 text\n"},
		"replacement":        {good + "# \ufffd\nx = 1", "x.toml:4:1: unknown key \"x\" in [process.a]\n"},
		"NUL in a value":     {good + "dir = 'a\x00b'\n", "x.toml:3:9: a control character, U+0000: expected text\n    dir = 'a�b'\n            ^"},
		"NUL in a key":       {good + "\"d\x00\" = 'a'\n", "x.toml:3:3: a control character, U+0000: expected text\n"},
		"escape in a value":  {good + "dir = 'a\x1b[2J'\n", "x.toml:3:9: a control character, U+001B: expected text\n    dir = 'a�[2J'\n            ^"},
		"escape in comment":  {"# \x1b]0;x\x07\n" + good, "x.toml:1:3: a control character, U+001B: expected text\n"},
		"DEL":                {"# \x7f\n" + good, "x.toml:1:3: a control character, U+007F: expected text\n"},
		"CR only":            {strings.ReplaceAll(good, "\n", "\r"), "x.toml:1:12: a carriage return without a line feed: expected lines that end with a line feed\n"},
		"CR at the end":      {good + "\r", "x.toml:3:1: a carriage return without a line feed: expected lines that end with a line feed\n"},
		"too big":            {strings.Repeat("#", 4<<20+1), "x.toml: the file is too big: expected at most 4 MiB"},
		"one line of 4 MiB":  {strings.Repeat("x", 4<<20), "x.toml:1:4194305: expected \"=\" after the key, found the end of the file\n"},
		"spaces":             {strings.Repeat(" ", 1<<20) + "x", "x.toml:1:1048578: expected \"=\" after the key, found the end of the file\n"},
		"one string, 4 MiB ": {good + "dir = 'a" + strings.Repeat("b", 4<<20-40) + "\n", "x.toml:3:7: a string that is not closed: expected ' before the end of the line\n"},
	} {
		faults := parseFaults(t, "x.toml", []byte(test.src))
		if len(faults) != 1 || !strings.HasPrefix(faults.Error(), test.want) {
			t.Errorf("%s: got %s\nwant %s", name, faults.Error(), test.want)
		}
	}
	faults := parseFaults(t, "Procfile", []byte("web: x\x00y\nbad\x1b[2J: x\n"))
	if want := "Procfile:1:6: the command holds a control character, U+0000\n    web: x�y\n         ^^^\n" +
		"Procfile:2:1: the name \"bad\\x1b[2J\" is not allowed: "; !strings.HasPrefix(faults.Error(), want) {
		t.Errorf("got %s", faults.Error())
	}
}

// Texts of 256 KiB that are deep, long or many in one way each are answered
// in time, and with a place.
func TestBombs(t *testing.T) {
	const size = 1<<18 - 100
	repeat := func(s string) string { return strings.Repeat(s, size/len(s)) }
	each := func(format string) string {
		var b strings.Builder
		for i := 0; b.Len() < size-200; i++ {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	for name, test := range map[string]struct{ src, want string }{
		"brackets":           {"a = " + repeat("["), "x.toml:1:37: nested more than 32 deep"},
		"closed brackets":    {"a = " + strings.Repeat("[", 33) + strings.Repeat("]", 33), "x.toml:1:37: nested more than 32 deep"},
		"braces":             {"a = " + repeat("{a="), "x.toml:1:101: nested more than 32 deep"},
		"brackets in header": {repeat("["), "x.toml:1:3: expected a key"},
		"dotted key":         {repeat("a.") + "a = 1", "x.toml:1:65: a key of more than 32 parts"},
		"dotted header":      {"[" + repeat("a.") + "a]", "x.toml:1:66: a key of more than 32 parts"},
		"tables of arrays":   {repeat("[[a]]\n") + good, `x.toml:1:3: unknown key "a"`},
		"sub-tables":         {each("[process.a%d.b.c.d]\n"), `x.toml:1:10: [process.a0] has no command`},
		"keys":               {each("k%d = 1\n"), `x.toml:1:1: unknown key "k0"`},
		"keys in a table":    {"[process.a]\n" + each("k%d=1\n"), `x.toml:2:1: unknown key "k0"`},
		"a long table":       {"[process." + strings.Repeat("a", 1<<17) + "]\n" + each("k%d=1\n")[:1<<17], "x.toml:"},
		"a long string":      {"[process.a]\ncommand = 'x'\ndir = '" + strings.Repeat("x", size-100) + "'\nx = 1", `x.toml:4:1: unknown key "x"`},
		"a long array":       {good + "success = [" + repeat("1,")[:size-100] + "]\nx = 1", `x.toml:4:1: unknown key "x"`},
		"wrong elements":     {good + "watch = [" + repeat("1,")[:size-100] + "]", "x.toml:3:10: watch holds a number"},
		"an inline table":    {good + "env = {" + each("k%d=1,") + "}", `x.toml:3:11: env has a number, 1 for "k0"`},
		"unknown children":   {"[supervisor.root]\nchildren = [" + each("'a%d',") + "]\n" + good, `x.toml:2:13: [supervisor.root] lists "a0"`},
		"one child":          {"[supervisor.root]\nchildren = ['a'," + repeat("'a',")[:size-100] + "]\n" + good, `x.toml:2:17: [supervisor.root] lists "a" twice`},
		"a chain":            {each("[supervisor.s%[1]d]\nchildren = ['s%[1]d', 't']\n"), "x.toml:1:1: no process"},
		"circles":            {good + each("[supervisor.s%[1]d]\nchildren = ['s%[1]d']\n"), "x.toml:4:13: [supervisor.s0] lists itself"},
		"comments":           {repeat("#\n"), "x.toml:1:1: no process"},
		"escapes":            {good + `dir = "` + repeat(`\u0041`)[:150_000] + "x\"\nx = 1", `x.toml:4:1: unknown key "x"`},
		"variables":          {"[process.a]\ncommand = ['" + repeat("${HOME}")[:size-100] + "']", "x.toml:2:12: the variables make it longer than"},
		"unset variables":    {"[process.a]\ncommand = ['" + each("${N%d}") + "']", "x.toml:2:13: ${N0} is not set"},
		"open variables":     {"[process.a]\ncommand = ['" + repeat("${")[:size-100] + "']", "x.toml:2:13: a ${ that is not closed"},
		"nested defaults":    {"[process.a]\ncommand = ['" + repeat("${A:-")[:size-100] + "']", "x.toml:2:"},
		"a pattern":          {good + "watch = ['" + repeat("{a,")[:size-100] + "']", "x.toml:3:10: watch holds"},
		"multi-line strings": {good + "env.A = '''" + repeat("''\n")[:size-100], "x.toml:3:9: a string that is not closed"},
		"quotes":             {good + "env.A = " + repeat(`"`)[:size-100], "x.toml:3:17: expected the end of the line"},
	} {
		t.Run(name, func(t *testing.T) {
			faults := parseFaults(t, "x.toml", []byte(test.src))
			if len(faults) == 0 || !strings.HasPrefix(faults.Error(), test.want) {
				t.Errorf("got %.300s\nwant %s", faults.Error(), test.want)
			}
		})
	}
}

// A long chain of supervisors is a circle's brother: deep, and refused at once.
func TestSupervisorsAreNotTooDeep(t *testing.T) {
	chain := func(n int) []byte {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "[supervisor.s%d]\nchildren = ['s%d']\n", i, i+1)
		}
		fmt.Fprintf(&b, "[process.s%d]\ncommand = 'x'\n", n)
		return []byte(b.String())
	}
	if _, err := configs.Parse("x.toml", chain(31), nil); err != nil {
		t.Error(err)
	}
	for _, n := range []int{32, 1000, 50_000} {
		want := "x.toml:63:1: [supervisor.s31] is more than 31 supervisors below the root: expected a flatter tree\n"
		if faults := parseFaults(t, "x.toml", chain(n)); len(faults) != 1 || !strings.HasPrefix(faults.Error(), want) {
			t.Errorf("%d: got %s", n, faults.Error())
		}
	}
}

func TestCircleOf1000IsToldOnceAndShort(t *testing.T) {
	var b strings.Builder
	b.WriteString(good)
	for i := range 1000 {
		fmt.Fprintf(&b, "[supervisor.s%d]\nchildren = ['s%d']\n", i, (i+1)%1000)
	}
	want := "x.toml:2002:13: supervisors list each other in a circle: s0, s1, s2, s3, s4, s5, s6, s7 and 992 more; expected a tree\n"
	if faults := parseFaults(t, "x.toml", []byte(b.String())); len(faults) != 1 || !strings.HasPrefix(faults.Error(), want) {
		t.Errorf("got %s", faults.Error())
	}
}

// A file that is none is refused without waiting for it.
func TestSpecialFiles(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	sparse := filepath.Join(dir, "sparse")
	write(t, sparse, "")
	if err := os.Truncate(sparse, 1<<30); err != nil {
		t.Fatal(err)
	}
	loop := filepath.Join(dir, "loop")
	if err := os.Symlink(loop, loop); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		fifo:        "cannot read the tree file " + fifo + ": it is no regular file",
		"/dev/zero": "cannot read the tree file /dev/zero: it is no regular file",
		"/dev/null": "cannot read the tree file /dev/null: it is no regular file",
		dir:         "cannot read the tree file " + dir + ": it is no regular file",
		sparse:      sparse + ": the file is too big: expected at most 4 MiB",
		loop:        "cannot read the tree file " + loop + ": too many levels of symbolic links",
	} {
		if _, err := configs.Load(path, nil); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	for _, file := range []string{fifo, "/dev/zero", dir, sparse, loop} {
		_, err := configs.Parse("x.toml", []byte(good+"env_file = '"+file+"'"), nil)
		if err == nil || !strings.HasPrefix(err.Error(), "x.toml:3:12: cannot read the env_file ") {
			t.Errorf("got %v", err)
		}
	}
}

// An env_file that doubles what it has, line by line, is stopped.
func TestEnvFileBombs(t *testing.T) {
	t.Chdir(t.TempDir())
	doubling := "A0=0123456789\n"
	for i := range 40 {
		doubling += fmt.Sprintf("A%d=${A%d}${A%d}\n", i+1, i, i)
	}
	write(t, "doubling.env", doubling)
	write(t, "long.env", "A="+strings.Repeat("x", 1000)+"\n"+strings.Repeat("B=${A}\n", 5000))
	write(t, "latin1.env", "A=1\nB=\xe9\n")
	write(t, "crlf.env", "A=1\r\nB='x'\r\n")
	for file, want := range map[string]string{
		"doubling.env": "doubling.env:15:5: the variables make it longer than the 128 KiB that a program can be given\n",
		"long.env":     "long.env:1048:1: the values up to here are more than the 1 MiB that a program can be given\n",
		"latin1.env":   "latin1.env:2:3: a byte that is no UTF-8: expected NAME=value lines of text\n",
	} {
		faults := parseFaults(t, "x.toml", []byte(good+"env_file = '"+file+"'"))
		if !strings.HasPrefix(faults.Error(), want) {
			t.Errorf("%s: got %s", file, faults.Error())
		}
	}
	if faults := parseFaults(t, "x.toml", []byte(good+"env_file = 'crlf.env'")); faults != nil {
		t.Error(faults)
	}
}

// Many processes that each ask for a large environment are stopped too.
func TestEnvironmentsHaveABound(t *testing.T) {
	t.Chdir(t.TempDir())
	var env, b strings.Builder
	for i := range 50_000 {
		fmt.Fprintf(&env, "A%d=x\n", i)
	}
	write(t, "many.env", env.String())
	for i := range 1000 {
		fmt.Fprintf(&b, "[process.p%d]\ncommand = 'x'\nenv_file = 'many.env'\nenv.A = 'b'\n", i)
	}
	faults := parseFaults(t, "x.toml", []byte(b.String()))
	if len(faults) != 1 || !strings.Contains(faults.Error(), ": the variables of this file come to more than 128 MiB\n") {
		t.Errorf("got %s", faults.Error())
	}
}
