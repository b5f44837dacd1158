package tree

// Generation numbers incarnations: each start in a tree has a higher one than
// all before it, and none is 0. News about an earlier incarnation is recognised
// by it and ignored, as OTP recognises a pid that is no longer a child's.
type Generation uint64

// Ref names one incarnation of one process.
type Ref struct {
	ID         string
	Generation Generation
}

// Exit is how a process ended: a code, or the full name of the signal that
// killed it.
type Exit struct {
	Code   int    // 0 to 255; meaningless when Signal or Lost is set
	Signal string // "SIGKILL"; empty when it exited
	// Lost says that it has ended and that nobody was there to be told how: an
	// abnormal end, whatever Success says.
	Lost bool
	// OOM says that the kernel had killed a process of it because memory had run
	// out.
	OOM bool
}

// Event is a fact that the runtime reports to the tree. The set is closed.
type Event interface{ event() }

// Boot starts the root supervisor. It is the first event, and comes once.
type Boot struct{}

// Started answers an action Start: the program was executed.
type Started struct {
	Ref
	PID int
}

// StartFailed answers an action Start: there is no process. Cause says why, in
// words for a person.
type StartFailed struct {
	Ref
	Cause string
	// Shortage says that the system lacked what it may have again: processes,
	// memory, descriptors.
	Shortage bool
}

// StartIgnored answers an action Start: the child does not need to run now
// (OTP: ignore). It is a success without a process.
type StartIgnored struct{ Ref }

// Ready says that a process with Readiness AtNotice is ready. It counts only
// before Exited of the same incarnation.
type Ready struct{ Ref }

// NotReady says what keeps a process with Readiness AtNotice from being ready, in
// words for a person. It decides nothing.
type NotReady struct {
	Ref
	Cause string
}

// Checked is the result of one health check. Cause says why it failed.
type Checked struct {
	Ref
	Passed bool
	Cause  string
}

// Unwell says that a process that was to say that it is well has not done so in
// time, or has said that it is not: it is unhealthy, whatever its checks say.
type Unwell struct {
	Ref
	Cause string
}

// Extended says that a process has asked for so much more time, from now on, for
// the start or the stop that is in progress. It never shortens a time limit, and
// makes none where there is none.
type Extended struct {
	Ref
	Span Time
}

// WatchdogSet says within which span a process wants to say, from now on, that it is
// well; whoever waits for its word in another runtime goes by it too.
type WatchdogSet struct {
	Ref
	Span Time
}

// Exited says that nothing of a process is left: its main process ended as Exit
// says and its group is gone or was killed. It comes once for each Started.
type Exited struct {
	Ref
	Exit
}

// HookDone answers an action AfterExit: the command has ended. Cause says in words
// why it failed; empty: it did not.
type HookDone struct {
	Ref
	Cause string
}

// ReloadDone answers an action Reload, whose numbers it has. Cause says in words why
// it failed; empty: it did not.
type ReloadDone struct {
	Ref
	Call, Because uint64
	Cause         string
}

// Called hands over an operator's request; exactly one Reply with the same ID
// answers it.
type Called struct {
	ID      uint64
	Request Request
}

// Drawn answers an action Draw with a number that chance has chosen, at least 0 and
// below 1.
type Drawn struct {
	Ref
	Number float64
}

// Tick says only that time has passed.
type Tick struct{}

// Resumed says that another runtime goes on with a tree that was restored. It is
// the first event after Restore.
type Resumed struct{}

// Adopted says that a process that was started for an earlier runtime runs on
// and is watched by this one.
type Adopted struct{ Ref }

// Dropped says that so many bytes of a process's output were thrown away, for
// its log could not be written and it was not to wait.
type Dropped struct {
	ID    string
	Bytes int64
}

// Survives answers Inspect: a killed process is still there. Of one that nobody has asked
// to end it says that its main process has ended and that the rest of it cannot be
// killed. Cause names what is left of it, in words. Exited follows if that ends after
// all.
type Survives struct {
	Ref
	Cause string
}

func (Boot) event()         {}
func (Started) event()      {}
func (StartFailed) event()  {}
func (StartIgnored) event() {}
func (Ready) event()        {}
func (NotReady) event()     {}
func (Checked) event()      {}
func (Unwell) event()       {}
func (Extended) event()     {}
func (WatchdogSet) event()  {}
func (Exited) event()       {}
func (HookDone) event()     {}
func (ReloadDone) event()   {}
func (Called) event()       {}
func (Drawn) event()        {}
func (Tick) event()         {}
func (Resumed) event()      {}
func (Adopted) event()      {}
func (Dropped) event()      {}
func (Survives) event()     {}
