package configs

import "coppice/tree"

// Command is what is executed beside a process: as the process's own command, in its
// environment and directory, and as its user.
type Command struct {
	// Program and Argv are as in Process.
	Program string
	Argv    []string
	// Limit is the time that it may take, above 0.
	Limit tree.Time
}

// Hooks are the commands around a process; those that the file does not have are nil.
type Hooks struct {
	// BeforeStart is executed before each start. If it fails the start has failed.
	BeforeStart *Command
	// AfterExit is executed after each end. Its failure is told.
	AfterExit *Command
}

// Reload is what makes a running process read its configuration again; at most one of
// the two is set.
type Reload struct {
	// Signal goes to the main process: a full name; "": none.
	Signal string
	// Command is executed, with the number of the main process in MAINPID.
	Command *Command
}

// hooks reads the commands around a process, and the time that each may take.
func (t table) hooks(env *environment) (h Hooks, limit tree.Time) {
	limit = defaultHookTimeout
	if d, _, ok := t.duration("hook_timeout", bounds{}); ok {
		limit = d
	}
	return Hooks{BeforeStart: t.beside("before_start", limit, env), AfterExit: t.beside("after_exit", limit, env)}, limit
}

// reload reads what makes a process read its configuration again.
func (t table) reload(limit tree.Time, env *environment) Reload {
	r := Reload{Command: t.beside("reload_command", limit, env)}
	if _, found := t.values["reload_signal"]; !found {
		return r
	}
	r.Signal = t.heardSignal("reload_signal", nil)
	if r.Command != nil {
		t.fault("reload_signal", say("kill -HUP $MAINPID as the reload_command sends a signal as well"),
			"%s has reload_signal and reload_command: expected one of them", t.title)
	}
	return r
}

// beside reads a command that is executed beside the process; nil: there is none.
func (t table) beside(key string, limit tree.Time, env *environment) *Command {
	if _, found := t.values[key]; !found {
		return nil
	}
	c := &Command{Limit: limit}
	c.Program, c.Argv = t.commandOf(key, env)
	return c
}
