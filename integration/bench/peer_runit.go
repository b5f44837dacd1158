package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// runit is runsvdir with a runsv for each child, and svlogd for each log.
type runit struct{ suite suite }

func (r *runit) name() string { return "runit" }

func (r *runit) install(ctx context.Context, dir string) (string, error) {
	return r.suite.find(ctx, dir, "runit", "runsvdir", "runsv", "sv", "svlogd")
}

// runsvdirMost is how many services runsvdir manages, as its manual says.
const runsvdirMost = 1000

func (r *runit) terms() terms {
	return terms{delay: "1 s if the child lived for less than 1 s", most: runsvdirMost}
}

func (r *runit) prepare(_ context.Context, j job) (run, error) {
	var logger []string
	if j.output != nil { // svlogd reads 1024 bytes at once if it is not told to read more
		logger = []string{"svlogd", "-b", "65536", "./main"}
	}
	scan, err := newScanDir(j, logger)
	if err != nil {
		return nil, err
	}
	for _, c := range j.children {
		if j.output == nil {
			break
		}
		config := fmt.Sprintf("s%d\nn%d\n", j.output.size, j.output.keep)
		if err := os.WriteFile(filepath.Join(scan.logDir(c.name), "config"), []byte(config), 0o600); err != nil {
			return nil, err
		}
	}
	argv := []string{r.suite.program("runsvdir"), "-P", string(scan)}
	return &runitRun{foreground{job: j, argv: argv, env: r.suite.environ(), ask: syscall.SIGHUP}, r.suite, scan}, nil
}

type runitRun struct {
	foreground
	suite suite
	scan  scanDir
}

// stop: runsvdir passes the wish on and is gone at once; each runsv stops its child, lets the logger read to
// the end, and ends.
func (r *runitRun) stop(ctx context.Context) error {
	if err := r.foreground.stop(ctx); err != nil {
		return err
	}
	return gone(ctx, r.job)
}

func (r *runitRun) control() *control {
	sv := func(verb string, services ...string) []string {
		return append([]string{r.suite.program("sv"), verb}, services...)
	}
	return &control{
		env:    append(r.job.environ(), r.suite.environ()...),
		status: sv("status", r.scan.services(r.job, "")...),
		stop:   func(child string) []string { return sv("stop", r.scan.service(child)) },
		start:  func(child string) []string { return sv("start", r.scan.service(child)) },
	}
}

func (r *runitRun) logs() ([]string, error) { return r.scan.files(r.job) }
