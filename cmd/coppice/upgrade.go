package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"coppice/ipc"
	"coppice/supervisor"
)

const (
	// planTimeout is how long a program has to say what it would do.
	planTimeout = 10 * time.Second
	// planBytesMax bounds what is read of that.
	planBytesMax = 16 << 20
	// changeTimeout is how long the next daemon, or the old one again, has to
	// answer; the keeper gives the new one ten seconds.
	changeTimeout = 30 * time.Second
)

func (a *app) upgradeCommand() *cobra.Command {
	plan := false
	cmd := &cobra.Command{
		Use:   "upgrade [BINARY]",
		Short: "Lets another build of coppice be the daemon",
		Long: `Replaces the daemon by another build of coppice (default: the one that you run), and
touches no process of the tree. The other build is first asked what it would do with
the tree; unless it would go on with all of it, it is refused. If it has not taken the
tree over within ten seconds, the old one is back; until then commands wait.`,
		Args: wants(0, 1),
		RunE: runs(func(ctx context.Context, args []string) error {
			if plan {
				return a.tellPlan()
			}
			return a.upgrade(ctx, args)
		}),
	}
	cmd.Flags().BoolVar(&plan, "plan", false, "say as JSON what this build would do, and do nothing")
	return cmd
}

// tellPlan says what this program would do as the next daemon.
func (a *app) tellPlan() error {
	p, err := a.place()
	if err != nil {
		return err
	}
	plan, err := a.engine.plan(p)
	if err != nil {
		return err
	}
	return a.document(plan)
}

func (a *app) upgrade(ctx context.Context, args []string) error {
	p, err := a.notedPlace(ctx)
	if err != nil {
		return err
	}
	before, err := a.askTree(ctx, p, false)
	if err != nil {
		return err
	}
	binary, err := a.binary(args)
	if err != nil {
		return err
	}
	plan, err := a.askPlan(p, binary)
	if err != nil {
		return fmt.Errorf("cannot upgrade: %w; the daemon runs on as it was", err)
	}
	if len(plan.Otherwise) > 0 {
		return fmt.Errorf("cannot upgrade: %s (version %s) would not go on with the tree: %s; the daemon runs on as it was",
			binary, plan.Version, strings.Join(plan.Otherwise, "; "))
	}
	if err := p.client().Upgrade(ctx, ipc.UpgradeRequest{Binary: binary}); err != nil {
		return err
	}
	after, err := a.awaitSuccessor(ctx, p, before.Daemon.PID)
	if err != nil {
		return err
	}
	if why := after.Daemon.Upgrade.Error; why != "" {
		return fmt.Errorf("cannot upgrade: %s; the old daemon is back, with pid %d", why, after.Daemon.PID)
	}
	return a.print(fmt.Sprintf("the daemon is %s now, version %s, pid %d; it has adopted %s\n",
		safe(binary), safe(after.Daemon.Version), after.Daemon.PID, counted(len(plan.Adopt), "process", "processes")))
}

// binary is the absolute path of the program to upgrade to.
func (a *app) binary(args []string) (string, error) {
	if len(args) == 1 {
		return a.abs(args[0]), nil
	}
	own, err := os.Executable()
	if err != nil {
		return "", usagef("cannot find out which program this is: %v; name one", err)
	}
	return own, nil
}

// askPlan executes a program to hear what it would do with a tree.
func (a *app) askPlan(p place, binary string) (*supervisor.Plan, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	defer null.Close()
	argv := []string{binary, "upgrade", "--plan", "--state", p.state}
	if p.run == systemPlace().run {
		argv = []string{binary, "upgrade", "--plan", "--socket", p.run + "/" + ipc.SocketName}
	}
	asked, err := os.StartProcess(binary, argv, &os.ProcAttr{
		Dir: a.dir, Env: a.environ, Files: []*os.File{null, w, null}, Sys: &syscall.SysProcAttr{Setpgid: true},
	})
	_ = w.Close() // the program has its own
	if err != nil {
		return nil, fmt.Errorf("cannot execute %s: %w", binary, reason(err))
	}
	err = r.SetReadDeadline(time.Now().Add(planTimeout))
	text, readErr := io.ReadAll(io.LimitReader(r, planBytesMax))
	_ = syscall.Kill(-asked.Pid, syscall.SIGKILL) // it has said what it had to say, or will never
	state, waitErr := asked.Wait()
	switch err = errors.Join(err, readErr, waitErr); {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, fmt.Errorf("%s does not say within %v what it would do; is it coppice?", binary, planTimeout)
	case err != nil:
		return nil, fmt.Errorf("cannot hear %s: %w", binary, err)
	}
	var plan supervisor.Plan
	if json.Unmarshal(text, &plan) != nil || plan.Version == "" {
		return nil, fmt.Errorf("%s does not say what it would do (%s); is it coppice?", binary, state)
	}
	return &plan, nil
}

// reason is why a program could not be executed, without the words of Go.
func reason(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err
	}
	return err
}

// awaitSuccessor waits for the answer of another daemon than the present one.
func (a *app) awaitSuccessor(ctx context.Context, p place, pid int) (*ipc.Tree, error) {
	ctx, cancel := context.WithTimeout(ctx, changeTimeout)
	defer cancel()
	for {
		t, err := p.client().Tree(ctx, false)
		// The keeper tells the successor how it went a moment after it serves.
		if err == nil && t.Daemon.PID != pid && t.Daemon.Upgrade != nil {
			return t, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("cannot reach the next daemon within %v; `coppice status` tells whether there is one", changeTimeout)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
