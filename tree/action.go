package tree

// Action is what the tree asks of the runtime. The set is closed. Actions are
// carried out in the order in which a Step returns them.
type Action interface{ action() }

// Start asks for a new incarnation of a process. Exactly one of Started,
// StartFailed and StartIgnored answers it.
type Start struct {
	Ref
	Spec *ChildSpec // the runtime reads Start; it must not change it
}

// Stop asks a process's group to end: its stop signal. Exited answers it, at
// once if the process is gone already.
type Stop struct{ Ref }

// Kill ends a process's group: SIGKILL. Exited answers it; where the process has
// ended and the command after its end runs, HookDone does.
type Kill struct{ Ref }

// AfterExit asks for the command that follows the end of a process. HookDone answers
// it. A Kill of the same incarnation that comes before that cuts the command short.
type AfterExit struct {
	Ref
	Spec *ChildSpec // the runtime reads Start; it must not change it
	Exit Exit
	// Result says in a word what became of the process.
	Result Result
}

// Result is what became of a process, in the words of systemd's SERVICE_RESULT,
// systemd.exec(5).
type Result string

// The results. Success is an end that was asked for, too.
const (
	ResultSuccess  Result = "success"
	ResultExitCode Result = "exit-code"
	ResultSignal   Result = "signal"
	ResultOOM      Result = "oom-kill"
	ResultProtocol Result = "protocol" // it ended with 0 before it was ready
	ResultTimeout  Result = "timeout"  // it was not ready in time
	ResultWatchdog Result = "watchdog" // it was unhealthy
	ResultUnknown  Result = "unknown"  // nobody saw how it ended; not a word of systemd's
)

// Signal sends a signal to a process (All: to its group) and expects nothing.
type Signal struct {
	Ref
	Signal string
	All    bool
}

// Inspect asks what is left of a process that was killed. Survives answers it, or
// Exited if nothing is.
type Inspect struct{ Ref }

// Freeze stops all of a process from running (cgroup.freeze), or lets it run again.
// Nothing answers it.
type Freeze struct {
	Ref
	On bool
}

// Draw asks chance for a number: the delay of a restart has a jitter. Drawn answers
// it, once.
type Draw struct{ Ref }

// Reload asks for what makes a process read its configuration again. ReloadDone answers
// it, with the same numbers.
type Reload struct {
	Ref
	Call, Because uint64
}

// Reply answers the Called event of the same ID.
type Reply struct {
	ID      uint64
	Refusal Refusal
	// Already says that the request found the world as it wanted it.
	Already bool
	// Ignored says that a start was answered with StartIgnored.
	Ignored bool
	// Cause says in words why a start failed, what could not be killed, or why a process
	// does not run yet.
	Cause string
	// Changes is the answer to Apply. With the Refusal Unkillable they have begun, and go on
	// when what Cause names has ended after all.
	Changes []Change
}

// HaltReason says why a tree ended.
type HaltReason uint8

const (
	// HaltShutdown: ShutdownTree was asked for.
	HaltShutdown HaltReason = iota
	// HaltGaveUp: the root's restart intensity was exceeded.
	HaltGaveUp
	// HaltStartFailed: the root did not start.
	HaltStartFailed
	// HaltAutoShutdown: the root's significant children have ended.
	HaltAutoShutdown
)

// Halt says that the root has ended and nothing of the tree is left. It is the
// last action of a tree.
type Halt struct {
	Reason HaltReason
	// Child is the child that made the root give up, fail to start or shut
	// down; Cause says in words why it did not start.
	Child, Cause string
	// Process is the process that caused it, followed down through supervisors,
	// and Exit its end; nil where no process ended.
	Process string
	Exit    *Exit
	// Limit is the intensity that was exceeded, for HaltGaveUp.
	Limit Flags
	// Left names the processes that could not be killed and are left behind, in
	// words; empty: none.
	Left string
}

func (Start) action()     {}
func (Stop) action()      {}
func (Kill) action()      {}
func (Signal) action()    {}
func (Inspect) action()   {}
func (Freeze) action()    {}
func (Draw) action()      {}
func (Reply) action()     {}
func (Halt) action()      {}
func (AfterExit) action() {}
func (Reload) action()    {}
