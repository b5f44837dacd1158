package configs

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"coppice/tree"
)

// procfile reads a Procfile: NAME: COMMAND lines, blank lines and # comments.
func (l *loading) procfile() {
	path := filepath.Join(l.config.Dir, defaultEnvFile)
	shown := filepath.Join(filepath.Dir(l.main.file), defaultEnvFile)
	env := l.envFile(path, shown, func(err error) {
		if !errors.Is(err, fs.ErrNotExist) {
			l.collector.add(l.main, span{0, 0}, nil, "cannot read the %s beside the file: %s", defaultEnvFile, cause(err))
		}
	})
	var members []*member
	before := l.collector.total
	for start := 0; start < len(l.main.text); {
		line, _, _ := strings.Cut(l.main.text[start:], "\n")
		if m := l.procfileLine(strings.TrimSuffix(line, "\r"), start, env); m != nil {
			members = append(members, m)
		}
		start += len(line) + 1
	}
	if len(members) == 0 && l.collector.total == before {
		l.collector.add(l.main, span{0, 0}, say("for example: web: ./server --port 8080"), "no process: expected lines like NAME: COMMAND")
	}
	l.grow(members)
}

// procfileLine reads one line; nil: it names no process.
func (l *loading) procfileLine(line string, start int, env *environment) *member {
	text := strings.TrimSpace(line)
	if text == "" || text[0] == '#' {
		return nil
	}
	start += strings.Index(line, text)
	whole := span{start, start + len(text)}
	name, command, found := strings.Cut(text, ":")
	name = strings.TrimRight(name, " \t")
	command = strings.TrimLeft(command, " \t")
	if !found {
		l.collector.add(l.main, whole, say("for example: web: ./server --port 8080"), "expected NAME: COMMAND")
		return nil
	}
	at := &node{key: name, name: span{start, start + len(name)}, value: whole}
	t := table{loading: l, title: show(name), at: at}
	if command == "" {
		t.faultAt(whole, say("for example: web: ./server --port 8080"), "%s has no command", show(name))
	}
	place := span{whole.end - len(command), whole.end}
	t.prints(place, "the command", command, true)
	m := &member{name: name, title: show(name), at: at, table: t, settings: l.shared(Settings{StopSignal: defaultStopSignal})}
	m.spec = tree.ChildSpec{
		ID: name, Type: tree.Process, Restart: defaultProcfileRestart, Shutdown: defaultProcessShutdown,
		StartTimeout: defaultStartTimeout, Success: defaultSuccess,
		Start: &Process{
			Program: "/bin/sh", Argv: []string{"/bin/sh", "-c", command}, Shell: true,
			Dir: l.config.Dir, Env: env.base, Ready: defaultReady, Log: l.defaultLog,
		},
	}
	return m
}
