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
	done := make(chan error, 1) // do may end after nobody listens any more
	go func() { done <- do() }()
	select {
	case err := <-done:
		return err
	case <-time.After(patience):
	}
	if text := what(); text != "" {
		a.note("%s; waiting", text)
	}
	return <-done
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
// no process below says more.
func busyWith(t *ipc.Tree, now time.Time) string {
	const shownMax = 3
	var busy []string
	more := 0
	eachNode(&t.Root, func(n *ipc.Node) {
		if !isMoving(n) || hasMoving(n.Children) {
			return
		}
		if len(busy) == shownMax {
			more++
			return
		}
		busy = append(busy, busyNode(n, now))
	})
	if more > 0 {
		busy = append(busy, fmt.Sprintf("%d more", more))
	}
	return strings.Join(busy, ", ")
}

func isMoving(n *ipc.Node) bool {
	return n.State == string(tree.Starting) || n.State == string(tree.Stopping)
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
