package configs

import (
	"reflect"
	"slices"

	"coppice/tree"
)

// Process is what it takes to start a program. A tree carries a *Process in the
// Start of a process, and compares it with reflect.DeepEqual when the wanted
// tree changes: a process whose Process differs is stopped and started. So only
// what a start depends on lives here, and Settings has the rest.
type Process struct {
	// Program is what is executed: an absolute path, or a name without a slash
	// to be looked up in the PATH of Env.
	Program string
	// Argv is the whole command, at least one; Argv[0] as the file has it.
	Argv []string
	// Shell says that the file has the command as a string. A template without a
	// command has no Argv.
	Shell bool
	// Dir is the absolute working directory.
	Dir string
	// Env is the complete environment as NAME=value, each name once, sorted by
	// name. Processes share it: copy before adding to it.
	Env []string
	// Ready says when the start is complete.
	Ready Ready
	// Watchdog is the time in which it says WATCHDOG=1 at least once while it runs
	// (sd_notify); 0: nobody waits for that.
	Watchdog tree.Time
	// FDStore is how many descriptors it may leave for its next incarnation
	// (sd_notify's FDSTORE); 0: none.
	FDStore int
	// Log says how its output is kept.
	Log Log
	// Setup says who it runs as, and what it may do; nil is as the daemon itself.
	Setup *Setup
	// Limits are what its cgroup is limited to.
	Limits Limits
}

// Settings are what else the runtime knows of a process. A change of them
// restarts nothing.
type Settings struct {
	// StopSignal asks the process to stop: a full name, default "SIGTERM".
	StopSignal string
	// StopMain sends StopSignal to the main process alone (stop_to = "main"),
	// not to its whole group.
	StopMain bool
	// Check asks a running process how it is.
	Check Check
	// Watch restarts the process when a file changes that one of them matches.
	Watch []Glob
	// Hooks are the commands before its starts and after its ends.
	Hooks Hooks
	// Reload makes it read its configuration again.
	Reload Reload
}

// Glob is a set of files: those below Base that match Pattern.
type Glob struct {
	// Base is an absolute folder without wildcards.
	Base string
	// Pattern is relative to Base, with doublestar's * ** ? [class] {a,b}.
	Pattern string
}

// processKeys are the keys of a process, in the order in which people write them.
var processKeys = []string{
	"command", "dir", "env", "env_file", "restart", "shutdown", "stop_signal", "stop_to", "significant",
	"success", "on_exit", "ready", "start_timeout", "backoff", "health", "watchdog", "fd_store", "watch", "log", "limits",
	"user", "group", "groups", "clear_env", "umask", "nice", "ionice", "sched", "cpu_affinity", "oom_score_adj",
	"rlimits", "no_new_privs", "capabilities", "ambient", "root_dir", "private_tmp", "read_only", "read_write",
	"inaccessible", "syscalls", "landlock", "sandbox", "secret",
	"before_start", "after_exit", "hook_timeout", "reload_signal", "reload_command",
}

// process reads the table of one process.
func (l *loading) process(t table, name string) *member {
	t.unknown(processKeys, notInProcess)
	return l.child(t, name)
}

// child reads what a process is, or each child of a template.
func (l *loading) child(t table, name string) *member {
	m := &member{name: name, at: t.at, title: t.title, table: t}
	spec := &m.spec
	spec.ID, spec.Type = name, tree.Process
	spec.Restart = oneOf(t, "restart", restartTypes, defaultRestart)
	spec.Shutdown = t.shutdown(defaultProcessShutdown)
	spec.Significant = !t.template && t.significant(spec.Restart)
	spec.Success = t.success()
	spec.OnExit = t.onExit(spec.Restart)
	spec.Backoff = t.backoff()

	env := t.environment()
	ready := t.ready(env)
	spec.Ready = readiness(ready.Kind)
	spec.StartTimeout = t.startTimeout(ready.Kind)
	if ready.Kind == ReadyExit && spec.Restart == tree.Permanent {
		t.fault("ready", say(`say restart = "transient"`),
			`ready = "exit" with restart = "permanent": what is ready when it has ended cannot be restarted for ending`)
	}

	var check Check
	check, spec.Health = t.health(env, ready.Kind)
	p := t.start(env, ready)
	if p.Watchdog = t.watchdog(ready.Kind); p.Watchdog > 0 && check.Probe == nil {
		spec.Health = tree.Health{Failures: 1, Successes: 1} // its own word is the only check
	}
	p.FDStore = t.fdStore(ready)
	spec.Start = p
	settings := Settings{
		Check:      check,
		StopSignal: t.stopSignal(),
		StopMain:   oneOf(t, "stop_to", stopTargets, false),
		Watch:      t.watch(),
	}
	var limit tree.Time
	settings.Hooks, limit = t.hooks(env)
	settings.Reload = t.reload(limit, env)
	spec.BeforeStart, spec.AfterExit = settings.Hooks.BeforeStart != nil, settings.Hooks.AfterExit != nil
	m.settings = l.shared(settings)
	return m
}

// shared are settings that are shared with the process before, if they are the same: most
// of a thousand processes are alike.
func (l *loading) shared(s Settings) *Settings {
	if l.lastSettings == nil || !reflect.DeepEqual(*l.lastSettings, s) {
		l.lastSettings = &s
	}
	return l.lastSettings
}

// start reads what it takes to start the program.
func (t table) start(env *environment, ready Ready) *Process {
	p := &Process{Dir: t.dir(env), Ready: ready, Log: t.log(), Limits: t.limits()}
	p.Program, p.Argv = t.command(env)
	_, p.Shell = t.values["command"].(string)
	var account *Account
	p.Setup, account = t.setup(env)
	p.Env = t.overlay(env, t.begin(env, account))
	if p.Setup.OrNone().RootDir != "" {
		t.inRoot(p)
	}
	return p
}

// command reads what is executed: a list as it is, a string by the shell.
func (t table) command(env *environment) (program string, argv []string) {
	_, found := t.values["command"]
	if !found && t.template {
		return "", nil // start-child says it
	}
	if !found {
		misspelt := func(key string) bool { return distance(key, "command", 3) < 3 }
		if !slices.ContainsFunc(t.keys(), misspelt) { // else that key is told
			t.fault("", say(`for example: command = ["./server", "--port", "8080"]`), "%s has no command", t.title)
		}
		return "", nil
	}
	return t.commandOf("command", env)
}

// commandOf reads what is executed from a key that is there.
func (t table) commandOf(key string, env *environment) (program string, argv []string) {
	switch value := t.values[key].(type) {
	case string:
		return t.shellCommand(key, value)
	case []any:
		return t.listCommand(key, value, env)
	}
	t.fault(key, nil, "%s is %s: expected a string or a list of strings", key, describe(t.values[key]))
	return "", nil
}

func (t table) shellCommand(key, command string) (program string, argv []string) {
	if !t.prints(t.span(key), key, command, true) {
		return "", nil
	}
	if blank(command) {
		t.fault(key, nil, "%s is empty: expected a command for /bin/sh", key)
	}
	return "/bin/sh", []string{"/bin/sh", "-c", command}
}

func (t table) listCommand(key string, list []any, env *environment) (program string, argv []string) {
	if len(list) == 0 {
		t.fault(key, nil, "%s is empty: expected a program and its arguments", key)
		return "", nil
	}
	for i, value := range list {
		at := t.item(key, i)
		text, ok := value.(string)
		switch {
		case !ok:
			t.faultAt(at, nil, "%s holds %s: expected strings", key, describe(value))
		case t.prints(at, key, text, true):
			text, ok = t.expand(text, env, at)
		}
		if i == 0 && ok {
			program = t.program(key, text)
		}
		argv = append(argv, text)
	}
	return program, argv
}
