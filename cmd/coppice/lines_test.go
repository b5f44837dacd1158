package main

import (
	"strings"
	"testing"
	"time"

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
		{Kind: "changed", Name: "jobs", Type: "template", Supervisor: "jobs", What: []string{"command", "restart"}},
		{Kind: "restarted", Name: "api", Type: "process", Supervisor: "backend", What: []string{"command", "env"}},
		{Kind: "added", Name: "new", Type: "process", Supervisor: "backend", Error: "cannot execute ./new: no such file"},
	}
	golden(t, "changes", changesPage(changes, false)+changesPage(changes, true)+changesPage(nil, false))
}

func TestLogNotes(t *testing.T) {
	lines := newLogLines(page{now: noon}, []string{"worker"})
	var got strings.Builder
	for _, l := range []ipc.LogLine{
		{Node: "api", Incarnation: 3, Text: "one"},
		{Node: "api", Incarnation: 3, Stream: "stderr", Text: "two"},
		{Node: "worker", Text: "without incarnations"},
		{Node: "api", Incarnation: 4, Text: "three"},
		{Node: "api", Incarnation: 3, Text: "late words of the one before"},
		{Node: "api", Incarnation: 4, Dropped: 1},
		{Node: "api", Incarnation: 5, Dropped: 1234},
		{Node: "api", DroppedFiles: 2},
		{Node: "api", Dropped: 5, DroppedFiles: 1},
		{Node: "api", Incarnation: 5, Text: "\x1b[2Jfour"},
	} {
		l.Time = noon
		got.WriteString(lines.text(l))
	}
	want := `
12:00:00.000 api    | one
12:00:00.000 api    | two
12:00:00.000 worker | without incarnations
12:00:00.000 api    | --- started again ---
12:00:00.000 api    | three
12:00:00.000 api    | late words of the one before
12:00:00.000 api    | --- 1 byte of output missing ---
12:00:00.000 api    | --- started again ---
12:00:00.000 api    | --- 1234 bytes of output missing ---
12:00:00.000 api    | --- 2 log files removed unread ---
12:00:00.000 api    | --- 5 bytes of output missing, 1 log file removed unread ---
12:00:00.000 api    | \x1b[2Jfour
`
	if got.String() != want[1:] {
		t.Errorf("got\n%swant%s", got.String(), want)
	}
}

// With -n so many lines are shown, those of coppice among them.
func TestLastLines(t *testing.T) {
	var out strings.Builder
	a := &app{world: world{out: &out, now: func() time.Time { return noon }}}
	emit, flush := a.lastLines(ipc.LogQuery{Last: 2})
	for _, l := range []ipc.LogLine{{Incarnation: 1, Text: "one"}, {Incarnation: 1, Text: "two"}, {Incarnation: 2, Text: "three"}} {
		l.Node, l.Time = "api", noon
		if err := emit(l); err != nil {
			t.Fatal(err)
		}
	}
	if err := flush(); err != nil {
		t.Fatal(err)
	}
	want := "12:00:00.000 api | --- started again ---\n12:00:00.000 api | three\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

func TestSinceTime(t *testing.T) {
	for text, want := range map[string]time.Time{
		"": {}, "10m": noon.Add(-10 * time.Minute), "1h30m": noon.Add(-90 * time.Minute), "0s": noon,
		"2026-01-02T15:04:05Z":          time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC),
		"2026-01-02T15:04:05.678+01:00": time.Date(2026, 1, 2, 14, 4, 5, 678e6, time.UTC),
	} {
		if got, err := sinceTime(text, noon); err != nil || !got.Equal(want) {
			t.Errorf("since %q is %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"-10m", "10", "yesterday", "2026-01-02", "\x1b[2J"} {
		if got, err := sinceTime(text, noon); err == nil {
			t.Errorf("since %q is %v", text, got)
		}
	}
}
