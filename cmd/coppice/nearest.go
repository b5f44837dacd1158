package main

import (
	"fmt"
	"strings"

	"coppice/ipc"
)

// names lists the names of a tree in start order, supervisors before their
// children.
func names(t *ipc.Tree) []string {
	var all []string
	t.Root.Each(func(n *ipc.Node) { all = append(all, n.Name) })
	return all
}

// noSuchName is the refusal of a name that is in no tree, with the one that was
// probably meant.
func noSuchName(name string, known []string) error {
	text := "there is no " + safe(name) + " in this tree"
	if meant := nearest(name, known); meant != "" {
		text += fmt.Sprintf("; did you mean %s?", safe(meant))
	} else if len(known) > 0 {
		text += "; `coppice status` lists the names"
	}
	return &ipc.Error{Code: ipc.CodeNoNode, Title: text}
}

// nearest is the known name that is closest to the wanted one; "" when none is
// close enough to have been meant.
func nearest(wanted string, known []string) string {
	best, found := 1+min(3, max(1, len(wanted)/3)), ""
	for _, name := range known {
		if d := distance(strings.ToLower(wanted), strings.ToLower(name)); d < best {
			best, found = d, name
		}
	}
	return found
}

// distance counts the letters to add, drop or change to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := corner
			if a[i] != b[j] {
				change++
			}
			corner = row[j+1]
			row[j+1] = min(change, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
