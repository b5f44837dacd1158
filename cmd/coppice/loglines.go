package main

import (
	"strings"
	"unicode/utf8"

	"coppice/ipc"
)

// logLines makes lines for people of lines of output. Names are padded to the
// longest so far, and where a process was started again a line says so.
type logLines struct {
	page  page
	width int
	shown map[string]uint32 // the newest incarnation of which there was a line, by name
}

func newLogLines(p page, names []string) *logLines {
	ll := &logLines{page: p, shown: map[string]uint32{}}
	for _, name := range names {
		ll.width = max(ll.width, len(name))
	}
	return ll
}

// text is what is shown for a line, ends of lines included.
func (ll *logLines) text(l ipc.LogLine) string {
	ll.width = max(ll.width, utf8.RuneCountInString(safe(l.Node)))
	text := ""
	if before := ll.shown[l.Node]; l.Incarnation > before {
		ll.shown[l.Node] = l.Incarnation
		if before != 0 {
			text = ll.note(l, "started again")
		}
	}
	if missing := missingWords(l); missing != "" {
		return text + ll.note(l, missing)
	}
	return text + ll.page.logLine(l, ll.width) + "\n"
}

// note is a line of coppice's own between lines of output.
func (ll *logLines) note(l ipc.LogLine, words string) string {
	return ll.page.logPrefix(l, ll.width) + ll.page.brush.paint(dim, "--- "+words+" ---") + "\n"
}

// missingWords says what is missing at a line; empty: nothing is.
func missingWords(l ipc.LogLine) string {
	text := ""
	if l.Dropped > 0 {
		text = counted(int(l.Dropped), "byte", "bytes") + " of output missing"
	}
	if l.DroppedFiles > 0 {
		text = join2(text, counted(l.DroppedFiles, "log file", "log files")+" removed unread")
	}
	return text
}

// logLine is a line of output behind its time and its name.
func (p page) logLine(l ipc.LogLine, width int) string {
	return p.logPrefix(l, width) + safe(l.Text)
}

func (p page) logPrefix(l ipc.LogLine, width int) string {
	name := safe(l.Node)
	blanks := strings.Repeat(" ", max(0, width-utf8.RuneCountInString(name)))
	return p.brush.paint(dim, stamp(p.now, l.Time)) + " " +
		p.brush.paint(ofName(l.Node), name+blanks+" |") + " "
}
