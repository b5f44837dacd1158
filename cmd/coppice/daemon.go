package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"coppice/configs"
	"coppice/ipc"
)

func (a *app) daemonCommand() *cobra.Command {
	watch := false
	cmd := &cobra.Command{
		Use:   "daemon",
		Short: "Runs the tree for an init system",
		Long: `Runs the tree like up, without the output of its processes: it is in their logs. It
ends with the tree: 0 after a stop, 1 when the root gave up or did not start.`,
		Args: wants(0, 0),
		RunE: runs(func(ctx context.Context, _ []string) error {
			return a.daemon(ctx, watch, openReport(a.env(reportVariable)))
		}),
	}
	cmd.Flags().BoolVar(&watch, "watch", false, "reload when the tree file changes")
	return cmd
}

func (a *app) daemon(ctx context.Context, watch bool, r *report) error {
	err := a.runDaemon(ctx, watch, r)
	if _, said := errors.AsType[outcome](err); !said {
		r.send(reportFailed, words(err))
	}
	return err
}

func (a *app) runDaemon(ctx context.Context, watch bool, r *report) error {
	run, err := a.wanted()
	if err != nil {
		return err
	}
	if err := a.relieve(ctx, run.place); err != nil {
		return err
	}
	log := a.logger()
	defer func() { _ = log.Sync() }() // a pipe cannot be synced
	run.watch, run.detached = watch, r != nil
	run.log = func(*configs.Config) *zap.Logger { return log }
	run.started = func(err error) {
		if err == nil {
			r.send(reportStarted, fmt.Sprint(os.Getpid()))
		} else {
			r.send(reportFailed, words(err))
		}
	}
	code, err := a.engine.run(run)
	if code == exitDone && err == nil {
		r.send(reportEnded, "")
	}
	if held, ok := errors.AsType[*ipc.HeldError](err); ok {
		r.send(reportHeld, fmt.Sprint(held.PID))
	} else if err != nil {
		r.send(reportFailed, words(err))
	}
	return a.ended(run, code, err)
}

// wanted is where a daemon is to run its tree, and how it reads the file if it has
// to. A daemon that goes on with an earlier one's looks for no file; where there may
// be a tree to go on with, a file that is wrong or gone may not matter.
func (a *app) wanted() (daemonOptions, error) {
	noCgroups := a.env("COPPICE_CGROUP") == "off"
	if p, ok := a.engine.charged(); ok {
		return daemonOptions{place: p, load: a.load, noCgroups: noCgroups}, nil
	}
	file, p, wrong := a.home()
	var config *configs.Config
	if wrong == nil {
		config, wrong = a.loadFile(file)
	} else if left, err := a.place(); err == nil {
		p = left
	}
	if wrong != nil && !hasJournal(p) {
		return daemonOptions{}, wrong
	}
	load := func() (*configs.Config, error) { return config, wrong }
	return daemonOptions{place: p, wrong: wrong, noCgroups: noCgroups, load: load}, nil
}

// otherMax is how long another daemon has to say who it is. Its keeper replaces one
// that hangs sooner.
const otherMax = 6 * time.Second

// askOther asks the daemon that may have the tree already, and gives up after a
// while: a socket that nobody serves must not hold up for ever what is to serve it.
func (a *app) askOther(ctx context.Context, p place) (*ipc.Tree, error) {
	ctx, cancel := context.WithTimeout(ctx, otherMax)
	defer cancel()
	t, err := a.askTree(ctx, p, false)
	if errors.Is(err, context.DeadlineExceeded) {
		a.engine.giveUp()
		err = fmt.Errorf("cannot run the tree: somebody has its socket and does not answer: %w", err)
	}
	return t, err
}

// relieve lets go the daemon of a tree whose keeper nobody waits for any more: the
// one that was waited for has been killed, and this process is to be waited for in
// its place.
func (a *app) relieve(ctx context.Context, p place) error {
	if a.engine.claimed() {
		return nil
	}
	t, err := a.askOther(ctx, p)
	if err == nil && !t.Daemon.Stopping {
		if err := a.another(t); err != nil {
			return err
		}
	}
	if err != nil || !t.Daemon.Unattended {
		if errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		return nil // whatever else is wrong, the lock tells it
	}
	ends, err := openEnds(t.Daemon)
	if err != nil {
		return err
	}
	defer ends.close()
	if err := p.client().Leave(ctx); err != nil {
		return err
	}
	return a.patiently(func() error { return ends.await(ctx, p) }, func() string {
		return fmt.Sprintf("the daemon with pid %d makes way", t.Daemon.PID)
	})
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
	reportStarted = "started" // the tree is started; the daemon's pid follows
	reportHeld    = "held"    // another daemon has the state folder; its pid follows
	reportFailed  = "failed"  // why follows
	reportEnded   = "ended"   // it has carried a stop to its end that an earlier daemon had begun
)

// report is a detached daemon's line to who started it; only the first one is
// heard. A nil report has nobody to report to.
type report struct {
	pipe *os.File
	sent bool
}

// reportVariable names the descriptor of the pipe to report on. The keeper gives
// it to the first daemon only.
const reportVariable = "COPPICE_REPORT"

// openReport takes over the pipe and keeps it from the daemon's children, who
// would hold it open.
func openReport(text string) *report {
	fd, err := strconv.Atoi(text)
	if err != nil || fd < 3 {
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
