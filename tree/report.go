package tree

// Kind says what a Report tells. The values are the event record's own words.
type Kind string

// The kinds of reports that the core makes. Each is told with the report that
// caused it, so that a chain of them explains a state.
const (
	DaemonStarted   Kind = "daemon_started"
	DaemonStopping  Kind = "daemon_stopping"
	ReqMade         Kind = "requested"     // an operator asked; Request has the verb
	StartBegun      Kind = "starting"      // a start was asked for
	StartDone       Kind = "started"       // the start is complete; PID is set for a process
	StartFailure    Kind = "start_failed"  // Cause, and Exit where a process had ended
	BecameReady     Kind = "ready"         // readiness was reported; started follows
	StillStarting   Kind = "not_ready"     // Cause says what keeps a process from being ready
	BecameHealthy   Kind = "healthy"       // enough checks have succeeded
	BecameUnhealthy Kind = "unhealthy"     // too many have failed, Cause; stopping follows
	ExitSeen        Kind = "exited"        // an end nobody asked for
	StopBegun       Kind = "stopping"      // a stop was asked for
	StopDone        Kind = "stopped"       // it is gone; Exit is set for a process
	RestartBegun    Kind = "restarting"    // the limit allows this restart
	BackoffBegun    Kind = "backoff"       // the restart waits for Delay
	GaveUp          Kind = "gave_up"       // Node exceeded Limit when Child was to be restarted
	ChildAdded      Kind = "added"         // a change of the tree added it
	ChildRemoved    Kind = "removed"       // … removed it
	ChildChanged    Kind = "changed"       // … changed its spec
	ChildAdopted    Kind = "adopted"       // another runtime watches it now; PID is set
	OutputDropped   Kind = "log_dropped"   // Bytes of its output were thrown away
	OOMKilled       Kind = "oom_killed"    // the kernel killed a process of it, for memory had run out
	CannotBeKilled  Kind = "unkillable"    // something of it cannot be killed: Cause
	Frozen          Kind = "frozen"        // it does not run any more
	Thawed          Kind = "thawed"        // it runs again
	Reloaded        Kind = "reloaded"      // it was asked to read its configuration again
	ReloadFailed    Kind = "reload_failed" // … in vain; Cause says why
	HookFailed      Kind = "hook_failed"   // the command after its end failed; Cause says how
)

// Report is one line of the event record: what happened, to what, and which
// earlier report caused it.
type Report struct {
	// Seq numbers the reports of a tree from Options.Seq + 1 without gaps.
	Seq uint64
	// Because is the Seq of the report that caused this one, 0 at a root cause.
	Because uint64
	Kind    Kind
	Node    string
	// PID is set where a process is meant.
	PID int
	// Exit is set where an end is told.
	Exit *Exit
	// Request is the verb of a request and of daemon_stopping.
	Request string
	// Child is the child whose restart exceeded the limit, for gave_up; the
	// significant child whose end began an automatic shutdown, for stopping.
	Child string
	// Cause says in words why a start failed, was put off or is not complete, what is
	// unhealthy, what is left of one that cannot be killed, or why a hook or a reload
	// failed.
	Cause string
	// Strategy is what the child's OnExit chose, for restarting; empty: its
	// supervisor's own.
	Strategy string
	// Delay is the length of a backoff.
	Delay Time
	// Bytes is how much output was thrown away, for log_dropped.
	Bytes int64
	// Limit is the exceeded limit, for gave_up.
	Limit *Flags
}
