// Package probe finds out when processes are ready, where being executed is not
// enough, and how they are while they run: Prober asks them until they answer,
// Notify hears what they say themselves, by sd_notify or by a newline in a pipe.
//
// Both take a ref when an incarnation starts and tell it back; what is said after
// Cancel, or of an earlier incarnation, is for the receiver to ignore, who knows
// refs. Nobody is ever waited for: the methods are for the loop that supervises,
// and the callbacks may send to that loop without a deadlock. Nothing is judged
// here: an answer is told, and what it is worth is the tree's to say.
//
// # Asking
//
// A question that is due is asked by a goroutine that ends with its answer. Questions
// wait for each other in lanes of their own: those about readiness and those about
// health, and of each those that connect, those that run a command and those that only
// look. So whoever hangs holds up nobody but its like, and only where a lane is full: it
// has room for 1024 connections (an eighth of the descriptors that the daemon may have,
// where that is less), 64 commands, 64 looks. Each process has one question at a time. Those who were started together are spread over the interval, and not asked
// together. Times that were missed, as the daemon or the machine was halted, are
// skipped, and a failure that is told long after its time limit is none. Nor is it one
// that this host lacks what it takes to ask (Unasked): whoever cannot be asked how it
// is is asked again soon, and remains what it was.
//
// Who owns a listening socket is seen in /proc: the tables of sockets tell its
// inode, and the descriptors of processes who has it. The tables are those of this
// network namespace, and of those in which a process and what descends from it are. What only others can ask (a
// command, what is in a log) a question brings with it as a function.
//
// # Hearing
//
// The notify socket's name is random and given to one process, but it is no
// secret (/proc/net/unix shows it), so every message carries its sender's
// credentials, checked by the kernel. The sender's place among the processes is
// looked at when the message is read, and judged when the main process is known:
// a child may well speak before its parent has returned from the fork.
//
// An end is told by the kernel on another way than a word, and may overtake it. So
// Drain reads, at once, what was said before the end. A watchdog does the same
// before it barks, and begins anew where it comes late itself.
//
// Descriptors that come with a message are closed at once, which is all that
// sd_notify_barrier asks for, but for those to be stored (FDSTORE=1) of an incarnation
// for which Keep was called: its Keeper has them as soon as the message is read, by
// Drain too. Of one whose process is not known yet no more are held than it may leave.
//
// Goroutines: Prober has one that plans and one for each question that waits for
// its answer, Notify one, asleep in Go's poller over one epoll set, whose deadline
// is the next watchdog's. None belongs to a process.
package probe
