package process

import (
	"syscall"
	"time"

	"coppice/tree"
)

// Fact is what the reaper tells. The set is closed.
type Fact interface{ fact() }

// Started says that the program was executed. It or StartFailed answers each
// Start.
type Started struct {
	tree.Ref
	PID int
}

// StartFailed says that there is no process, and why.
type StartFailed struct {
	tree.Ref
	// Cause is one sentence for a person.
	Cause string
	// Errno is the system's reason; 0 where the system was not asked.
	Errno syscall.Errno
	// Key is the key of the tree file that it is about, such as "command"; "" where
	// none is.
	Key string
}

// Adopted says that an adopted child lives and is watched. It or Exited answers
// each Adoption.
type Adopted struct {
	tree.Ref
	PID int
	// Parent is the process that will reap it; this one, if it is a child of ours
	// after all. 0: not known.
	Parent int
}

// Exited says that the main process and its whole group are gone. It comes once
// for each Started, after it, and once for each Adoption.
type Exited struct {
	tree.Ref
	// Exit is how the main process ended, also when it was asked to end.
	Exit tree.Exit
	// At is when the main process was found to have ended; its group may have
	// lived longer.
	At time.Time
}

// SignalFailed says that a signal could not be sent although there is somebody
// to receive it: the child runs as a user whom the daemon may not signal
// (EPERM), or there is no such signal.
type SignalFailed struct {
	tree.Ref
	Signal string
	// Cause is one sentence for a person.
	Cause string
}

// JobDone says that a job has ended, or did not begin. It answers each StartJob once.
type JobDone struct {
	ID JobID
	tree.Ref
	// Exit is how its main process ended. It means nothing if there is a Cause.
	Exit tree.Exit
	// Output is the end of what it wrote on both streams, OutputMax bytes at most,
	// as they came: it may begin within a line and need not be text.
	Output []byte
	// TimedOut says that it was killed because its limit had passed. A job that was
	// cancelled has the exit of SIGKILL and this false.
	TimedOut bool
	// Cause is why it was not executed, or why it is not known how it ended: one
	// sentence for a person; empty: it was, and has.
	Cause string
	// Errno is the system's reason; 0 where the system was not asked.
	Errno syscall.Errno
	// Key is the key of the tree file that the Cause is about, as of StartFailed.
	Key string
}

// OK says that it ended by itself with the code 0.
func (d JobDone) OK() bool { return d.Cause == "" && !d.TimedOut && d.Exit == tree.Exit{} }

// Survives answers Inspect: something of a child is left though it was killed.
type Survives struct {
	tree.Ref
	// Cause names what is left, in words.
	Cause string
}

func (Survives) fact()     {}
func (Started) fact()      {}
func (StartFailed) fact()  {}
func (Adopted) fact()      {}
func (Exited) fact()       {}
func (SignalFailed) fact() {}
func (JobDone) fact()      {}
