// Package logs keeps what children write.
//
// Each incarnation of a child gets one pipe for stdout and stderr together, so
// that their order is exact. The store keeps the read end and moves the bytes,
// as they are, to the end of the file NAME/current; beside it NAME/current.times
// tells in records of a fixed size when they arrived, and which incarnation
// wrote them. Nothing is parsed on this way, and nothing of it passes through
// the loop that supervises.
//
// What happens to one line:
//
//	child     writes to its pipe
//	mover     wakes up, reads what is in the pipe (at most 64 KiB a turn), appends
//	          a record to the index and the bytes to the file, gives a copy to
//	          the echo, and tells the followers that the name has spoken
//	echo      finds the lines in the bytes and shows them on the terminal
//	follower  reads index and file behind the place where it was, and merges what
//	          it finds with that of other names
//
// When a child ends, Drain moves what its pipe still holds before the end is
// told. If a file cannot be written (the disk is full) the child's bytes stay in
// its pipe, and the child waits once that is full; it is tried again after a
// delay that grows to five seconds. Children are never killed for it.
//
// Goroutines: one mover for all pipes, asleep in Go's poller over one epoll set,
// and one more for an Echo. A follower runs in the goroutine of its caller. No
// goroutine, thread, buffer or file, but one descriptor, belongs to a child.
//
// This version reads a pipe and then writes: a SIGKILL of the daemon loses the
// bytes that it holds at that moment, and those left in a pipe whose child is
// gone as well. It does not rotate: current grows until it is removed or
// truncated from outside, which is noticed within 100 ms.
package logs
