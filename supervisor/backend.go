package supervisor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"coppice/ipc"
	"coppice/supervisor/logs"
	"coppice/supervisor/process"
	"coppice/supervisor/usage"
	"coppice/tree"
)

// The runtime is the ipc.Backend: every method is called by the goroutines of
// connections, and what it needs of the tree it asks of the loop.

// errEnded is the answer to who asks a daemon that has nothing left to run.
var errEnded = &ipc.Error{Code: ipc.CodeEnded, Title: "the tree has ended, and its daemon with it"}

// errCutShort is the answer to whose request the tree has ended over.
var errCutShort = &ipc.Error{Code: ipc.CodeRefused, Title: errEnded.Title}

// errNotSplit is the answer to who wants one of two outputs where there is one.
var errNotSplit = &ipc.Error{Code: ipc.CodeRefused, Title: "standard error has no log of its own here: it shares that of standard output, or never was written; leave --stderr out"}

// ask has f called by the loop and waits until it was.
func (r *runtime) ask(ctx context.Context, f func()) error {
	heard := make(chan struct{})
	select {
	case r.asked <- func() { f(); close(heard) }:
		return r.heardOrEnded(heard)
	case <-r.done:
		return errEnded
	case <-ctx.Done():
		return ctx.Err()
	}
}

// heardOrEnded waits until the loop has done what it has taken, or has ended over it.
func (r *runtime) heardOrEnded(heard <-chan struct{}) error {
	select {
	case <-heard:
		return nil
	case <-r.done:
	}
	select {
	case <-heard:
		return nil
	default:
		return errEnded
	}
}

// request has the tree do something and waits for its answer; with patient
// false only for an answer that comes at once.
func (r *runtime) request(ctx context.Context, request tree.Request, patient bool) (tree.Reply, bool, error) {
	answer := make(chan tree.Reply, 1)
	err := r.ask(ctx, func() { r.call(request, func(reply tree.Reply) { answer <- reply }) })
	if err != nil {
		return tree.Reply{}, false, err
	}
	return r.await(ctx, answer, patient)
}

// await waits for the tree's answer to a request; with patient false it only looks
// whether it is there.
func (r *runtime) await(ctx context.Context, answer <-chan tree.Reply, patient bool) (tree.Reply, bool, error) {
	if !patient {
		select {
		case reply := <-answer:
			return reply, true, nil
		default:
			return tree.Reply{}, false, nil
		}
	}
	select {
	case reply := <-answer:
		return reply, true, nil
	case <-r.done:
		select {
		case reply := <-answer:
			return reply, true, nil
		default:
			return tree.Reply{}, false, errCutShort
		}
	case <-ctx.Done():
		return tree.Reply{}, false, ctx.Err()
	}
}

// Tree implements ipc.Backend.
func (r *runtime) Tree(ctx context.Context, measured bool) (*ipc.Tree, error) {
	var t *ipc.Tree
	var sample *usage.Sample
	if measured {
		sample = r.meter.Begin()
	}
	err := r.ask(ctx, func() {
		t = &ipc.Tree{Name: r.config.Name, Daemon: r.daemon()}
		status := r.tree.Status()
		viewer{r, r.wall(0)}.fill(&t.Root, &status)
	})
	if err != nil {
		return nil, err
	}
	if measured {
		addUsage(t, sample)
	}
	return t, nil
}

// Trunk implements ipc.Backend.
func (r *runtime) Trunk(ctx context.Context) (*ipc.Tree, error) {
	var t *ipc.Tree
	err := r.ask(ctx, func() {
		t = &ipc.Tree{Name: r.config.Name, Daemon: r.daemon()}
		if root, ok := r.tree.Node(r.config.Spec.ID); ok {
			viewer{r, r.wall(0)}.fill(&t.Root, &root)
			t.Root.Children = nil // not told, which is not none
		}
	})
	return t, err
}

func (r *runtime) daemon() ipc.Daemon {
	return ipc.Daemon{
		PID: os.Getpid(), Keeper: r.keeping.link.Keeper(), PIDNamespace: ipc.PIDNamespace(), Unattended: r.unattended, Upgrade: r.upgraded, Version: r.opts.Version, StartedAt: r.startedAt.UTC(),
		Cgroup: r.cgroups.Path(), NoCgroup: r.noCgroups,
		File: r.config.Path, Digest: ipc.Digest(r.config.Source), Stopping: r.down,
	}
}

// Do implements ipc.Backend.
func (r *runtime) Do(ctx context.Context, cmd ipc.Command) (*ipc.Result, error) {
	var request tree.Request
	bare := false
	switch cmd.Verb {
	case "reload":
		return r.askReload(ctx, cmd)
	case "start":
		request = tree.RestartChild{ID: cmd.Node}
	case "stop":
		request = tree.TerminateChild{ID: cmd.Node}
	case "restart":
		request = tree.CycleChild{ID: cmd.Node}
	case "freeze", "thaw":
		if r.cgroups == nil {
			return nil, refused("cannot %s %s: that takes a cgroup, and there is none: %s", cmd.Verb, cmd.Node, r.noCgroups)
		}
		if err := r.ask(ctx, func() { bare = r.isBare(cmd.Node) }); err != nil {
			return nil, err
		}
		if bare {
			return nil, refused("cannot %s %s: that takes a cgroup, and it was started without one; `coppice restart %s` gives it one", cmd.Verb, cmd.Node, cmd.Node)
		}
		request = tree.FreezeChild{ID: cmd.Node, Thaw: cmd.Verb == "thaw"}
	case "delete":
		var refusal error
		if err := r.ask(ctx, func() { refusal = r.mayDelete(cmd.Node) }); err != nil || refusal != nil {
			return nil, cmp.Or(err, refusal)
		}
		request = tree.DeleteChild{ID: cmd.Node}
	case "kill":
		if _, ok := process.SignalNumber(cmd.Signal); !ok {
			return nil, &ipc.Error{Code: ipc.CodeBadInput, Title: fmt.Sprintf("no signal is named %q; try SIGTERM", cmd.Signal)}
		}
		request = tree.SignalChild{ID: cmd.Node, Signal: cmd.Signal, All: cmd.All}
	default:
		return nil, &ipc.Error{Code: ipc.CodeBadInput, Title: fmt.Sprintf("no verb is named %q", cmd.Verb)}
	}
	reply, answered, err := r.request(ctx, request, !cmd.NoWait)
	if err != nil {
		return nil, err
	}
	if !answered {
		return &ipc.Result{Message: fmt.Sprintf("%s of %s was asked for", cmd.Verb, cmd.Node)}, nil
	}
	var result *ipc.Result
	var refusal error
	if err := r.ask(ctx, func() { result, refusal = r.outcome(cmd, reply) }); err != nil {
		return outcomeAtEnd(cmd, reply)
	}
	return result, refusal
}

// Down implements ipc.Backend.
func (r *runtime) Down(ctx context.Context) error {
	gone, left := make(chan struct{}), ""
	err := r.ask(ctx, func() {
		r.shutdown(tree.ShutdownTree{By: "down"}, func(reply tree.Reply) { left = reply.Cause; close(gone) })
	})
	if err == errEnded {
		return nil
	}
	if err != nil {
		return err
	}
	select {
	case <-gone:
		if left != "" {
			return refused("the tree is down, and something of it is left that cannot be killed: %s", left)
		}
		return nil
	case <-r.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Started implements ipc.Backend.
func (r *runtime) Started(ctx context.Context) error {
	select {
	case <-r.booted:
		if r.bootErr != nil {
			return &ipc.Error{Code: ipc.CodeRefused, Title: r.bootErr.Error()}
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Events implements ipc.Backend.
func (r *runtime) Events(ctx context.Context, since uint64, follow bool, emit func(ipc.Event) error) error {
	return r.record.read(ctx, since, follow, emit)
}

// Logs implements ipc.Backend.
func (r *runtime) Logs(ctx context.Context, q ipc.LogQuery, emit func(ipc.LogLine) error) error {
	var missing error
	err := r.ask(ctx, func() {
		for _, name := range q.Names {
			n, ok := r.tree.Node(name)
			switch {
			case !ok && r.hasLog(name): // of one that the tree has no more
			case !ok:
				missing = r.noNode(name)
			case n.Spec.Type == tree.Supervisor:
				missing = refused("%s is a supervisor and writes nothing; name a process below it", name)
			}
		}
	})
	if err = errors.Join(err, missing); err != nil {
		return err
	}
	if !q.Follow {
		return readLogs(r.opts.Folders.Logs, q, emit)
	}
	query, err := logQuery(q)
	if err != nil {
		return err
	}
	return r.store.Follow(ctx, query, func(l logs.Line) error { return emit(logLine(l, q)) })
}

// ReadLogs reads the captured output in a folder when no daemon runs; it does
// not follow.
func ReadLogs(dir string, q ipc.LogQuery, emit func(ipc.LogLine) error) error {
	for _, name := range q.Names {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return &ipc.Error{Code: ipc.CodeNoNode, Title: fmt.Sprintf("no process named %q has left any output", name)}
		}
	}
	return readLogs(dir, q, emit)
}

func readLogs(dir string, q ipc.LogQuery, emit func(ipc.LogLine) error) error {
	if q.Stderr && !logs.Split(dir, q.Names[0]) {
		return errNotSplit
	}
	query, err := logQuery(q)
	if err != nil {
		return err
	}
	return logs.Read(dir, query, func(l logs.Line) error { return emit(logLine(l, q)) })
}

func logQuery(q ipc.LogQuery) (logs.Query, error) {
	query := logs.Query{
		Names: q.Names, Last: q.Last, Since: q.Since, Raw: q.Raw, Stderr: q.Stderr, Announce: q.Positions,
	}
	for _, text := range q.From {
		at, err := logs.ParsePosition(text)
		if err != nil {
			return query, &ipc.Error{Code: ipc.CodeBadInput, Title: err.Error()}
		}
		query.From = append(query.From, at)
	}
	return query, nil
}

func logLine(l logs.Line, q ipc.LogQuery) ipc.LogLine {
	line := ipc.LogLine{
		Time: l.Time, Node: l.Name, Incarnation: l.Incarnation, Part: l.Part,
		Dropped: l.Dropped, DroppedFiles: l.Files, Bytes: l.Bytes,
	}
	if l.Stderr {
		line.Stream = "stderr"
	}
	if q.Positions && l.Name != "" {
		line.At = l.At.String()
	}
	if !q.Raw {
		line.Text = strings.ToValidUTF8(string(l.Bytes), "\uFFFD")
	}
	return line
}
