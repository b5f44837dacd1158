package main

import (
	"context"
	"fmt"
	"os/exec"
	"syscall"
)

// daemontools is svscan with a supervise for each child, and multilog for each log.
type daemontools struct{ suite suite }

func (d *daemontools) name() string { return "daemontools" }

func (d *daemontools) install(ctx context.Context, dir string) (string, error) {
	return d.suite.find(ctx, dir, "daemontools", "svscan", "supervise", "svc", "svstat", "multilog")
}

// svscanMost is how many services svscan starts, as its source says.
const svscanMost = 1000

func (d *daemontools) terms() terms {
	return terms{delay: "1 s if the child lived for less than 1 s", most: svscanMost}
}

// multilogMost is the largest file that multilog makes.
const multilogMost = 16777215

func (d *daemontools) prepare(_ context.Context, j job) (run, error) {
	var logger []string
	if o := j.output; o != nil {
		size := min(o.size, multilogMost)
		keep := int64(o.keep) * ((o.size + size - 1) / size)
		logger = []string{"multilog", fmt.Sprintf("s%d", size), fmt.Sprintf("n%d", keep), "./main"}
	}
	scan, err := newScanDir(j, logger)
	argv := []string{d.suite.program("svscan"), string(scan)}
	return &daemontoolsRun{foreground{job: j, argv: argv, env: d.suite.environ(), ask: syscall.SIGTERM}, d.suite, scan}, err
}

type daemontoolsRun struct {
	foreground
	suite suite
	scan  scanDir
}

// stop: svscan is ended first, for it would start each supervise again that has done as it was told. A log's is told to
// end with its logger, which reads to the end.
func (d *daemontoolsRun) stop(ctx context.Context) error {
	if err := d.foreground.stop(ctx); err != nil {
		return err
	}
	words := append([]string{"-dx"}, d.scan.services(d.job, "")...)
	if _, err := captured(exec.CommandContext(ctx, d.suite.program("svc"), words...)); err != nil {
		return err
	}
	if d.job.output != nil {
		words := append([]string{"-x"}, d.scan.services(d.job, "log")...)
		if _, err := captured(exec.CommandContext(ctx, d.suite.program("svc"), words...)); err != nil {
			return err
		}
	}
	return gone(ctx, d.job)
}

// control: svc tells supervise and does not wait.
func (d *daemontoolsRun) control() *control {
	return &control{
		env:    append(d.job.environ(), d.suite.environ()...),
		status: append([]string{d.suite.program("svstat")}, d.scan.services(d.job, "")...),
		stop:   func(child string) []string { return []string{d.suite.program("svc"), "-d", d.scan.service(child)} },
		start:  func(child string) []string { return []string{d.suite.program("svc"), "-u", d.scan.service(child)} },
	}
}

func (d *daemontoolsRun) logs() ([]string, error) { return d.scan.files(d.job) }
