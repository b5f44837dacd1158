// Package procfs reads of /proc what changes while it is read: the environment of a process
// that may be executing another program, and the children of one that may be reaping some
// (proc_pid_environ(5), proc_tid_children(5)). A look that was taken at a bad moment is taken
// again, so that nobody is overlooked who was there all the time.
//
// It starts no goroutine and keeps nothing open.
package procfs
