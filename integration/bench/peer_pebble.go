package main

import (
	"fmt"
	"strings"
	"syscall"
)

// pebbleMost: its own work for 1,000 services goes on for ten seconds after they are up.
const pebbleMost = 1000

// pebble is Canonical's service manager. Its services' output is on its own when it is told to, and in a ring of memory.
func pebble() peer {
	return &onPath{
		title: "pebble", program: "pebble", version: []string{"version", "--client"},
		limits: terms{delay: "1 ms", most: pebbleMost}, signal: syscall.SIGTERM,
		files: func(j job) map[string]string {
			return map[string]string{"pebble/layers/001-bench.yaml": pebbleLayer(j)}
		},
		argv: func(j job) []string {
			if j.output != nil {
				return []string{"run", "--verbose"}
			}
			return []string{"run"}
		},
		env: func(j job) []string { return []string{"PEBBLE=" + j.path("pebble")} },
		commands: func(job) *control {
			return &control{
				bare:   []string{"version", "--client"},
				status: []string{"services"},
				stop:   func(child string) []string { return []string{"stop", child} },
				start:  func(child string) []string { return []string{"start", child} },
			}
		},
	}
}

// pebbleLayer: a delay before a restart of nothing is no delay that it takes.
func pebbleLayer(j job) string {
	var b strings.Builder
	b.WriteString("services:\n")
	for _, c := range j.children {
		fmt.Fprintf(&b, "  %s:\n    override: replace\n    startup: enabled\n    command: %s\n", c.name, strings.Join(c.argv, " "))
		b.WriteString("    backoff-delay: 1ms\n    backoff-factor: 1\n    backoff-limit: 1ms\n")
	}
	return b.String()
}
