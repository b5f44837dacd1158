// Package probe finds out when processes are ready, where being executed is not
// enough, and how they are while they run: Prober asks them until they answer,
// Notify hears them say READY=1.
//
// Both take a ref when an incarnation starts and tell it back; what is said after Cancel, or of an earlier incarnation,
// is for the receiver to ignore, who knows refs. Nobody is ever waited for: the
// methods are for the loop that supervises, and the callbacks may send to that
// loop without a deadlock.
//
// An end is told by the kernel on another way than READY=1, and may overtake it.
// So Drain reads, at once, what was said before the end.
//
// The notify socket's name is random and given to one process, but it is no
// secret (/proc/net/unix shows it), so every message carries its sender's
// credentials, checked by the kernel. The sender's place among the processes is
// looked at when the message is read, and judged when the main process is known:
// a child may well speak before its parent has returned from the fork.
//
// # Asking
//
// The times of all questions are in one heap. A question that is due is asked by a
// goroutine that ends with its answer, and at most 64 are asked at once: whoever
// hangs holds up the others only where 64 do. Each process has one question at a
// time; who is asked how it is comes in at any time of the interval, so that those
// who were started together are not asked together. Times that were missed, as the
// daemon or the machine was halted, are skipped, and a failure that is told long
// after its time limit is none.
//
// Goroutines: Prober has one that plans and one for each question that waits for
// its answer, Notify one, asleep in Go's poller over one epoll set. None belongs to
// a process.
package probe
