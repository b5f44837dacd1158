package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// supervisor is supervisord, the one in Python.
type supervisor struct{ suite suite }

func (s *supervisor) name() string { return "supervisord" }

func (s *supervisor) install(ctx context.Context, dir string) (string, error) {
	return s.suite.find(ctx, dir, "supervisor", "supervisord", "supervisorctl")
}

// supervisorMost: with 1,000 children each event already takes milliseconds, and a start of all takes 14 s.
const supervisorMost = 1000

func (s *supervisor) terms() terms {
	return terms{delay: "it looks once a second", most: supervisorMost}
}

func (s *supervisor) prepare(_ context.Context, j job) (run, error) {
	config := j.path("supervisord.conf")
	if err := os.WriteFile(config, []byte(supervisorConfig(j)), 0o600); err != nil {
		return nil, err
	}
	argv := []string{s.suite.program("supervisord"), "--configuration", config}
	return &supervisorRun{foreground{job: j, argv: argv, env: s.suite.environ(), ask: syscall.SIGTERM}, s.suite}, nil
}

// supervisorConfig: startsecs = 0 makes every start a success at once, so that none is followed by a pause. A child that
// writes nothing has its standard error on the same pipe, which saves a descriptor each.
func supervisorConfig(j job) string {
	const fdsEach, fdsMore, procsMore = 4, 200, 200
	var b strings.Builder
	fmt.Fprintf(&b, "[supervisord]\nnodaemon = true\nlogfile = /dev/null\nlogfile_maxbytes = 0\nloglevel = error\npidfile = %s\n", j.path("pid"))
	fmt.Fprintf(&b, "minfds = %d\nminprocs = %d\n", fdsEach*len(j.children)+fdsMore, len(j.children)+procsMore)
	fmt.Fprintf(&b, "[unix_http_server]\nfile = %s\n[supervisorctl]\nserverurl = unix://%s\n", j.path("socket"), j.path("socket"))
	b.WriteString("[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n")
	for _, c := range j.children {
		fmt.Fprintf(&b, "[program:%s]\ncommand = %s\nautorestart = true\nstartsecs = 0\nredirect_stderr = true\n", c.name, strings.Join(c.argv, " "))
		if o := j.output; o != nil {
			fmt.Fprintf(&b, "stdout_logfile = %s\nstdout_logfile_maxbytes = %d\nstdout_logfile_backups = %d\n",
				j.path(c.name+".log"), o.size, o.keep)
		} else {
			b.WriteString("stdout_logfile = NONE\n")
		}
	}
	return b.String()
}

type supervisorRun struct {
	foreground
	suite suite
}

func (r *supervisorRun) control() *control {
	ctl := func(words ...string) []string {
		return append([]string{r.suite.program("supervisorctl"), "--configuration", r.job.path("supervisord.conf")}, words...)
	}
	return &control{
		env:    append(r.job.environ(), r.suite.environ()...),
		bare:   []string{r.suite.program("supervisord"), "--version"},
		status: ctl("status"),
		stop:   func(child string) []string { return ctl("stop", child) },
		start:  func(child string) []string { return ctl("start", child) },
	}
}

// logs: the file with the highest number behind its name is the oldest.
func (r *supervisorRun) logs() ([]string, error) {
	var all []string
	for _, c := range r.job.children {
		all = append(all, numbered(r.job.path(c.name+".log"))...)
	}
	return all, nil
}

// numbered are path.N … path.2, path.1 and path, as far as they are there.
func numbered(path string) []string {
	all := []string{path}
	for n := 1; ; n++ {
		old := fmt.Sprintf("%s.%d", path, n)
		if found, _ := filepath.Glob(old); found == nil {
			return all
		}
		all = append([]string{old}, all...)
	}
}
