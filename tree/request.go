package tree

// Request is what an operator may ask of a tree. The set is closed.
type Request interface{ request() }

// TerminateChild stops one child, a supervisor with its whole subtree: no
// sweep, no count, no automatic shutdown (supervisor:terminate_child/2). A
// child that does not run is stopped already; a pending retry is cancelled.
type TerminateChild struct {
	// Supervisor is asked, as in OTP; empty asks the one that has the child.
	Supervisor string
	ID         string
	// Generation, when set, limits the call to the child whose last process had
	// it (OTP's pid of a dynamic child): a stale one is answered as done and
	// nothing happens.
	Generation Generation
}

// RestartChild starts a child that does not run, in its place: no sweep, no
// count, no retry (supervisor:restart_child/2).
type RestartChild struct{ Supervisor, ID string }

// CycleChild stops a child and starts it again, as one request: both calls
// above with nothing between them. A temporary child stays known.
type CycleChild struct {
	ID string
	// By says who asked, for the event record, when it was no operator: "watch".
	By string
}

// ReloadChild asks a process that is up to read its configuration again. It is
// answered by its ReloadDone; where the runtime dies before that, by nothing.
type ReloadChild struct{ ID string }

// DeleteChild forgets a child that does not run (supervisor:delete_child/2). An
// instance of a template is stopped first: OTP, where it has no name, refuses.
type DeleteChild struct{ Supervisor, ID string }

// StartChild adds a child as the last one of a supervisor and starts it; if
// that fails it is not added (supervisor:start_child/2). Under SimpleOneForOne
// the template is used, and of Spec only ID and Extra.
type StartChild struct {
	Supervisor string
	Spec       ChildSpec
}

// SignalChild sends a signal to a running process and changes nothing else:
// what follows is an end nobody asked for.
type SignalChild struct {
	ID     string
	Signal string // full name
	All    bool   // the whole group, not the main process alone
}

// FreezeChild stops a running process from running, or lets it run again. One that is
// still starting is not running yet, and is refused.
type FreezeChild struct {
	ID   string
	Thaw bool
}

// ChangeSupervisor replaces the flags and children's specs of one running
// supervisor and touches no process (supervisor's code_change/3): children that
// the list lacks are kept behind it, new ones are not started.
type ChangeSupervisor struct {
	ID       string
	Flags    Flags
	Children []ChildSpec
}

// Apply changes the whole tree to a new spec, supervisor by supervisor, top
// down: removed children are stopped in reverse order and forgotten; flags,
// order and specs are replaced; new children are started in order; then running
// processes whose Start or Ready differ are stopped and started in list order.
// Nothing counts against an intensity, and a start that fails leaves that child
// stopped. Instances of a template go on as they are; a name that one of them has
// is refused, AlreadyPresent with the name as Cause, before anything changes; so is
// a change that would have to wait for what cannot be killed, Unkillable. Where that is
// found on the way the answer is Unkillable with the Changes, and what is left of them is
// done when it has ended. The
// spec must have passed Check.
type Apply struct{ Spec ChildSpec }

// ShutdownTree ends the root in order, as its parent's stop request would. It
// overtakes starts that are not complete. Kill ends it without order or grace;
// it may follow an earlier ShutdownTree.
type ShutdownTree struct {
	Kill bool
	// By says who asked, for the event record: "down", "SIGTERM".
	By string
}

func (TerminateChild) request()   {}
func (RestartChild) request()     {}
func (CycleChild) request()       {}
func (DeleteChild) request()      {}
func (StartChild) request()       {}
func (SignalChild) request()      {}
func (FreezeChild) request()      {}
func (ReloadChild) request()      {}
func (ChangeSupervisor) request() {}
func (Apply) request()            {}
func (ShutdownTree) request()     {}

// Refusal says why a request was refused, in OTP's words where it has one. The
// zero value is no refusal.
type Refusal string

const (
	// NotFound: no supervisor knows a child of that name.
	NotFound Refusal = "not_found"
	// Running: the child runs (restart_child, delete_child).
	Running Refusal = "running"
	// IsRestarting: a failed restart of the child is being retried.
	IsRestarting Refusal = "restarting"
	// AlreadyStarted: a child of that name runs (start_child).
	AlreadyStarted Refusal = "already_started"
	// AlreadyPresent: a child of that name is known and does not run.
	AlreadyPresent Refusal = "already_present"
	// MaxChildren: the supervisor has as many children as it may (start_child).
	MaxChildren Refusal = "max_children"
	// FailedToStart: the child was tried and did not start.
	FailedToStart Refusal = "start_failed"
	// FailedToReload: the process was asked to read its configuration again in vain.
	FailedToReload Refusal = "reload_failed"
	// BadSpec: the child's or the supervisor's spec is invalid.
	BadSpec Refusal = "bad_spec"
	// IsSimple: the call is not for children of a SimpleOneForOne supervisor.
	IsSimple Refusal = "simple_one_for_one"
	// NoProc: the supervisor that would have to do it does not run, or ended
	// before it came to it.
	NoProc Refusal = "noproc"
	// Forgotten: the child was temporary and has ended, so it is forgotten.
	Forgotten Refusal = "finished"
	// IsRoot: the root is no supervisor's child.
	IsRoot Refusal = "root"
	// NotRunning: the process to be signalled or frozen does not run.
	NotRunning Refusal = "not_running"
	// NotProcess: the request is for processes and the name is a supervisor's.
	NotProcess Refusal = "not_a_process"
	// Unkillable: the process was killed and is still there; or its main process has ended
	// and the rest of it cannot be killed.
	Unkillable Refusal = "unkillable"
	// ShuttingDown: the tree is being stopped.
	ShuttingDown Refusal = "shutting_down"
)
