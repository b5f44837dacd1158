package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// job is what a peer is given to supervise in one life.
type job struct {
	// dir is a folder on tmpfs for this life alone: configuration, state, sockets and
	// logs. It is empty at first and removed after the life. Its path is short enough for sockets.
	dir string
	// children in the order in which they are to be started, if the peer has one.
	children []child
	// young says that the children exit with 1 by their first instructions.
	young bool
	// output is how what children write is kept; nil: it goes to /dev/null if the peer lets
	// children have that, else to wherever costs it least.
	output *output
}

// child is one program to supervise, with no shell around it.
type child struct {
	name string   // one word of letters and digits: c0, c1, …
	argv []string // argv[0] is absolute; no word has a space, a quote or any other special character
}

// output asks for captured output: from a pipe of the supervisor's or its logger's, into files that are
// rotated at size. Where a peer cannot rotate, one file does.
type output struct {
	size int64 // bytes of a full file
	keep int   // files to keep; so many hold all that the job writes
}

// mark is the variable that says of a process which life it belongs to.
const mark = "SUPERVISION_BENCH"

// environ is the environment for everything that a peer starts: this process's own, and the
// mark by which leftovers are found at the end of a life.
func (j job) environ() []string { return append(os.Environ(), mark+"="+j.dir) }

// crowd are n children of one program, which find each other's records in stamps.
func crowd(n int, program, stamps string, more ...string) []child {
	all := make([]child, n)
	for i := range all {
		id := strconv.Itoa(i)
		all[i] = child{name: "c" + id, argv: append([]string{program, stamps, id}, more...)}
	}
	return all
}

// lines is the job as the floors read it: one child a line, words by spaces.
func (j job) lines() string {
	var b strings.Builder
	for _, c := range j.children {
		b.WriteString(strings.Join(c.argv, " ") + "\n")
	}
	return b.String()
}

// path is a file in the job's folder.
func (j job) path(name string) string { return filepath.Join(j.dir, name) }
