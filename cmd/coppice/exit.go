package main

import (
	"errors"
	"fmt"
	"strings"

	"coppice/configs"
	"coppice/ipc"
)

// The exit codes; doc.go says what they mean.
const (
	exitDone    = 0
	exitRefused = 1
	exitUsage   = 2
	exitNone    = 3
	exitNoName  = 4
)

// outcome is an error whose words, if any, are said already: only the exit code
// is left.
type outcome int

func (o outcome) Error() string { return fmt.Sprintf("exit code %d", int(o)) }

// usageError is a wrong command line.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...)}
}

// codeOf is the exit code of a command that ended with err.
func codeOf(err error) int {
	if done, ok := errors.AsType[outcome](err); ok {
		return int(done)
	}
	if _, ok := errors.AsType[*usageError](err); ok {
		return exitUsage
	}
	if _, ok := errors.AsType[configs.Faults](err); ok {
		return exitUsage
	}
	if errors.Is(err, ipc.ErrNoDaemon) {
		return exitNone
	}
	if refusal, ok := errors.AsType[*ipc.Error](err); ok {
		return codeOfRefusal(refusal.Code)
	}
	if err != nil {
		return exitRefused
	}
	return exitDone
}

func codeOfRefusal(code ipc.Code) int {
	switch code {
	case ipc.CodeBadTree, ipc.CodeBadInput:
		return exitUsage
	case ipc.CodeNoNode:
		return exitNoName
	default:
		return exitRefused
	}
}

// say tells an error on stderr: why, and what to do.
func (a *app) say(err error) {
	if _, silent := errors.AsType[outcome](err); silent || err == nil {
		return
	}
	if faults, ok := errors.AsType[configs.Faults](err); ok {
		fmt.Fprintln(a.err, faults.Error()) // made safe where its lines were cut
		return
	}
	if refusal, ok := errors.AsType[*ipc.Error](err); ok && refusal.Faults != "" {
		fmt.Fprintln(a.err, strings.TrimRight(refusal.Faults, "\n"))
	}
	text := safe(strings.ReplaceAll(err.Error(), "\n", "; "))
	switch {
	case errors.Is(err, ipc.ErrNoDaemon):
		text += a.whereNot() + a.whatNow()
	case errors.Is(err, ipc.ErrDaemonGone):
		text += "; `coppice status` says how things are now"
	}
	fmt.Fprintln(a.err, "coppice: "+text)
}

// whatNow says what to do where no daemon runs. Processes may run all the same: if
// daemon and keeper were killed.
func (a *app) whatNow() string {
	p, err := a.place()
	if err == nil && p.state != "" {
		if plan, err := a.engine.plan(p); err == nil && len(plan.Adopt) > 0 {
			return fmt.Sprintf(", but %s of it: `coppice up -d` goes on with them, and then `coppice down` stops them",
				counted(len(plan.Adopt), "process still runs", "processes still run"))
		}
	}
	return "; `coppice up` starts one"
}

// whereNot says where a daemon was looked for.
func (a *app) whereNot() string {
	p, err := a.place()
	if err != nil || p.run == "" {
		return ""
	}
	return " (" + safe(p.run) + ")"
}
