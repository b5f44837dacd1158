package configs

import (
	"errors"
	"fmt"
	"strings"

	"github.com/BurntSushi/toml"
)

// topKeys are the keys outside of tables.
var topKeys = []string{"name", "restart_rate", "log", "supervisor", "process", "template"}

// treeFile reads a TOML tree file.
func (l *loading) treeFile() {
	at, fault := index(l.main.text)
	if fault != nil {
		// What is behind it was not looked at and might hurt the parser.
		l.collector.add(l.main, fault.at, say(fault.hint), "%s", fault.text)
		return
	}
	values, ok := l.decode()
	if !ok {
		return
	}
	top := table{loading: l, title: "the tree file", values: values, at: at}
	top.unknown(topKeys, notOnTop)
	if name, ok := top.text("name", "the name of the tree"); ok {
		l.config.Name = name
		if !goodName(name) {
			top.fault("name", nil, "the name %s is not allowed: expected %s", show(name), nameRule)
		}
	}
	l.defaultLog, l.config.LogTotal = top.topLog()
	if top.lacks("process") && top.lacks("template") {
		top.faultAt(span{0, 0}, say("for example: [process.web] with command = [\"./web\"]"), "no process: expected at least one [process.NAME]")
	}
	members := append(top.members("supervisor", l.supervisor), top.members("process", l.process)...)
	l.grow(l.templates(top, members))
	l.config.Spec.Rate = top.restartRate()
}

// lacks says that there is no table of a kind.
func (t table) lacks(kind string) bool {
	sub, ok := t.values[kind].(map[string]any)
	return len(sub) == 0 && (ok || t.values[kind] == nil)
}

// members reads the tables of one kind, each by its name.
func (t table) members(kind string, read func(table, string) *member) []*member {
	value, found := t.values[kind]
	if !found {
		return nil
	}
	values, ok := value.(map[string]any)
	if !ok {
		t.fault(kind, nil, "%s is %s: expected tables [%s.NAME]", kind, describe(value), kind)
		return nil
	}
	all := t.below(kind, "["+kind+"]", values)
	var members []*member
	for _, name := range all.keys() {
		table, ok := values[name].(map[string]any)
		if !ok {
			all.fault(name, nil, "%s.%s is %s: expected a table, [%s.NAME]", kind, shownName(name), describe(values[name]), kind)
			continue
		}
		members = append(members, read(all.below(name, fmt.Sprintf("[%s.%s]", kind, shownName(name)), table), name))
	}
	return members
}

// shownName is a name as a header has it.
func shownName(name string) string {
	if goodName(name) && !strings.Contains(name, ".") {
		return name
	}
	return show(name)
}

// decode lets the parser read the values. It is lenient: types are looked at
// later, one by one.
func (l *loading) decode() (values map[string]any, ok bool) {
	defer func() {
		// The parser panics on what it takes for a mistake of its own.
		if r := recover(); r != nil {
			l.collector.add(l.main, span{0, 0}, nil, "the file cannot be read as TOML: %s", show(fmt.Sprint(r)))
		}
	}()
	_, err := toml.Decode(l.main.text, &values)
	if err == nil {
		return values, true
	}
	var parse toml.ParseError
	if !errors.As(err, &parse) {
		l.collector.add(l.main, span{0, 0}, nil, "the file cannot be read as TOML: %s", show(err.Error()))
		return nil, false
	}
	// The parser's Line and Col may be those of another line; Start is right.
	at := span{parse.Position.Start, parse.Position.Start + parse.Position.Len}
	message := strings.ToLower(parse.Message[:1]) + parse.Message[1:]
	l.collector.add(l.main, at, nil, "%s", message)
	return nil, false
}
