package main

import (
	"fmt"
	"strings"
	"syscall"
)

// supervisordGoMost: it computes all the time, by the number of its children.
const supervisordGoMost = 1000

// supervisordGo is the supervisord in Go (ochinchina's), which reads what the one in Python reads. That one does
// not know the command version.
func supervisordGo() peer {
	ctl := func(j job, words ...string) []string {
		return append([]string{"ctl", "--serverurl", "unix://" + j.path("socket")}, words...)
	}
	return &onPath{
		title: "supervisord-go", program: "supervisord", version: []string{"version"},
		limits: terms{most: supervisordGoMost}, signal: syscall.SIGTERM,
		files: func(j job) map[string]string { return map[string]string{"supervisord.conf": supervisordGoConfig(j)} },
		argv:  func(j job) []string { return []string{"-c", j.path("supervisord.conf")} },
		commands: func(j job) *control {
			return &control{
				bare:   []string{"version"},
				status: ctl(j, "status"),
				stop:   func(child string) []string { return ctl(j, "stop", child) },
				start:  func(child string) []string { return ctl(j, "start", child) },
			}
		},
		kept: func(j job) ([]string, error) {
			var all []string
			for _, c := range j.children {
				all = append(all, numbered(j.path(c.name+".log"))...)
			}
			return all, nil
		},
	}
}

func supervisordGoConfig(j job) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[supervisord]\nlogfile = /dev/null\nloglevel = error\npidfile = %s\n", j.path("pid"))
	fmt.Fprintf(&b, "[unix_http_server]\nfile = %s\n", j.path("socket"))
	for _, c := range j.children {
		fmt.Fprintf(&b, "[program:%s]\ncommand = %s\nautorestart = true\nstartsecs = 0\nrestartpause = 0\nredirect_stderr = true\n", c.name, strings.Join(c.argv, " "))
		if o := j.output; o != nil {
			fmt.Fprintf(&b, "stdout_logfile = %s\nstdout_logfile_maxbytes = %d\nstdout_logfile_backups = %d\n", j.path(c.name+".log"), o.size, o.keep)
		} else {
			b.WriteString("stdout_logfile = /dev/null\n")
		}
	}
	return b.String()
}
