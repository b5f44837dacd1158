package configs

// foreignKeys are words of other supervisors that no nearest key is a help for, and
// what says the same here.
var foreignKeys = map[string]string{
	"depends_on":            needs,
	"After":                 needs,
	"Requires":              needs,
	"ExecStart":             `say command = ["program", "argument"]`,
	"ExecStartPre":          "say before_start",
	"ExecStopPost":          "say after_exit",
	"ExecReload":            "say reload_command, or reload_signal",
	"Restart":               always,
	"RestartSec":            `say backoff = { initial = "1s" }`,
	"autorestart":           always,
	"autostart":             "all processes of the file are started with the tree; what is started by name stands in a [template.NAME]",
	"startsecs":             `say ready, what makes a start complete`,
	"stopwaitsecs":          `say shutdown = "10s"`,
	"stopsignal":            `say stop_signal = "SIGTERM"`,
	"TimeoutStopSec":        `say shutdown = "10s"`,
	"TimeoutStartSec":       `say start_timeout = "10s"`,
	"KillSignal":            `say stop_signal = "SIGTERM"`,
	"MemoryMax":             `say limits = { memory_max = "512MiB" }`,
	"mem_limit":             `say limits = { memory_max = "512MiB" }`,
	"CPUQuota":              `say limits = { cpu_max = "150%" }`,
	"TasksMax":              "say limits = { pids_max = 200 }",
	"LimitNOFILE":           "say rlimits = { nofile = 4096 }",
	"WorkingDirectory":      "say dir",
	"working_dir":           "say dir",
	"directory":             "say dir",
	"cwd":                   "say dir",
	"User":                  "say user",
	"Group":                 "say group",
	"Environment":           `say env = { NAME = "value" }`,
	"environment":           `say env = { NAME = "value" }`,
	"EnvironmentFile":       "say env_file",
	"healthcheck":           "say health",
	"Type":                  `say ready, what makes a start complete: "exec", "exit", "notify" or a question`,
	"replicas":              copies,
	"numprocs":              copies,
	"instances":             copies,
	"StartLimitBurst":       "intensity and period are keys of [supervisor.NAME]",
	"StartLimitIntervalSec": "intensity and period are keys of [supervisor.NAME]",
}

const (
	needs  = `the order in children is the start order: a [supervisor.NAME] with strategy = "rest_for_one" restarts what stands behind, too`
	always = `say restart = "permanent", "transient" or "temporary"`
	copies = "each process is a table of its own; any number of one kind is a [template.NAME]"
)

// listedWidth is the width of a list in a hint.
const listedWidth = 100

// listed is a list of words behind a lead, in lines that stand below each other.
func listed(lead string, words []string) string {
	const indent = "\n      "
	text, width := lead, 4+len(lead)
	for _, word := range words {
		if width+1+len(word) > listedWidth {
			text, width = text+indent+word, len(indent)-1+len(word)
			continue
		}
		text, width = text+" "+word, width+1+len(word)
	}
	return text
}
