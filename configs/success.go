package configs

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"coppice/tree"
)

const successForm = `exit codes from 0 to 255, ranges like "0-3", or signals like "SIGTERM"`

// success reads which ends are normal; a value replaces the default.
func (t table) success() tree.Success {
	list, ok := t.list("success", "a list of "+successForm)
	if !ok {
		return defaultSuccess
	}
	var s tree.Success
	for i, value := range list {
		at := t.item("success", i)
		switch value := value.(type) {
		case int64:
			if value < 0 || value > 255 {
				t.faultAt(at, nil, "success holds %d: expected %s", value, successForm)
			}
			s.Codes = append(s.Codes, [2]int{int(value), int(value)})
		case string:
			t.successText(&s, value, at)
		default:
			t.faultAt(at, nil, "success holds %s: expected %s", describe(value), successForm)
		}
	}
	return s
}

// successText adds a range of codes or a signal.
func (t table) successText(s *tree.Success, text string, at span) {
	if first, last, ok := codeRange(text); ok {
		if first > last {
			t.faultAt(at, nil, "success holds %s: expected a range whose first code is not above its last", show(text))
		}
		s.Codes = append(s.Codes, [2]int{first, last})
		return
	}
	if signal(text) {
		s.Signals = append(s.Signals, text)
		return
	}
	t.faultAt(at, signalHint(text), "success holds %s: expected %s", show(text), successForm)
}

// codeRange reads "0-3".
func codeRange(text string) (first, last int, ok bool) {
	before, after, found := strings.Cut(text, "-")
	from, err1 := strconv.ParseUint(before, 10, 8)
	to, err2 := strconv.ParseUint(after, 10, 8)
	return int(from), int(to), found && err1 == nil && err2 == nil
}

// signal says whether a text is the full name of a signal.
func signal(text string) bool {
	return text != "" && unix.SignalName(unix.SignalNum(text)) == text
}

// signalHint finds what a wrong name of a signal meant.
func signalHint(text string) hint {
	return func() string {
		word := strings.TrimPrefix(strings.ToUpper(text), "SIG")
		if signal("SIG" + word) {
			return "did you mean " + strconv.Quote("SIG"+word) + "?"
		}
		var known []string
		for number := unix.Signal(1); number < 32; number++ {
			known = append(known, strings.TrimPrefix(unix.SignalName(number), "SIG"))
		}
		return strings.Replace(nearest(word, known, "")(), `"`, `"SIG`, 1)
	}
}

// stopSignal reads what asks a process to stop.
func (t table) stopSignal() string {
	if text := t.heardSignal("stop_signal", say(`say shutdown = "brutal_kill" to kill it at once`)); text != "" {
		return text
	}
	return defaultStopSignal
}

// heardSignal reads a signal that a program can hear; "": there is none, or it is
// faulty. kill is the hint for who meant to kill.
func (t table) heardSignal(key string, kill hint) string {
	const expected = `the name of a signal, like "SIGTERM"`
	text, ok := t.text(key, expected)
	switch {
	case !ok:
		return ""
	case text == "SIGKILL", text == "KILL":
		t.fault(key, kill, "%s is %s, which asks for nothing: expected a signal that a program can hear", key, show(text))
	case text == "SIGSTOP":
		t.fault(key, nil, "%s is %s, which only halts: expected a signal that a program can hear", key, show(text))
	case !signal(text):
		t.fault(key, signalHint(text), "%s is %s: expected %s", key, show(text), expected)
	default:
		return text
	}
	return ""
}
