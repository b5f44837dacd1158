package ipc

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// Backend is what the daemon's runtime offers to the socket. Every method may
// be called by many goroutines at once. A refusal is an *Error; anything else
// that goes wrong is told as an internal fault.
type Backend interface {
	// Tree is the state of the whole tree; with usage, running processes carry
	// CPU and memory.
	Tree(ctx context.Context, usage bool) (*Tree, error)
	// Trunk is the tree without what is below the root: whose it is, and who answers.
	Trunk(ctx context.Context) (*Tree, error)
	// Do carries out one verb on one node and returns when the work is done. A
	// client that goes away (ctx) only loses the answer. With NoWait it returns
	// once the request is taken.
	Do(ctx context.Context, cmd Command) (*Result, error)
	// StartChild adds a child of a template and returns when its start is complete,
	// with NoWait once the request is taken.
	StartChild(ctx context.Context, req ChildRequest) (*Result, error)
	// Reload reads the tree file again and changes what differs.
	Reload(ctx context.Context, req ReloadRequest) (*ReloadResult, error)
	// Down stops the tree; it returns when nothing of it is left. The daemon
	// ends after it.
	Down(ctx context.Context) error
	// Events calls emit for every event with Seq above since, oldest first; with
	// follow it goes on with new ones until ctx is done, the daemon ends or emit
	// fails.
	Events(ctx context.Context, since uint64, follow bool, emit func(Event) error) error
	// Logs calls emit for every captured chunk of output the query selects,
	// merged in time order; with Follow it goes on like Events.
	Logs(ctx context.Context, q LogQuery, emit func(LogLine) error) error
	// Started returns when the tree's start is complete, or why it failed.
	Started(ctx context.Context) error
	// Upgrade lets another program be the next daemon. It returns once the
	// present one is about to go; Daemon.Upgrade of its successor tells the rest.
	Upgrade(ctx context.Context, req UpgradeRequest) error
	// Leave ends daemon and keeper and touches nothing else: whoever calls it
	// takes the tree over. Refused unless the tree is Unattended.
	Leave(ctx context.Context) error
}

// Tree is the answer of GET /v1/tree.
type Tree struct {
	Name   string `json:"name"`
	Daemon Daemon `json:"daemon"`
	Root   Node   `json:"root"`
}

// Daemon tells who answers.
type Daemon struct {
	PID    int `json:"pid"`
	Keeper int `json:"keeper,omitempty"` // absent where there is none
	// PIDNamespace is the number of the pid namespace that PID and Keeper, and all
	// other pids of the tree, are of; absent where it is not known. In another one
	// they are nobody's, or somebody else's.
	PIDNamespace uint64    `json:"pid_namespace,omitempty"`
	Version      string    `json:"version"`
	StartedAt    time.Time `json:"started_at"`
	// File is the tree file that was loaded last, absolute; Digest its SHA-256
	// in hexadecimal.
	File   string `json:"file"`
	Digest string `json:"digest"`
	// Cgroup is the folder of the cgroups of the tree's processes. Where there are
	// none NoCgroup says why: then they are held by their process groups, and whoever
	// leaves those is looked for.
	Cgroup   string `json:"cgroup,omitempty"`
	NoCgroup string `json:"no_cgroup,omitempty"`
	// Stopping says that the tree is being stopped.
	Stopping bool `json:"stopping,omitempty"`
	// Unattended says that who waited for the keeper waits no more: it was killed,
	// and the tree is kept by another process. Whoever wants to wait for the tree
	// may take it over.
	Unattended bool `json:"unattended,omitempty"`
	// Upgrade is how the last upgrade went, until the next daemon.
	Upgrade *UpgradeResult `json:"upgrade,omitempty"`
}

// UpgradeRequest is the body of POST /v1/upgrade.
type UpgradeRequest struct {
	// Binary is the absolute path of the program that is to be the next daemon.
	Binary string `json:"binary"`
}

// UpgradeResult tells how an upgrade went.
type UpgradeResult struct {
	// Error says why the old program runs on; empty: the new one runs.
	Error string `json:"error,omitempty"`
}

// Digest is how Daemon tells a tree file's content.
func Digest(source []byte) string {
	sum := sha256.Sum256(source)
	return hex.EncodeToString(sum[:])
}

// Node is one supervisor or process.
type Node struct {
	Name  string `json:"name"`
	Kind  string `json:"kind"`  // supervisor | process
	State string `json:"state"` // tree.State
	// Held says that an operator stopped it: the next sweep over it starts it.
	Held bool `json:"held,omitempty"`
	// Adopted says that its process was started by an earlier daemon.
	Adopted bool `json:"adopted,omitempty"`

	// Of a supervisor.
	Strategy     string `json:"strategy,omitempty"`
	Intensity    any    `json:"intensity,omitempty"` // a number or "infinity"
	Period       string `json:"period,omitempty"`
	AutoShutdown string `json:"auto_shutdown,omitempty"`
	// MaxChildren is how many children of a template it may have; absent: no limit.
	MaxChildren int `json:"max_children,omitempty"`

	// Of a process that runs.
	PID int `json:"pid,omitempty"`
	// CPUPercent is of one core, CPUSeconds since its start, Memory resident
	// bytes; all of the process's whole session. Of a process that has not run the
	// memory may be 5 s old, and others of the session than its leader may be missing
	// in their first second.
	CPUPercent *float64 `json:"cpu_percent,omitempty"`
	CPUSeconds *float64 `json:"cpu_seconds,omitempty"`
	Memory     *uint64  `json:"memory,omitempty"`

	// Of a child.
	Restart     string `json:"restart,omitempty"`
	Significant bool   `json:"significant,omitempty"`
	// Ready says when the start of a process is complete, in the tree file's
	// words: exec, exit, notify, fd or the kind of a probe. Absent: its daemon does
	// not tell.
	Ready string `json:"ready,omitempty"`
	// Check is the kind of probe by which its health is checked, or "watchdog" where
	// its own word is all. Absent: it is not.
	Check string `json:"check,omitempty"`
	// Health is "healthy" or "unhealthy"; absent while that is not known.
	Health string `json:"health,omitempty"`
	// Status is the line that it says of itself (sd_notify), Phase what it says that
	// it is at: "reloading" or "stopping". MainPID is the process that it calls its
	// main one, one of its own.
	Status  string `json:"status,omitempty"`
	Phase   string `json:"phase,omitempty"`
	MainPID int    `json:"main_pid,omitempty"`
	// FDStore is how many descriptors it has left for its next incarnation (sd_notify).
	FDStore int `json:"fd_store,omitempty"`
	// Trouble is what keeps it from being ready, what its last check found wrong, or
	// what is left of it that cannot be killed, in one line for a person.
	Trouble string `json:"trouble,omitempty"`
	// Dynamic says that it was made of a template; Args is what start-child gave it
	// behind the template's command, or as its command.
	Dynamic bool     `json:"dynamic,omitempty"`
	Args    []string `json:"args,omitempty"`

	Restarts int       `json:"restarts"`
	Since    time.Time `json:"since"`
	// Until is when a backoff or a time limit of its start or stop ends.
	Until    *time.Time `json:"until,omitempty"`
	LastExit *LastExit  `json:"last_exit,omitempty"`
	// Waits says in words what a backoff waits for that is not the process's own
	// delay: "cannot execute …: no more processes are allowed"; what the supervisor of one
	// that is restarting is busy with: "the start of web"; and what a supervisor waits for:
	// "the end of db, which cannot be killed".
	Waits string `json:"waits_for,omitempty"`
	// Place is where it stands in the queue that the tree's restart_rate makes, from
	// 1; Until is then when its turn comes if nobody leaves the queue.
	Place int `json:"place,omitempty"`
	// Cause is the seq of the event behind State.
	Cause    uint64 `json:"cause,omitempty"`
	Children []Node `json:"children,omitzero"`
}

// Each calls visit for the node and all below it, in start order.
func (n *Node) Each(visit func(*Node)) {
	visit(n)
	for i := range n.Children {
		n.Children[i].Each(visit)
	}
}

// LastExit is the last end of a process.
type LastExit struct {
	Code   *int      `json:"code"`   // null when a signal ended it or exec failed
	Signal *string   `json:"signal"` // full name or null
	Reason string    `json:"reason"` // tree.EndReason
	OOM    bool      `json:"oom_killed,omitempty"`
	At     time.Time `json:"at"`
}

// Event is one line of the event record.
type Event struct {
	Seq     uint64    `json:"seq"`
	Time    time.Time `json:"time"`
	Node    string    `json:"node"`
	Kind    string    `json:"kind"` // tree.Kind
	PID     int       `json:"pid,omitempty"`
	Code    *int      `json:"code"`
	Signal  *string   `json:"signal"`
	Because uint64    `json:"because,omitempty"`
	// Request is the verb of requested and daemon_stopping.
	Request string `json:"request,omitempty"`
	// Child is the child over which a supervisor gave up or shut down.
	Child string `json:"child,omitempty"`
	// Cause says in words why a start failed, was put off or is not complete, and why
	// a process is unhealthy.
	Cause string `json:"cause,omitempty"`
	// Strategy is what the end chose by its on_exit, of restarting.
	Strategy string `json:"strategy,omitempty"`
	// Delay is the length of a backoff.
	Delay string `json:"delay,omitempty"`
	// Lost says that it has ended and nobody saw how.
	Lost bool `json:"lost,omitempty"`
	// OOM says that memory had run out: the kernel had killed a process of it.
	OOM bool `json:"oom_killed,omitempty"`
	// Bytes is how much output was thrown away, of log_dropped.
	Bytes int64 `json:"bytes,omitempty"`
	// Intensity and Period are the limit that was exceeded.
	Intensity *int   `json:"intensity,omitempty"`
	Period    string `json:"period,omitempty"`
}

// Command is one verb on one node.
type Command struct {
	Verb   string // start | stop | restart | reload | freeze | thaw | kill | delete
	Node   string
	Signal string // kill: full name, default SIGTERM
	All    bool   // kill: the whole group
	NoWait bool
}

// Result is the answer to a Command.
type Result struct {
	// Already says that nothing had to be done.
	Already bool `json:"already,omitempty"`
	// Message is one line for a person: "db runs already (pid 4712)".
	Message string `json:"message"`
	// PID is that of a child that StartChild has started.
	PID int `json:"pid,omitempty"`
	// Output is the end of what a reload command wrote, 4 KiB at most.
	Output string `json:"output,omitempty"`
}

// ChildRequest asks for a child of a template.
type ChildRequest struct {
	// Supervisor is the name of the template.
	Supervisor string
	// Name is the child's, one that no other node of the tree has.
	Name string
	// Args come behind the template's command; where it has none they are the
	// command.
	Args []string
	// Env is set over the environment of the template.
	Env    map[string]string
	NoWait bool
}

// ReloadRequest is the body of POST /v1/reload.
type ReloadRequest struct {
	DryRun bool `json:"dry_run,omitempty"`
	// File, absolute, is read instead of the file that was loaded last.
	File string `json:"file,omitempty"`
}

// ReloadResult is the answer of POST /v1/reload.
type ReloadResult struct {
	DryRun  bool     `json:"dry_run,omitempty"`
	Changes []Change `json:"changes"`
}

// Change is one difference between the running tree and the file.
type Change struct {
	Kind       string   `json:"kind"` // tree.ChangeKind
	Name       string   `json:"name"`
	Type       string   `json:"type"` // supervisor | process | template | tree
	Supervisor string   `json:"supervisor"`
	What       []string `json:"what,omitempty"`  // the settings that differ
	Error      string   `json:"error,omitempty"` // what could not be done, and why
}

// LogQuery selects captured output.
type LogQuery struct {
	Names  []string // empty: all processes
	Last   int      // only the last so many lines; negative: all
	Follow bool
	Raw    bool // one name: every byte as it was written, oldest first
	Stderr bool // with Raw: the second file of a process whose log is split
	// Since selects only lines that arrived then or later; the zero time: all.
	Since time.Time
	// From are the positions (LogLine.At) behind which reading goes on, one for
	// each output. Last goes without them.
	From []string
	// Positions asks for LogLine.At, and for a line that has nothing else, nor a
	// time, for each output that there is, before all others.
	Positions bool
}

// LogLine is one line of captured output; with Raw a chunk of bytes.
type LogLine struct {
	Time time.Time `json:"time,omitzero"`
	Node string    `json:"node"`
	// Stream is "stderr" for the second output of a process whose log is split,
	// else absent.
	Stream string `json:"stream,omitempty"`
	// Incarnation counts the starts of the process: where it changes it was started
	// again. Absent: it is not known.
	Incarnation uint32 `json:"incarnation,omitempty"`
	// Part says that the line has no end here: it goes on in the output's next
	// one, or has none yet.
	Part bool `json:"part,omitempty"`
	// Dropped is how many bytes are missing here, DroppedFiles how many files of
	// unknown length were removed before they were read. A line with one of them
	// has no text.
	Dropped      int64 `json:"dropped,omitempty"`
	DroppedFiles int   `json:"dropped_files,omitempty"`
	// At is the position behind the line: "NAME@FILE:OFFSET", "NAME:err@…" for the
	// second output.
	At string `json:"at,omitempty"`
	// Text is the line without its newline; bytes that are not UTF-8 are
	// replaced. Bytes is the raw chunk; beside Text it is not sent.
	Text  string `json:"text,omitempty"`
	Bytes []byte `json:"bytes,omitempty"`
}
