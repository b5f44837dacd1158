package supervisor

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"coppice/configs"
	"coppice/supervisor/process"
	"coppice/tree"
)

// hook is a command that runs before the start of an incarnation, or after its end.
type hook struct {
	job       process.JobID
	cancelled bool
}

// hooks are those that run. They belong to the loop.
type hooks map[tree.Ref]*hook

// beginStart begins a start: the command before it, if there is one, then the process.
func (r *runtime) beginStart(a tree.Start) {
	command := r.settings(a.ID).Hooks.BeforeStart
	if !a.Spec.BeforeStart || command == nil {
		r.start(a)
		return
	}
	r.hook(a.Ref, a.Spec, "before_start", command, nil, func(why string, shortage bool) {
		if why != "" {
			r.queue = append(r.queue, tree.StartFailed{Ref: a.Ref, Cause: why, Shortage: shortage})
			return
		}
		r.start(a)
	})
}

// afterExit runs the command after an end.
func (r *runtime) afterExit(a tree.AfterExit) {
	done := func(why string, _ bool) { r.queue = append(r.queue, tree.HookDone{Ref: a.Ref, Cause: why}) }
	command := r.settings(a.ID).Hooks.AfterExit
	if command == nil { // a reload has taken it away
		done("", false)
		return
	}
	r.hook(a.Ref, a.Spec, "after_exit", command, exitVariables(a), done)
}

// hook runs a command for an incarnation as its process is run. done is told why it
// failed, in words, and whether for a shortage; "": it did not.
func (r *runtime) hook(ref tree.Ref, spec *tree.ChildSpec, key string, c *configs.Command, env []string, done func(why string, shortage bool)) {
	command, why := r.beside(ref.ID, spec, c, env)
	if why != "" {
		done(why, false)
		return
	}
	h := &hook{}
	r.hooks[ref] = h
	h.job = r.startJob(ref, command, time.Duration(c.Limit), func(d process.JobDone) {
		delete(r.hooks, ref)
		why := failed(key, c, d)
		if h.cancelled {
			why = key + " was cut short"
		}
		if why != "" {
			why = r.placed(r.wantedAs(ref.ID), key, why)
		}
		done(why, isShortage(d.Errno))
	})
}

// cutHook ends the command that runs for an incarnation, if there is one.
func (r *runtime) cutHook(ref tree.Ref) {
	if h := r.hooks[ref]; h != nil {
		h.cancelled = true
		r.reaper.CancelJob(h.job)
	}
}

// beside is a command with what its process has: environment, directory and user; or
// why that cannot be found.
func (r *runtime) beside(name string, spec *tree.ChildSpec, c *configs.Command, env []string) (process.Command, string) {
	p, err := r.processOf(spec)
	if err != nil {
		return process.Command{}, err.Error()
	}
	who, fault := identify(p.Setup)
	setup, unable := setupOf(p.Setup, who)
	if fault = cmp.Or(fault, unable); fault != nil {
		return process.Command{}, r.placed(r.wantedAs(name), fault.key, fault.cause)
	}
	return process.Command{
		Argv: append([]string{c.Program}, c.Argv[1:]...), Env: with(p.Env, env...), Dir: p.Dir,
		User: who.credential, UserName: who.name, NoNewPrivs: who.noNewPrivs, NoAmbient: who.noAmbient, Limits: p.Limits, Setup: setup,
	}, ""
}

// exitVariables tell a command how the process has ended, as systemd does,
// systemd.exec(5).
func exitVariables(a tree.AfterExit) []string {
	env := []string{"SERVICE_RESULT=" + string(a.Result)}
	switch {
	case a.Exit.Lost:
		return append(env, "EXIT_CODE=", "EXIT_STATUS=")
	case a.Exit.Signal != "":
		return append(env, "EXIT_CODE=killed", "EXIT_STATUS="+strings.TrimPrefix(a.Exit.Signal, "SIG"))
	}
	return append(env, "EXIT_CODE=exited", "EXIT_STATUS="+strconv.Itoa(a.Exit.Code))
}

// failed says in words how a command failed; "": it did not.
func failed(key string, c *configs.Command, d process.JobDone) string {
	var why string
	switch {
	case d.OK():
		return ""
	case d.Cause != "":
		return key + " failed: " + d.Cause
	case d.TimedOut:
		why = fmt.Sprintf("%s was killed, for it took longer than %s", key, configs.Brief(c.Limit))
	default:
		why = fmt.Sprintf("%s failed: %s", key, d.Exit)
	}
	if line := lastLine(d.Output); line != "" {
		why += fmt.Sprintf("; it said %q", line)
	}
	return why
}

// lastLineMax is how much of a command's last line is told.
const lastLineMax = 200

// lastLine is the last line that is not blank, as text.
func lastLine(output []byte) string {
	text := strings.TrimSpace(strings.ToValidUTF8(string(output), "\uFFFD"))
	line := []rune(strings.TrimSpace(text[strings.LastIndexByte(text, '\n')+1:]))
	for i, c := range line {
		if !unicode.IsPrint(c) {
			line[i] = ' '
		}
	}
	return string(line[:min(len(line), lastLineMax)])
}

// besideDiff names the commands beside a process that differ and that the tree does
// not tell by itself: it knows whether there is one.
func besideDiff(old, new configs.Settings) []string {
	var what []string
	timeout := false
	differs := func(old, new *configs.Command) bool {
		if old == nil || new == nil {
			return false
		}
		timeout = timeout || old.Limit != new.Limit
		return old.Program != new.Program || !slices.Equal(old.Argv, new.Argv)
	}
	if differs(old.Hooks.BeforeStart, new.Hooks.BeforeStart) {
		what = append(what, "before_start")
	}
	if differs(old.Hooks.AfterExit, new.Hooks.AfterExit) {
		what = append(what, "after_exit")
	}
	if old.Reload.Signal != new.Reload.Signal {
		what = append(what, "reload_signal")
	}
	if differs(old.Reload.Command, new.Reload.Command) || (old.Reload.Command == nil) != (new.Reload.Command == nil) {
		what = append(what, "reload_command")
	}
	if timeout {
		what = append(what, "hook_timeout")
	}
	return what
}
