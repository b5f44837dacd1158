package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"coppice/ipc"
	"coppice/supervisor"
)

// daemonLog is where a detached daemon's own words go, in the state folder.
const daemonLog = supervisor.OwnLog

// upDetached returns when the tree is started, whoever started it.
func (a *app) upDetached(ctx context.Context, watch bool) error {
	file, p, err := a.home()
	if err != nil {
		return err
	}
	for {
		err := a.upOnce(ctx, p, file, watch)
		if !errors.Is(err, ipc.ErrNoDaemon) && !errors.Is(err, ipc.ErrDaemonGone) {
			return err
		}
	}
}

// upOnce does what the moment asks for. ErrNoDaemon: another daemon has just
// gone, or come; it is to be asked again.
func (a *app) upOnce(ctx context.Context, p place, file string, watch bool) error {
	t, err := a.askTree(ctx, p, false)
	switch {
	case errors.Is(err, ipc.ErrNoDaemon):
		err = a.upFresh(ctx, p, file, watch)
		if held, ok := errors.AsType[*ipc.HeldError](err); ok {
			return cmp.Or(a.awaitTurn(ctx, p, held.PID), ipc.ErrNoDaemon)
		}
		return err
	case ipc.HasEnded(err):
		return cmp.Or(a.awaitEnds(ctx, p, ends{}), ipc.ErrNoDaemon)
	case err != nil:
		return err
	case t.Daemon.Stopping:
		return cmp.Or(a.awaitEnd(ctx, p, t), ipc.ErrNoDaemon)
	default:
		return a.upRunning(ctx, p, t, file)
	}
}

// upRunning waits until a running tree is started.
func (a *app) upRunning(ctx context.Context, p place, t *ipc.Tree, file string) error {
	if err := a.another(t); err != nil {
		return err
	}
	err := a.patiently(func() error { return p.client().Started(ctx) }, a.unfinished(ctx, p))
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%s runs already, its daemon is pid %d\n", safe(t.Name), t.Daemon.PID)
	if source, err := os.ReadFile(file); err == nil && ipc.Digest(source) != t.Daemon.Digest {
		if loaded := t.Daemon.File; loaded == "" || isSameFile(file, loaded) {
			text += "the tree file differs from what runs; `coppice reload` takes it over\n"
		} else {
			text += fmt.Sprintf("what runs was loaded from %s; `coppice reload -f %s` takes over this one\n", safe(loaded), safe(file))
		}
	}
	return a.print(text)
}

// upFresh starts a daemon and waits for its report. A tree file that is wrong
// matters only if there is no tree to go on with, which the daemon finds out.
func (a *app) upFresh(ctx context.Context, p place, file string, watch bool) error {
	config, wrong := a.loadFile(file)
	if wrong != nil && !hasJournal(p) {
		return wrong
	}
	daemon, pipe, err := a.launch(p, file, watch)
	if err != nil {
		return fmt.Errorf("cannot start the daemon: %w", err)
	}
	defer pipe.Close()
	var line string
	err = a.patiently(func() (err error) {
		line, err = bufio.NewReader(pipe).ReadString('\n')
		return err
	}, a.unfinished(ctx, p))
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("cannot hear of the daemon: %w", err)
	}
	word, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
	switch {
	case word == reportStarted && wrong == nil:
		return a.tellUp(ctx, p, config.Name, rest)
	case word == reportStarted:
		a.note("%s is wrong and was not needed: the tree runs as it was loaded before", file)
		return a.print(fmt.Sprintf("the tree is up, its daemon is pid %s\n", safe(rest)))
	case word == "" && a.answers(ctx, p):
		return ipc.ErrNoDaemon // the first daemon was killed, and another one goes on: ask that
	}
	_, _ = daemon.Wait() // it ends by itself; its exit code says less than its report
	switch {
	case word == reportEnded:
		return ipc.ErrNoDaemon // now there is nothing left of the old tree
	case word == reportHeld:
		pid, _ := strconv.Atoi(rest) // 0: it is not known
		return &ipc.HeldError{Dir: p.run, PID: pid}
	case word == reportFailed && wrong != nil:
		return wrong
	case word == reportFailed:
		return &ipc.Error{Code: ipc.CodeRefused, Title: rest}
	default:
		return fmt.Errorf("the daemon ended before the tree was started; see %s", filepath.Join(p.state, daemonLog))
	}
}

// tellUp says that the tree is up. What runs may have been loaded from another file:
// where an earlier daemon was killed its processes go on.
func (a *app) tellUp(ctx context.Context, p place, name, pid string) error {
	if t, err := p.client().Tree(ctx, false); err == nil {
		if err := a.another(t); err != nil {
			return err
		}
		name = t.Name
	}
	return a.print(fmt.Sprintf("%s is up, its daemon is pid %s\n", safe(name), safe(pid)))
}

// hasJournal says whether there may be a tree to go on with.
func hasJournal(p place) bool {
	_, err := os.Lstat(filepath.Join(p.state, "journal"))
	return err == nil
}

// answers says whether a daemon answers.
func (a *app) answers(ctx context.Context, p place) bool {
	_, err := a.askTree(ctx, p, false)
	return err == nil
}

// launch executes this program again as a daemon of its own session, with the
// read end of the pipe on which it reports.
func (a *app) launch(p place, file string, watch bool) (*os.Process, *os.File, error) {
	log, err := openDaemonLog(p.state)
	if err != nil {
		return nil, nil, err
	}
	defer log.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, nil, err
	}
	defer null.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer w.Close()
	argv := []string{"coppice", "daemon", "--file", file}
	if p != systemPlace() {
		argv = append(argv, "--state", p.state)
	}
	if watch {
		argv = append(argv, "--watch")
	}
	// Whoever waits for the end of a pipe that its shell has open would wait for ever,
	// were that passed on. What this call cannot do (before Linux 5.11) is not missed.
	_ = unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC)
	process, err := os.StartProcess("/proc/self/exe", argv, &os.ProcAttr{
		Dir: a.dir, Env: append(slices.Clip(a.environ), reportVariable+"=3"), Files: []*os.File{null, log, log, w},
		Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = errors.New("cannot start a daemon in the background: /proc is not mounted; `coppice daemon` in the foreground does without it")
	}
	if err != nil {
		return nil, nil, errors.Join(err, r.Close())
	}
	return process, r, nil
}

func openDaemonLog(stateDir string) (*os.File, error) {
	if err := ipc.MakeFolder(stateDir); err != nil {
		return nil, err
	}
	return os.OpenFile(filepath.Join(stateDir, daemonLog), os.O_WRONLY|os.O_APPEND|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
}

// turnMax is how long a daemon that has the state folder may take until its socket
// is there.
const turnMax = 10 * time.Second

// awaitTurn waits while a daemon has the state folder but does not answer: it is
// about to, or about to be gone.
func (a *app) awaitTurn(ctx context.Context, p place, pid int) error {
	return a.patiently(func() error {
		for began := time.Now(); isAlive(pid); {
			if _, err := p.client().Tree(ctx, false); !errors.Is(err, ipc.ErrNoDaemon) {
				return err
			}
			if time.Since(began) > turnMax {
				return &ipc.Error{Code: ipc.CodeRefused, Title: fmt.Sprintf(
					"the tree runs, its daemon is pid %d, but there is no socket in %s: somebody has removed it; `kill -KILL %d` has it made again and touches no process",
					pid, p.run, pid)}
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(20 * time.Millisecond):
			}
		}
		return nil
	}, func() string { return fmt.Sprintf("the daemon with pid %d does not answer yet", pid) })
}
