package configs

import (
	"slices"

	"coppice/tree"
)

// What holds where a file is silent. OTP's own defaults, save that the limit is
// 3 in 5 s, Elixir's; what OTP does not know follows.
const (
	defaultRestart         = tree.Permanent
	defaultProcfileRestart = tree.Transient
	defaultStartTimeout    = 60 * tree.Second
	defaultExitTimeout     = tree.Infinity // start_timeout of ready = "exit"
	defaultBackoffMax      = 60 * tree.Second
	defaultBackoffFactor   = 2
	defaultInterval        = 10 * tree.Second // of health
	defaultProbeTimeout    = tree.Second
	defaultFailures        = 3
	defaultStopSignal      = "SIGTERM"
	defaultHookTimeout     = 10 * tree.Second
	defaultEnvFile         = ".env" // of a Procfile
	systemFile             = "/etc/coppice/tree.toml"
	treeFile, procfile     = "coppice.toml", "Procfile"
	rootName               = "root"
	infinity               = "infinity"
	brutalKill             = "brutal_kill"
	neverGivesUp           = -1 // intensity = "infinity"
)

var (
	defaultFlags = tree.Flags{
		Strategy: tree.OneForOne, Intensity: 3, Period: 5 * tree.Second, AutoShutdown: tree.Never,
	}
	defaultProcessShutdown    = tree.Shutdown{Timeout: 5 * tree.Second}
	defaultSupervisorShutdown = tree.Shutdown{Timeout: tree.Infinity}
	defaultReady              = Ready{Kind: ReadyExec}
)

// defaultSuccess is what counts as a normal end: exit code 0, and the signals
// that ask a program to stop. Processes share it.
var defaultSuccess = tree.Success{Codes: [][2]int{{0, 0}}, Signals: []string{"SIGTERM", "SIGINT", "SIGHUP"}}

// defaultStatuses are the HTTP statuses of a good answer. Each probe has its own.
func defaultStatuses() [][2]int { return [][2]int{{200, 299}} }

// The words of the file.
var (
	strategies = []choice[tree.Strategy]{
		{"one_for_one", tree.OneForOne}, {"one_for_all", tree.OneForAll}, {"rest_for_one", tree.RestForOne},
	}
	// supervisorStrategies are those, and that of a template's supervisor.
	supervisorStrategies = append(slices.Clip(strategies), choice[tree.Strategy]{"simple_one_for_one", tree.SimpleOneForOne})
	restartTypes         = []choice[tree.RestartType]{
		{"permanent", tree.Permanent}, {"transient", tree.Transient}, {"temporary", tree.Temporary},
	}
	autoShutdowns = []choice[tree.AutoShutdown]{
		{"never", tree.Never}, {"any_significant", tree.AnySignificant}, {"all_significant", tree.AllSignificant},
	}
	stopTargets = []choice[bool]{{"group", false}, {"main", true}}
	logModes    = []choice[bool]{{"pipe", false}, {"direct", true}}
	logFulls    = []choice[bool]{{"block", false}, {"drop", true}}
)
