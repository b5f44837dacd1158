package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"coppice/configs"
	"coppice/ipc"
	"coppice/tree"
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

// hasNoTree says that no daemon runs, or one that has nothing left to run.
func hasNoTree(err error) bool { return errors.Is(err, ipc.ErrNoDaemon) || ipc.HasEnded(err) }

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
	case ipc.CodeEnded:
		return exitNone
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
		text += a.whoNow()
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
	if what, at := a.lastFailure(p); what != "" {
		return fmt.Sprintf("; it %s at %s: `coppice why root` says why, `coppice up` starts it anew", what, clock(a.now(), at))
	}
	return "; `coppice up` starts one"
}

// lastFailure is what the root of the last tree did that ended by itself, and when; "": it did
// not, or nobody knows.
func (a *app) lastFailure(p place) (what string, at time.Time) {
	if p.state == "" {
		return "", at
	}
	// Who cannot read the record has no less to say.
	_ = a.engine.events(p.state, func(e ipc.Event) error {
		switch kind := tree.Kind(e.Kind); {
		case kind == tree.DaemonStarted:
			what = ""
		case kind == tree.GaveUp && e.Node == "root":
			what, at = "gave up", e.Time
		case kind == tree.StartFailure && e.Node == "root":
			what, at = "failed to start", e.Time
		}
		return nil
	})
	return what, at
}

// whoNow says who has the tree after a daemon went away in the middle of an answer.
func (a *app) whoNow() string {
	p, err := a.place()
	if err != nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	t, err := p.client().Tree(ctx, false)
	switch {
	case err == nil:
		return fmt.Sprintf("; another one goes on with the tree (pid %d): `coppice events` tells what was done", t.Daemon.PID)
	case errors.Is(err, ipc.ErrNoDaemon):
		return ", and no other one runs" + a.whereNot() + a.whatNow()
	}
	return ", and no other one answers yet"
}

// whereNot says where a daemon was looked for.
func (a *app) whereNot() string {
	p, err := a.place()
	if err != nil || p.run == "" {
		return ""
	}
	return " (" + safe(p.run) + ")"
}
