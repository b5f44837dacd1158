package main

import (
	"net"
	"strconv"
	"strings"
	"syscall"
)

// procfile is what foreman and its like read: a line for the shell by child. The shell makes way for the child.
func procfile(j job) map[string]string {
	var b strings.Builder
	for _, c := range j.children {
		b.WriteString(c.name + ": exec " + strings.Join(c.argv, " ") + "\n")
	}
	return map[string]string{"Procfile": b.String()}
}

// Those that keep no terminal for each child take more of them: overmindMost windows of tmux, procfileMost else.
const (
	overmindMost = 100
	procfileMost = 1000
)

// neverAgain are the measures that need restarts, for those that make none.
func neverAgain() map[measure]string {
	const why = "it does not restart what has died"
	return map[measure]string{measureRestart: why, measureMass: why, measureYoung: why}
}

// overmind has a window of tmux for each child, so the server of tmux is a part of it, which is nobody's descendant.
func overmind() peer {
	return &onPath{
		title: "overmind", program: "overmind", version: []string{"--version"}, scattered: true,
		limits: terms{most: overmindMost}, signal: syscall.SIGTERM, files: procfile,
		argv: func(job) []string { return []string{"start"} },
		env: func(j job) []string {
			return []string{
				"OVERMIND_PROCFILE=" + j.path("Procfile"), "OVERMIND_SOCKET=" + j.path("socket"), "OVERMIND_AUTO_RESTART=all",
				"OVERMIND_NO_PORT=1", "OVERMIND_SKIP_ENV=1", "TMUX_TMPDIR=" + j.dir, "TMUX=",
			}
		},
		commands: func(job) *control {
			return &control{
				bare:   []string{"--version"},
				status: []string{"ps"},
				stop:   func(child string) []string { return []string{"stop", child} },
				start:  func(child string) []string { return []string{"restart", child} },
			}
		},
	}
}

// hivemind has neither commands nor restarts.
func hivemind() peer {
	return &onPath{
		title: "hivemind", program: "hivemind", version: []string{"--version"},
		limits: terms{most: procfileMost, not: neverAgain()}, signal: syscall.SIGTERM, files: procfile,
		argv: func(j job) []string { return []string{j.path("Procfile")} },
	}
}

// goreman takes its commands on a port.
func goreman() peer {
	return &onPath{
		title: "goreman", program: "goreman", version: []string{"version"},
		limits: terms{most: procfileMost, not: neverAgain()}, signal: syscall.SIGTERM, files: procfile,
		argv: func(j job) []string { return []string{"-f", j.path("Procfile"), "-set-ports=false", "start"} },
		env:  func(job) []string { return []string{"GOREMAN_RPC_ADDR=127.0.0.1", "GOREMAN_RPC_PORT=" + freePort()} },
		commands: func(job) *control {
			return &control{
				bare:   []string{"version"},
				status: []string{"run", "status"},
				stop:   func(child string) []string { return []string{"run", "stop", child} },
				start:  func(child string) []string { return []string{"run", "start", child} },
			}
		},
	}
}

// freePort is a port of TCP that nobody listens on now; "0" if there is none.
func freePort() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "0"
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}
