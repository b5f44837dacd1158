package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
)

// processComposeMost: nobody has tried more.
const processComposeMost = 1000

// processCompose is the process-compose for what is not in containers, without its terminal interface.
func processCompose() peer {
	client := func(j job, words ...string) []string { return append(words, "--unix-socket", j.path("socket")) }
	return &onPath{
		title: "process-compose", program: "process-compose", version: []string{"version"},
		limits: terms{delay: "1 s after every death", most: processComposeMost}, signal: syscall.SIGTERM,
		files: func(j job) map[string]string { return map[string]string{"compose.yaml": processComposeFile(j)} },
		argv: func(j job) []string {
			return client(j, "up", "--tui=false", "--keep-project", "--disable-dotenv", "--config", j.path("compose.yaml"), "--log-file", j.path("compose.log"))
		},
		commands: func(j job) *control {
			return &control{
				bare:   []string{"version"},
				status: client(j, "process", "list", "--output", "wide"),
				stop:   func(child string) []string { return client(j, "process", "stop", child) },
				start:  func(child string) []string { return client(j, "process", "start", child) },
			}
		},
		kept: func(j job) ([]string, error) {
			var all []string
			for _, c := range j.children { // what was rotated away has its time in its name
				old, err := filepath.Glob(j.path(c.name + "-*.log"))
				if err != nil {
					return nil, err
				}
				all = append(append(all, old...), j.path(c.name+".log"))
			}
			return all, nil
		},
	}
}

// processComposeFile: a second is the shortest delay before a restart that it takes. Its shell makes way for the child.
func processComposeFile(j job) string {
	var b strings.Builder
	b.WriteString("version: \"0.5\"\nlog_level: error\nshell:\n  shell_command: /bin/sh\n  shell_argument: -c\nprocesses:\n")
	for _, c := range j.children {
		fmt.Fprintf(&b, "  %s:\n    command: exec %s\n    availability:\n      restart: always\n      backoff_seconds: 1\n", c.name, strings.Join(c.argv, " "))
		if o := j.output; o != nil {
			fmt.Fprintf(&b, "    log_location: %s\n    log_configuration:\n      disable_json: true\n      no_metadata: true\n", j.path(c.name+".log"))
			fmt.Fprintf(&b, "      rotation:\n        max_size_mb: %d\n        max_backups: %d\n", max(1, o.size>>20), o.keep)
		}
	}
	return b.String()
}
