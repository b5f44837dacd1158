package tree

// State is what a node is doing. The values are the words that status shows.
type State string

// The states of a node. OTP's undefined is Stopped, Finished or Failed here,
// its restarting is Restarting or BackingOff, its pid the other three.
const (
	// Stopped: not running, and no end of its own is the reason: an operator's
	// stop, an interrupted sweep, a start by hand that failed.
	Stopped State = "stopped"
	// Starting: the start was asked for and is not complete.
	Starting State = "starting"
	// Up: the start is complete.
	Up State = "running"
	// Stopping: the stop was asked for and something is left of it.
	Stopping State = "stopping"
	// Restarting: a restart failed to start and is tried again.
	Restarting State = "restarting"
	// BackingOff: its restart waits for the backoff to pass.
	BackingOff State = "backoff"
	// Finished: it ended and its restart type keeps it so.
	Finished State = "finished"
	// Failed: a supervisor that gave up and was not restarted, or its child.
	Failed State = "failed"
)

// EndReason says how an incarnation ended; the words are last_exit's.
type EndReason string

// The reasons of an End.
const (
	EndExit        EndReason = "exit"         // it exited by itself
	EndSignal      EndReason = "signal"       // a signal that is not ours killed it
	EndStartFailed EndReason = "start_failed" // it did not start
	EndStopped     EndReason = "stopped"      // it was stopped
)

// End is the last end of a process.
type End struct {
	Reason EndReason
	// Exit is nil when there was no process: exec failed.
	Exit *Exit
	At   Time
}

// Status is a snapshot of one node and of those below it. It shares nothing
// with the tree.
type Status struct {
	Spec  *ChildSpec // read only; Children of a supervisor's spec are the static ones
	State State
	// PID is the main process of a process that runs, else 0.
	PID int
	// Generation is that of the present or last incarnation, 0 before the first.
	Generation Generation
	// Restarts counts the incarnations its supervisor began by itself.
	Restarts int
	// Since is when State was entered.
	Since Time
	// Until is when a backoff, a start timeout or a shutdown timeout ends, else 0.
	Until Time
	// LastEnd is nil before the first end. Processes only.
	LastEnd *End
	// Held says that an operator stopped it: the next sweep over it, or a new
	// incarnation of its supervisor, starts it again.
	Held bool
	// Cause is the Seq of the report behind State.
	Cause    uint64
	Children []Status
}

// Counts is the answer of supervisor:count_children/1.
type Counts struct{ Specs, Active, Supervisors, Workers int }
