package keeper

import (
	"strconv"
	"strings"
)

// kind is the word that a message begins with.
type kind string

// From the daemon.
const (
	msgPut      kind = "put"      // NAME, with one descriptor: keep it; one of that name is replaced
	msgDrop     kind = "drop"     // NAME: close it
	msgClaimed  kind = "claimed"  // the tree is this daemon's: its death is a crash from now on
	msgServing  kind = "serving"  // all is adopted, requests are answered
	msgFinal    kind = "final"    // CODE: the next end is the end
	msgTaken    kind = "taken"    // EXIT: it is in the journal, or nobody's
	msgHeard    kind = "heard"    // SIGNAL: it was acted upon
	msgPong     kind = "pong"     // N: the answer to a ping
	msgReady    kind = "ready"    // for systemd
	msgStopping kind = "stopping" // for systemd
	msgStatus   kind = "status"   // TEXT: for systemd
	msgUpgrade  kind = "upgrade"  // PATH, with one descriptor: the next daemon is this program
	msgLeave    kind = "leave"    // CODE: end, and leave all as it is
)

// From the keeper.
const (
	msgHeld     kind = "held"     // NAME..., with as many descriptors
	msgExit     kind = "exit"     // EXIT...
	msgSignal   kind = "signal"   // SIGNAL
	msgPing     kind = "ping"     // N
	msgEnd      kind = "end"      // all that an earlier daemon left has been told
	msgUpgraded kind = "upgraded" // WHY NOT; nothing: it is done
)

// message is one datagram on the link: a word, a blank, and what belongs to it.
// Numbers are decimal; a list has one entry a line.
type message struct {
	kind   kind
	number uint64
	names  []string
	exits  []Exit
	text   string
}

// What follows the word of a message.
const (
	nothing = iota
	number  // up to shape.max
	text    // any bytes, to the end
	name    // of a descriptor
	names   // one or more
	exit    // of a process
	exits   // one or more
)

// shapes says what follows each word, and the largest number there.
var shapes = map[kind]struct {
	what int
	max  uint64
}{
	msgPut: {what: name}, msgDrop: {what: name}, msgHeld: {what: names},
	msgTaken: {what: exit}, msgExit: {what: exits},
	msgFinal: {number, 255}, msgLeave: {number, 255},
	msgHeard: {number, signalMax}, msgSignal: {number, signalMax},
	msgPong: {number, 1<<64 - 1}, msgPing: {number, 1<<64 - 1},
	msgStatus: {what: text}, msgUpgrade: {what: text}, msgUpgraded: {what: text},
	msgClaimed: {}, msgServing: {}, msgReady: {}, msgStopping: {}, msgEnd: {},
}

// Limits of a message: names are short (the longest is that of a descriptor which a
// process has stored), and what is sent fits the other end's buffer.
const (
	nameBytesMax    = 400
	messageBytesMax = 32 << 10
)

func (m message) bytes() []byte {
	b := []byte(m.kind)
	switch shapes[m.kind].what {
	case number:
		b = strconv.AppendUint(append(b, ' '), m.number, 10)
	case text:
		b = append(append(b, ' '), m.text...)
	case name, names:
		b = append(append(b, ' '), strings.Join(m.names, "\n")...)
	case exit, exits:
		for i, e := range m.exits {
			b = e.appendText(append(b, " \n"[min(i, 1)]))
		}
	}
	return b
}

// parse reads a datagram. What is no message is told so and harms nobody.
func parse(b []byte) (message, bool) {
	word, rest, follows := strings.Cut(string(b), " ")
	m := message{kind: kind(word)}
	shape, known := shapes[m.kind]
	if !known || follows != (shape.what != nothing) {
		return message{}, false
	}
	switch shape.what {
	case number:
		n, err := strconv.ParseUint(rest, 10, 64)
		m.number = n
		return m, err == nil && n <= shape.max
	case text:
		m.text = rest
	case name, names:
		m.names = strings.Split(rest, "\n")
		return m, allNames(m.names) && (shape.what == names || len(m.names) == 1)
	case exit, exits:
		var sound bool
		m.exits, sound = parseExits(rest)
		return m, sound && (shape.what == exits || len(m.exits) == 1)
	}
	return m, true
}

func parseExits(text string) (all []Exit, ok bool) {
	for line := range strings.SplitSeq(text, "\n") {
		e, ok := parseExit(line)
		if !ok {
			return nil, false
		}
		all = append(all, e)
	}
	return all, true
}

func allNames(names []string) bool {
	for _, name := range names {
		if !isName(name) {
			return false
		}
	}
	return true
}

// isName says whether a descriptor may be called so.
func isName(name string) bool {
	return name != "" && len(name) <= nameBytesMax && !strings.Contains(name, "\n")
}
