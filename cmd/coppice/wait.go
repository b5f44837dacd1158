package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"coppice/ipc"
	"coppice/tree"
)

// goals are what can be waited for.
var goals = []string{"ready", "healthy", "stopped", "exited"}

func (a *app) waitCommand() *cobra.Command {
	w := waiter{app: a, ended: map[string]bool{}, gone: map[string]bool{}}
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "wait NAME... --for ready|healthy|stopped|exited",
		Short: "Waits until nodes are ready, healthy, stopped or have ended",
		Long: `Waits until every named node is

  ready     running; for a process with ready = "exit", done
  healthy   running, and its health check has succeeded
  stopped   not running
  exited    ended at least once since the wait began, or not to run again

and returns 0, or 1 when --timeout passes first.`,
		Args:              wants(1, anyNumber),
		ValidArgsFunction: a.completeNames,
		RunE: runs(func(ctx context.Context, args []string) error {
			if !slices.Contains(goals, w.goal) {
				return usagef("cannot wait for %s; use --for %s", safe(w.goal), strings.Join(goals, ", --for "))
			}
			w.names = args
			return w.within(ctx, timeout)
		}),
	}
	cmd.Flags().StringVar(&w.goal, "for", "ready", "what to wait for: "+strings.Join(goals, ", "))
	cmd.Flags().DurationVar(&timeout, "timeout", 0, "give up after `D`, such as 30s (default: never)")
	// The flag is ours and exists.
	_ = cmd.RegisterFlagCompletionFunc("for", cobra.FixedCompletions(goals, cobra.ShellCompDirectiveNoFileComp))
	return a.showsJSON(cmd)
}

// waiter waits for one goal of some nodes. The event record tells it when to look
// at the tree again.
type waiter struct {
	app   *app
	names []string
	goal  string
	ended map[string]bool // had an end since the wait began
	gone  map[string]bool // left the tree since the wait began
	known bool            // all of them were in the tree when it began
}

// errTimedOut is the cause of a context whose --timeout has passed.
var errTimedOut = errors.New("the timeout has passed")

func (w *waiter) within(ctx context.Context, timeout time.Duration) error {
	p, err := w.app.place()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if timeout > 0 {
		ctx, cancel = context.WithTimeoutCause(ctx, timeout, errTimedOut)
		defer cancel()
	}
	last, err := w.wait(ctx, p.client())
	if err != nil && errors.Is(context.Cause(ctx), errTimedOut) {
		return fmt.Errorf("waited %v in vain: %s", timeout, w.missing(last))
	}
	if err == nil && w.app.json {
		return w.app.document(map[string]any{"for": w.goal, "nodes": w.picked(last)})
	}
	return err
}

// wait returns the tree that is as wanted, else the last one it saw.
func (w *waiter) wait(ctx context.Context, c *ipc.Client) (*ipc.Tree, error) {
	t, err := w.look(ctx, c)
	if err != nil {
		return t, err
	}
	w.known = true
	since := newest(t)
	if err := w.checked(t); err != nil {
		return t, err
	}
	if w.reached(t) {
		return t, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	news := make(chan ipc.Event)
	ended := make(chan error, 1) // so that nobody waits for a wait that is over
	go func() {
		ended <- c.Events(ctx, since, true, func(e ipc.Event) error {
			select {
			case news <- e:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	look := func(ctx context.Context) (*ipc.Tree, error) { return w.look(ctx, c) }
	return w.follow(ctx, look, t, newest(t), news, ended)
}

// look fetches the tree; a name may have been unknown ever, or since a reload.
func (w *waiter) look(ctx context.Context, c *ipc.Client) (*ipc.Tree, error) {
	t, err := c.Tree(ctx, false)
	if err != nil {
		return nil, err
	}
	return t, w.present(t)
}

// present refuses names that a tree has not, unless they have gone as is wanted.
func (w *waiter) present(t *ipc.Tree) error {
	for _, name := range w.names {
		if findNode(t, name) != nil {
			continue
		}
		// The tree may be newer than what was told so far: it was there, so it has gone.
		gone := w.known || w.gone[name] || w.ended[name]
		switch {
		case !gone:
			return noSuchName(name, names(t))
		case w.goal != "exited" && w.goal != "stopped":
			return fmt.Errorf("%s has ended and is in the tree no more; `coppice why %s` tells more", name, name)
		}
	}
	return nil
}

// checked refuses to wait for the health of what nobody asks how it is.
func (w *waiter) checked(t *ipc.Tree) error {
	if w.goal != "healthy" {
		return nil
	}
	for _, n := range w.picked(t) {
		if n.Check == "" {
			return fmt.Errorf("the health of %s is not checked, so it is never healthy; give it `health` in the tree file, or wait --for ready", n.Name)
		}
	}
	return nil
}

// follow looks at the tree after each piece of news about the nodes.
func (w *waiter) follow(ctx context.Context, look func(context.Context) (*ipc.Tree, error), t *ipc.Tree, began uint64, news <-chan ipc.Event, ended <-chan error) (*ipc.Tree, error) {
	for {
		select {
		case e := <-news:
			if !slices.Contains(w.names, e.Node) {
				continue
			}
			w.learn(e, began)
			now, err := look(ctx)
			if daemonEnded(err) {
				continue // the rest of the events says how it went
			}
			if err != nil {
				return t, err
			}
			if t = now; w.reached(t) {
				return t, nil
			}
		case err := <-ended:
			if err == nil {
				err = ipc.ErrDaemonGone
			}
			if daemonEnded(err) && w.allEnded() {
				return t, nil
			}
			return t, err
		}
	}
}

func daemonEnded(err error) bool {
	return errors.Is(err, ipc.ErrDaemonGone) || hasNoTree(err)
}

// allEnded says that the tree has ended and that this is what was waited for: all
// nodes were told to have ended before it did. A daemon that was killed tells
// nothing of the kind.
func (w *waiter) allEnded() bool {
	if w.goal != "exited" && w.goal != "stopped" {
		return false
	}
	return !slices.ContainsFunc(w.names, func(name string) bool { return !w.ended[name] && !w.gone[name] })
}

// newest is the number of the newest event that the tree's states know.
func newest(t *ipc.Tree) uint64 {
	var seq uint64
	t.Root.Each(func(n *ipc.Node) { seq = max(seq, n.Cause) })
	return seq
}

// learn notes what the tree does not tell: ends.
func (w *waiter) learn(e ipc.Event, began uint64) {
	switch tree.Kind(e.Kind) {
	case tree.ChildRemoved:
		w.gone[e.Node] = e.Seq > began
	case tree.ExitSeen, tree.StopDone, tree.StartFailure:
		w.ended[e.Node] = w.ended[e.Node] || e.Seq > began
	}
}

func (w *waiter) reached(t *ipc.Tree) bool {
	for _, n := range w.picked(t) {
		if !w.has(n) {
			return false
		}
	}
	return true
}

// has says whether a node is as wanted.
func (w *waiter) has(n *ipc.Node) bool {
	if n == nil {
		return true // it has ended and is gone, and look takes that for what is wanted
	}
	state := tree.State(n.State)
	switch w.goal {
	case "ready":
		return state == tree.Up || state == tree.Finished && (n.Ready == "exit" || n.Ready == "")
	case "healthy":
		return state == tree.Up && n.Health == string(tree.Healthy)
	case "stopped":
		return state != tree.Up && state != tree.Starting && state != tree.Stopping
	default:
		return w.ended[n.Name] || state == tree.Finished || state == tree.Stopped || state == tree.Failed
	}
}

// picked are the named nodes of a tree, nil where it has one no more.
func (w *waiter) picked(t *ipc.Tree) []*ipc.Node {
	nodes := make([]*ipc.Node, len(w.names))
	for i, name := range w.names {
		nodes[i] = findNode(t, name)
	}
	return nodes
}

// missing says which nodes are not as wanted.
func (w *waiter) missing(t *ipc.Tree) string {
	if t == nil {
		return "the daemon did not answer"
	}
	var texts []string
	for _, n := range w.picked(t) {
		if !w.has(n) {
			texts = append(texts, n.Name+" is "+n.State)
		}
	}
	text := strings.Join(texts, ", ") + ", not " + w.goal
	if len(texts) > 0 && w.goal != "stopped" {
		text += "; `coppice why " + w.names[0] + "` tells more"
	}
	return text
}
