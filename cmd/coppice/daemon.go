package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"coppice/ipc"
)

func (a *app) daemonCommand() *cobra.Command {
	watch, reportFD := false, 0
	cmd := &cobra.Command{
		Use:   "daemon",
		Short: "Runs the tree for an init system",
		Long: `Runs the tree like up, without the output of its processes: it is in their logs. It
ends with the tree: 0 after a stop, 1 when the root gave up or did not start.`,
		Args: cobra.NoArgs,
		RunE: runs(func(context.Context, []string) error { return a.daemon(watch, openReport(reportFD)) }),
	}
	cmd.Flags().BoolVar(&watch, "watch", false, "reload when the tree file changes")
	cmd.Flags().IntVar(&reportFD, "report-fd", 0, "")
	_ = cmd.Flags().MarkHidden("report-fd") // the flag is ours and exists
	return cmd
}

func (a *app) daemon(watch bool, r *report) error {
	err := a.runDaemon(watch, r)
	r.send(reportFailed, words(err))
	return err
}

func (a *app) runDaemon(watch bool, r *report) error {
	file, p, err := a.home()
	if err != nil {
		return err
	}
	config, err := a.loadFile(file)
	if err != nil {
		return err
	}
	log := a.logger()
	defer func() { _ = log.Sync() }() // a pipe cannot be synced
	code, err := a.engine.run(daemonOptions{
		config: config, place: p, watch: watch, log: log,
		started: func(err error) {
			if err == nil {
				r.send(reportStarted, "")
			} else {
				r.send(reportFailed, words(err))
			}
		},
	})
	if held, ok := errors.AsType[*ipc.HeldError](err); ok {
		r.send(reportHeld, fmt.Sprint(held.PID))
	} else if err != nil {
		r.send(reportFailed, words(err))
	}
	return a.ended(code, err)
}

// words is an error as one line of a report.
func words(err error) string {
	if err == nil {
		return ""
	}
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}

// The first word of what a detached daemon reports to the `up -d` that waits for
// it, in one line.
const (
	reportStarted = "started" // the tree is started
	reportHeld    = "held"    // another daemon has the state folder; its pid follows
	reportFailed  = "failed"  // why follows
)

// report is a detached daemon's line to who started it; only the first one is
// heard. A nil report has nobody to report to.
type report struct {
	pipe *os.File
	sent bool
}

// openReport takes over the pipe and keeps it from the daemon's children, who
// would hold it open.
func openReport(fd int) *report {
	if fd == 0 {
		return nil
	}
	unix.CloseOnExec(fd)
	return &report{pipe: os.NewFile(uintptr(fd), "report")}
}

func (r *report) send(word, rest string) {
	if r == nil || r.sent {
		return
	}
	r.sent = true
	// Who waited may be gone: the daemon runs on.
	_, _ = r.pipe.WriteString(strings.TrimSpace(word+" "+rest) + "\n")
	_ = r.pipe.Close()
}
