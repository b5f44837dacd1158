package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"coppice/ipc"
	"coppice/tree"
)

// patience is how long a command waits before it says what it waits for.
const patience = time.Second

// patiently calls do and, when it takes long, says once what it waits for.
func (a *app) patiently(do func() error, what func() string) error {
	said := make(chan struct{})
	saying := time.AfterFunc(patience, func() {
		defer close(said)
		if text := what(); text != "" {
			a.note("%s; waiting", text)
		}
	})
	err := do()
	if !saying.Stop() {
		<-said
	}
	return err
}

// unfinished says what the tree is busy with: the reason why an answer takes
// long.
func (a *app) unfinished(ctx context.Context, p place) func() string {
	return func() string {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		t, err := p.client().Tree(ctx, false)
		if err != nil {
			return "the daemon has not answered yet"
		}
		if text := busyWith(t, a.now()); text != "" {
			return text
		}
		return "the daemon is at work"
	}
}

// busyWith lists the nodes that are starting or stopping, supervisors only when
// no process below says more; those that cannot be killed come first.
func busyWith(t *ipc.Tree, now time.Time) string {
	const shownMax = 3
	var stuck, busy []string
	t.Root.Each(func(n *ipc.Node) {
		switch {
		case !isMoving(n) || hasMoving(n.Children):
		case n.State == string(tree.IsUnkillable):
			stuck = append(stuck, fmt.Sprintf("%s cannot be killed (%s)", n.Name, n.Trouble))
		default:
			busy = append(busy, busyNode(n, now))
		}
	})
	busy = append(stuck, busy...)
	if more := len(busy) - shownMax; more > 0 {
		busy = append(busy[:shownMax], fmt.Sprintf("%d more", more))
	}
	return strings.Join(busy, ", ")
}

func isMoving(n *ipc.Node) bool {
	switch tree.State(n.State) {
	case tree.Starting, tree.Stopping, tree.IsUnkillable:
		return true
	}
	return false
}

func hasMoving(nodes []ipc.Node) bool {
	for i := range nodes {
		if isMoving(&nodes[i]) || hasMoving(nodes[i].Children) {
			return true
		}
	}
	return false
}

func busyNode(n *ipc.Node, now time.Time) string {
	text := fmt.Sprintf("%s is %s since %s", n.Name, n.State, ago(now, n.Since))
	if n.Until == nil {
		return text
	}
	limit := "gives up in "
	if n.State == string(tree.Stopping) {
		limit = "is killed in "
	}
	return text + " and " + limit + span(n.Until.Sub(now).Round(time.Second))
}
