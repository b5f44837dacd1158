package main

import (
	"strings"
	"testing"

	"coppice/ipc"
)

func TestEventLines(t *testing.T) {
	events := record(t, strings.Join([]string{
		"root daemon_started 0", "db starting 1", "db started 2", "db exited 0 code=3", "db exited 0 signal=SIGKILL",
		"db start_failed 2 cause=cannot_execute_./db:_no_such_file", "db restarting 4", "db backoff 7 delay=4s",
		"root gave_up 4 child=db limit=3", "root requested 0 request=reload", "db unhealthy 0 cause=\x1b[2Jevil", "x oom_killed 0",
	}, "\n"))
	events[2].PID = 4242
	for name, br := range map[string]brush{"events": false, "events-colour": true} {
		var text strings.Builder
		for _, e := range events {
			text.WriteString(page{now: noon, brush: br}.eventLine(e) + "\n")
		}
		golden(t, name, text.String())
	}
}

func TestLogLines(t *testing.T) {
	var text strings.Builder
	for _, br := range []brush{false, true} {
		for _, name := range []string{"db", "worker", "api", "db"} {
			text.WriteString(page{now: noon, brush: br}.logLine(ipc.LogLine{Time: noon, Node: name, Text: "hello\x1b[0;1mworld\x1b[H"}, 6) + "\n")
		}
	}
	golden(t, "logs", text.String())
}

func TestChangesPage(t *testing.T) {
	changes := []ipc.Change{
		{Kind: "removed", Name: "old", Type: "process", Supervisor: "root"},
		{Kind: "added", Name: "backend", Type: "supervisor", Supervisor: "root"},
		{Kind: "changed", Name: "root", Type: "supervisor", What: []string{"intensity", "period"}},
		{Kind: "restarted", Name: "api", Type: "process", Supervisor: "backend", What: []string{"command", "env"}},
		{Kind: "added", Name: "new", Type: "process", Supervisor: "backend", Error: "cannot execute ./new: no such file"},
	}
	golden(t, "changes", changesPage(changes, false)+changesPage(changes, true)+changesPage(nil, false))
}
