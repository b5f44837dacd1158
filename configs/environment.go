package configs

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// environmentBytesMax bounds what all variables of a tree come to, so that a
// small file cannot ask for all memory.
const environmentBytesMax = 128 << 20

// environment is what a process begins with before its own env.
type environment struct {
	// file is what env_file sets, nil without one.
	file map[string]string
	// outer is the caller's environment.
	outer map[string]string
	// base is what the process inherits with file over it, sorted by name.
	base []string
}

// lookup finds a variable for ${NAME}: in the env_file, else in the caller's
// environment.
func (e *environment) lookup(name string) (string, bool) {
	if value, found := e.file[name]; found {
		return value, true
	}
	value, found := e.outer[name]
	return value, found
}

// withheld says whether a variable of the caller is its own affair: it speaks to
// a supervisor above, or of its processes, and a child that inherits it would speak in
// our name.
func withheld(name string) bool {
	switch name {
	case "NOTIFY_SOCKET", "SUPERVISED_BY", "FDSTORE", "MAINPID", "MANAGERPID", "SERVICE_RESULT", "EXIT_CODE", "EXIT_STATUS":
		return true
	}
	return strings.HasPrefix(name, "LISTEN_") || strings.HasPrefix(name, "WATCHDOG_") ||
		strings.HasPrefix(name, "MONITOR_") || strings.HasPrefix(name, "COPPICE_")
}

// inherit is the caller's environment, and of it what children inherit.
func inherit(environ []string) *environment {
	e := &environment{outer: map[string]string{}}
	children := map[string]string{}
	for _, entry := range environ {
		name, value, found := strings.Cut(entry, "=")
		if !found || name == "" {
			continue
		}
		e.outer[name] = value // of two with one name the last is right, as in os/exec
		if !withheld(name) {
			children[name] = value
		}
	}
	e.base = overlaid(nil, children)
	return e
}

// overlaid is a sorted environment with values set over it, sorted too.
func overlaid(base []string, over map[string]string) []string {
	names := slices.Sorted(maps.Keys(over))
	out := make([]string, 0, len(base)+len(names))
	for _, entry := range base {
		name, _, _ := strings.Cut(entry, "=")
		replaced := false
		for len(names) > 0 && names[0] <= name {
			replaced = names[0] == name
			out = append(out, names[0]+"="+over[names[0]])
			names = names[1:]
		}
		if !replaced {
			out = append(out, entry)
		}
	}
	for _, name := range names {
		out = append(out, name+"="+over[name])
	}
	return out
}

// environment reads env_file; processes that name the same file share it.
func (t table) environment() *environment {
	text, ok := t.text("env_file", "the path of a file of NAME=value lines")
	if !ok {
		return t.inherited
	}
	path, ok := t.path("env_file", text)
	if !ok {
		return t.inherited
	}
	shown := text
	if !filepath.IsAbs(shown) {
		shown = filepath.Join(filepath.Dir(t.main.file), text)
	}
	return t.envFile(path, shown, func(err error) {
		t.fault("env_file", nil, "cannot read the env_file %s: %s", show(text), cause(err))
	})
}

// envFile is the environment with a file over it; it is read once, and refused
// for each process that names it. Its faults show it by the path that a reader
// of the tree file would use.
func (l *loading) envFile(path, shown string, refuse func(error)) *environment {
	known, found := l.envFiles[path]
	if !found {
		known = l.readEnvFile(path, shown)
		l.envFiles[path] = known
	}
	if known.err != nil {
		refuse(known.err)
	}
	return known.environment
}

// envFileRead is an env_file that was read, or why it was not; then its
// environment is the inherited one.
type envFileRead struct {
	environment *environment
	err         error
}

func (l *loading) readEnvFile(path, shown string) envFileRead {
	data, err := readFile(path, envFileBytesMax)
	if err != nil {
		return envFileRead{environment: l.inherited, err: err}
	}
	e := *l.inherited
	e.file = parseEnvFile(l.collector, &source{file: shown, text: string(data), order: 1}, e.outer)
	e.base = overlaid(e.base, e.file)
	return envFileRead{environment: &e}
}

// overlay reads env and gives the complete environment of a process that begins with
// base.
func (t table) overlay(e *environment, base []string) []string {
	value, found := t.values["env"]
	if !found {
		return base
	}
	values, ok := value.(map[string]any)
	if !ok {
		t.fault("env", nil, `env is %s: expected a table of strings, like { PORT = "8080" }`, describe(value))
		return base
	}
	env := t.below("env", "env", values)
	over := make(map[string]string, len(values))
	for _, name := range env.keys() {
		env.variable(over, name, e)
	}
	if t.spend(16*(len(base)+len(over)), t.span("env")); t.spent > environmentBytesMax {
		return base
	}
	return overlaid(base, over)
}

// variable reads one entry of env.
func (t table) variable(over map[string]string, name string, e *environment) {
	at := t.span(name)
	if f := t.at.field(name); f != nil {
		at = f.name
	}
	if _, bad := control(name, false); name == "" || bad || strings.Contains(name, "=") {
		t.faultAt(at, nil, "env has the name %s: expected one without = and control characters", show(name))
		return
	}
	value, ok := t.values[name].(string)
	if !ok {
		t.fault(name, t.quotes(t.values[name], t.span(name)), "env has %s for %s: expected a string", describe(t.values[name]), show(name))
		return
	}
	if t.prints(t.span(name), show(name), value, true) {
		over[name], _ = t.expand(value, e, t.span(name))
	}
}

// expand replaces the variables of a value that stands at a place; false: some
// of them are faulty.
func (t table) expand(text string, e *environment, at span) (string, bool) {
	if t.spent > environmentBytesMax {
		return text, true
	}
	value, faults := expandVariables(text, e.lookup)
	if value != text {
		t.spend(len(value), at)
	}
	from := at.start
	for _, v := range faults {
		// Escapes may have moved it; then the whole value is marked.
		where, variable := at, text[v.at.start:v.at.end]
		if i := strings.Index(t.main.text[from:at.end], variable); i >= 0 && variable != "" {
			where = span{from + i, from + i + len(variable)}
			from = where.end
		} else {
			from = at.end
		}
		t.faultAt(where, say(v.hint), "%s", v.text)
	}
	return value, len(faults) == 0
}

// spend counts what variables come to; it tells the one fault when they are too much.
func (l *loading) spend(bytes int, at span) {
	before := l.spent
	l.spent += bytes
	if before <= environmentBytesMax && l.spent > environmentBytesMax {
		l.collector.add(l.main, at, nil, "the variables of this file come to more than %d MiB", environmentBytesMax>>20)
	}
}

// path makes a path of the file absolute.
func (t table) path(key, text string) (string, bool) {
	switch {
	case text == "":
		t.fault(key, nil, "%s is empty: expected a path", key)
		return "", false
	case strings.HasPrefix(text, "~/"):
		t.fault(key, nil, "%s begins with ~, which only a shell replaces: expected a path from / or from the file's folder", key)
		return "", false
	}
	return t.absolute(text), true
}

// absolute makes a path absolute that is relative to the tree file's folder.
func (l *loading) absolute(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(l.config.Dir, path)
}

// dir reads the working directory; the tree file's folder where the file is silent.
func (t table) dir(e *environment) string {
	text, ok := t.text("dir", "the path of a folder")
	if !ok {
		return t.config.Dir
	}
	if text, ok = t.expand(text, e, t.span("dir")); ok {
		text, ok = t.path("dir", text)
	}
	if !ok {
		return t.config.Dir
	}
	return text
}

// program is what is executed for the first word of a list command.
func (t table) program(key, word string) string {
	switch {
	case word == "":
		t.faultAt(t.item(key, 0), nil, "the program's name is empty: expected a path or a name")
	case strings.HasPrefix(word, "~/"):
		t.faultAt(t.item(key, 0), say("say ${HOME} for ~"), "the program begins with ~, which only a shell replaces: expected a path or a name")
	case strings.Contains(word, "/"):
		return t.absolute(word)
	}
	return word
}
