package configs

import (
	"slices"

	"coppice/tree"
)

// Ready says when the start of a process is complete.
type Ready struct {
	Kind ReadyKind
	// Probe is what is asked until it is answered well; its kind is Kind. Of the
	// kinds below it is nil.
	Probe *Probe
	// FD is the descriptor of ReadyFD, else 0.
	FD int
}

// ReadyKind is a way to know that a start is complete, as the file names it: one
// of these or the kind of a probe.
type ReadyKind string

const (
	// ReadyExec is complete when the program was executed; the default.
	ReadyExec ReadyKind = "exec"
	// ReadyExit is complete when it has ended as its success says.
	ReadyExit ReadyKind = "exit"
	// ReadyNotify is complete when it says READY=1 (sd_notify).
	ReadyNotify ReadyKind = "notify"
	// ReadyFD is complete when it writes a newline to a descriptor (s6).
	ReadyFD ReadyKind = "fd"
)

const readyForm = `"exec", "exit", "notify" or a table like { tcp = "HOST:PORT" }`

// fdMax bounds the table of descriptors that a process begins with.
const fdMax = 255

// readyKinds are the keys of a table that says when a process is ready.
var readyKinds = append(slices.Clone(checkKinds), string(ProbeLog), string(ReadyFD))

// ready reads when the start of a process is complete.
func (t table) ready(env *environment) Ready {
	switch value := t.values["ready"].(type) {
	case nil:
		return defaultReady
	case string:
		switch kind := ReadyKind(value); kind {
		case ReadyExec, ReadyExit, ReadyNotify:
			return Ready{Kind: kind}
		}
		h := nearest(value, []string{"exec", "exit", "notify"}, "")
		if slices.Contains(readyKinds, value) {
			h = say("it takes a table: ready = " + probeForms[ProbeKind(value)])
		}
		t.fault("ready", h, "ready is %s: expected %s", show(value), readyForm)
	case map[string]any:
		return t.below("ready", "ready", value).readyTable(env)
	default:
		t.fault("ready", nil, "ready is %s: expected %s", describe(value), readyForm)
	}
	return defaultReady
}

func (t table) readyTable(env *environment) Ready {
	t.unknown(append(slices.Clone(readyKinds), "status", "timeout"), nil)
	kind, ok := t.oneKind(readyKinds, "ready", readyForm)
	if !ok {
		return defaultReady
	}
	if kind == ProbeKind(ReadyFD) {
		t.alone("timeout", "status")
		fd := t.number("fd", 3, fdMax)
		return Ready{Kind: ReadyFD, FD: fd}
	}
	probe, ok := t.probe(kind, env)
	if !ok {
		return defaultReady
	}
	return Ready{Kind: ReadyKind(kind), Probe: probe}
}

// readiness is how the core knows a start as complete.
func readiness(kind ReadyKind) tree.Readiness {
	switch kind {
	case ReadyExit:
		return tree.AtExit
	case ReadyExec:
		return tree.AtExec
	}
	return tree.AtNotice
}
