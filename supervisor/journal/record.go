package journal

import (
	"time"

	"coppice/configs"
	"coppice/tree"
)

// Record is one line of a journal. The set is closed.
type Record interface{ record() }

// Begin is the first record of every file: where and by whom it was begun.
type Begin struct {
	// Boot is the system's boot id and PIDNamespace the inode of the PID
	// namespace (see Host): where one of them differs, no process of the file
	// lives.
	Boot         string
	PIDNamespace uint64
	// Tree is what the processes of the tree are marked with.
	Tree string
	// Version is the version of the coppice that began the file.
	Version string
	Wall    time.Time
	// File is the number of the file, from 1, higher in each new one. The
	// journal sets it.
	File uint64
	// Seq is the Seq of the last report before this file. The journal sets it.
	Seq uint64
}

// State is the second record of every file: all that there is to know of the
// tree, so that what stands in older files is history.
type State struct {
	// Config is what the tree was loaded from.
	Config *configs.Config
	// Tree is what it had come to. Its Starts are *configs.Process, and are
	// those of Config where they were when it was written.
	Tree tree.Saved
}

// Step is one call of tree.Step: what it heard, and what it reported.
type Step struct {
	At   tree.Time
	Wall time.Time
	// Events are what the tree heard. A ChangeSupervisor, which no verb makes, cannot
	// be recorded, of a StartChild only that of a template's instance, and of Apply
	// only one in a step, whose spec is Config's.
	Events []tree.Event
	// Reports have ascending numbers that are not used by any other.
	Reports []tree.Report
	// Config belongs to an Apply among Events, else it is nil.
	Config *configs.Config
}

// Spawned tells the identity of a process right after the fork, before it is
// told to the tree.
type Spawned struct {
	Ref      tree.Ref
	Identity Identity
	Outputs  []Output
}

// Identity says which process is meant for as long as the system is up; a PID
// alone is used again.
type Identity struct {
	PID int
	// Start is when it was started, in clock ticks since boot: field 22 of
	// proc_pid_stat(5).
	Start uint64
	// Inode is that of its pidfd, unique for the boot (pidfs, Linux 6.9); 0 where
	// the kernel has none.
	Inode uint64
	// Cgroup is the folder of the cgroup that it was started in; empty: none of its
	// own.
	Cgroup string
}

// Output is a pipe that carries the output of a process.
type Output struct {
	// Stream is "stdout" or "stderr".
	Stream string
	// Mark tells this pipe from every other one of the tree.
	Mark uint32
	// Inode is that of the pipe.
	Inode uint64
}

// Reaped tells how a main process ended. It is written before the process is
// reaped, for afterwards nobody can be asked.
type Reaped struct {
	Ref  tree.Ref
	Exit tree.Exit
	At   time.Time
}

// Sent says that processes were sent the signal that asks them to stop, or,
// with Kill, SIGKILL.
type Sent struct {
	Refs []tree.Ref
	Kill bool
}

func (Begin) record()   {}
func (State) record()   {}
func (Step) record()    {}
func (Spawned) record() {}
func (Reaped) record()  {}
func (Sent) record()    {}
