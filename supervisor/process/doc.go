// Package process starts, signals and reaps every process of the daemon, one thing
// after the other. It is the only place below the daemon that forks.
//
// # One thing after the other
//
// A number that names a process is safe to signal only while nobody has waited
// for that process: until then its zombie holds the number, afterwards the
// kernel may give it to a stranger. And an exit status is told once, to whoever
// waits first. Both hazards end when forks, signals and waits never meet: whoever works
// never signals a number that it has reaped, no status can be taken by another
// waiter, and a child that dies before its parent has written down that it
// exists is found in the table all the same, because the table is only read
// after it was written. So nothing else in the daemon may fork or wait, os/exec
// included, nor a library that does.
//
// It is also the cheap way: no goroutine, thread or descriptor a child, and no
// wake-up while nothing happens. (An adopted child costs a descriptor, and all of
// them together one goroutine.)
//
// Two goroutines take turns. Run's does what is asked. The other one waits for the ends of
// children, in waitid(2) itself, and deals with each on the spot, with whatever that asks for
// (ends.go): so the thread that the kernel wakes is the one that starts the next
// incarnation. While one of them works the other one leaves its work to that.
//
// # In a crowd
//
// Two things that the kernel does for a start and an end take the longer the more
// children there are: a fork copies all descriptors, and the exec closes them; and who
// asks for any zombie has all children looked at. From three hundred children on the
// forks are left to a thread with few descriptors (forker.go), and from two thousand on an
// end is looked for by the number of the process that was told to end, or whose
// output has ended (crowd.go), so that both cost the same with ten thousand children as
// with ten. Whoever else ends, with no output of its own or with somebody left who holds
// it, is found a little later: after ten times as long as a look at all children takes (3
// ms for ten thousand), 20 ms at most. So of two that end within that time the later one
// may be told first. And up to 256 children all who are found to have ended at once are told
// in one piece; of more, one after the other.
//
// # The life of a child
//
// Start forks (setsid(2), so that the child leads a session and a process group
// of its own number; standard input is /dev/null; nothing is inherited but the
// standard streams) and answers with Started, or with StartFailed and a sentence
// that says what is wrong with the program.
//
// That waitid(2) returns, or SIGCHLD where that is waited for, says that something ended,
// not how many: signals coalesce. So the reaper asks, with WNOWAIT, who is a zombie,
// until nobody is.
// Somebody it did not start is an orphan whose parent died (the daemon is a
// child subreaper or PID 1) and is reaped. The main process of a child is dealt
// with while its zombie still holds the number; first its end is noted:
//
//   - Nobody had asked for the end: SIGKILL to what is left of the group.
//   - The end was asked for by Stop or Kill: what is left of the group has until
//     Kill, for a program may well have handed its last work to a worker.
//
// Then the zombie is reaped, and if the group is empty Exited is told; if not,
// the group is draining, and Exited waits until it is empty. Exited carries the
// status of the main process as the kernel told it, whatever was asked.
//
// # What a child is
//
// All of a child are its main process and whoever descends from that, wherever they
// went. Where a cgroup v2 hierarchy may be written to, each child has a group of its
// own there, COPPICE/NAME.process, in which it is from its first instruction on and
// which nothing leaves by itself: a double fork and setsid(2) change nothing. Stop
// signals the process group at once and then the others of the cgroup one by one, Kill
// writes cgroup.kill, and Exited is told when the group holds nobody: cgroup.events is
// read when the main process is reaped and whenever an orphan is. (A notice by inotify
// would come ten milliseconds late and cost a descriptor; the last process of a group
// whose main process is gone is always an orphan, and those are told to us.) A group
// is kept for the next start, unless it was killed or has limits: then it is made anew.
// So the counts of one with limits begin at 0, and by memory.events an end is known as
// one for which memory had run out.
//
// Without cgroups whoever leaves the process group is looked for: its parent dies
// sooner or later, and then it is a child of this process, or of the keeper, for both
// are subreapers. So it is enough to look at the children of those that are nobody's
// main process, and at who descends from them. They are known by the variable of the
// incarnation, by the session, or because they were seen below the main process when
// that was asked to end. Somebody who has cleared its environment, begun a session and
// lost its parent before that is not found, until the whole tree ends: then all who are
// left are killed (EndOrphans).
//
// # Draining groups
//
// Nobody is told when a process group becomes empty. A member that dies as an
// orphan is seen, for the reaper becomes its parent; then its group is looked at.
// A member that is reaped by a parent of its own is not seen, so while there are
// draining groups a timer looks at each of them, at growing intervals.
//
// A draining group's leader was reaped, so its number is held by its members
// alone and is free as soon as the last one is gone. After an end that nobody had
// asked for this does no harm: all members have got SIGKILL, nothing is signalled
// any more, and the group is only looked at. After one that was asked for, Kill is
// still to come. There the reaper opens a pidfd of the leader before it reaps it
// and signals the group through that (PIDFD_SIGNAL_PROCESS_GROUP, Linux 6.9): it
// can only ever mean the group it was opened for. On older kernels the number is
// used; then a stranger could be hit if all numbers were given out once between
// two looks at the group, and if that stranger had become a group leader. A child
// that gets the number of a draining group proves that this group is gone; who has left it
// is looked for still.
//
// # What is written down
//
// The daemon may be killed between any two instructions, and the next one must know
// who the children are and how they ended. So the reaper writes notes before it does
// what cannot be repeated: Spawned after the fork, before anybody is told of the
// child; Reaped while the zombie is still there, for its status is gone with it. A
// child of whom not even Spawned was written has the variable UnitVariable in its
// environment, by which FindUnits finds it. Signalled comes after the signal: a
// daemon that dies between the two makes the next one send it again, never not at
// all.
//
// Who a child is, Identity says: never a bare number, for that is given to others
// later. The inode of a pidfd is given to nobody else until the machine stops (Linux
// 6.9). The time of the start, where there is no inode, tells two holders of a number
// apart unless both were started in the same hundredth of a second.
//
// # Adopted children
//
// Children of a daemon that has died are children of the process that takes orphans
// in, and how they end is told to that. A new daemon adopts them: it opens a pidfd of
// each, compares the identity after that, and waits until the pidfd can be read,
// which says that the main process has ended. How it ended, it asks in this order:
//
//   - whoever reaped it, by Adoption.Lookup;
//   - the kernel, which tells holders of a pidfd, once the zombie has been reaped
//     (PIDFD_INFO_EXIT, Linux 6.15);
//   - the zombie's stat, field 52. Who may not look at a process is shown a 0 there,
//     so a 0 counts only if field 35 shows that this one is the true one.
//
// If none of them knows, it asks again, for a second if the process was reaped and
// there is a Lookup that may learn of it late, for ten while it is a zombie that
// nobody reaps. After that the end is told as lost; a code is never invented.
//
// Otherwise an adopted child is like any other, an end that nobody asked for kills
// the rest of its group at once. Signals go through the pidfd. Where the kernel cannot
// signal a group through it (before 6.9), or there is no pidfd at all (before 5.3, or
// no descriptor is free), the number is used after a look at who has it; without a
// pidfd the end is seen by looking from time to time. Its orphans are somebody else's,
// too, so whether its group is empty is found out by looking, and a group of zombies
// that nobody reaps counts as empty in the end.
//
// Of a main process that is gone when its child is adopted, members of the group may
// be left, whose number may be somebody else's group by now. They are killed, or
// drain, only if one of them has the variable or was there before the main process
// ended.
//
// A child of this very process, as after an execve(2) of the daemon, is an ordinary
// child: its end is told to us.
//
// # Jobs
//
// A hook, a probe or a reload command is a job: a command that runs beside a child
// and of which one wants to know how it ended and what it wrote last. It is forked
// and reaped as a child is, and costs a pipe and a process while it runs, no
// goroutine. Its output is read as it comes, and all but the last 4 KiB is thrown
// away; one that writes without end is read 64 KiB a millisecond, so it is held up
// and nobody else.
//
// A job has ended when its main process has, or when its limit has passed: then its
// group gets SIGKILL, as do those that have left it (by the cgroup, or by the variable),
// what is in the pipe is read, and JobDone is told. Nobody else who holds the pipe is
// waited for. One that does not die of
// SIGKILL within a second is told as such, and reaped whenever it ends.
//
// Jobs are not written down and not adopted. Each has the variable of its child with
// ":NUMBER:job" behind it, by which FindUnits tells them apart and EndLeftJobs kills those of a
// daemon that has died.
//
// # What a child does not inherit
//
// Sanitize, called first thing in main, makes sure that no descriptor and no ignored
// signal of the daemon's own starter gets past it, and that orphans come to it; the
// fork itself runs on a thread with an empty signal mask. The runtime of Go raises
// the soft limit of descriptors for itself and gives the child the one that the
// daemon was started with, unless somebody calls syscall.Setrlimit or unix.Prlimit
// for RLIMIT_NOFILE, which therefore nobody may. The same holds for signal.Ignore:
// what it sets is inherited, and signal.Reset does not undo it.
//
// # Set-ups
//
// A child that wants more than a fork can give it (Command.Setup) is a trampoline first
// (supervisor/trampoline). It is noted and in the table from the fork on, its number is
// the child's, and Started or StartFailed comes when its pipe says so; until then a stop
// kills it, for nothing of the program has run. The reaper goes on meanwhile.
//
// # What is not ideal
//
// syscall.ForkExec returns when the program was executed. A program or directory
// on a file system that does not answer would keep the reaper in there, and the next
// garbage collection then stops the whole daemon until it returns. So a child whose
// program or directory is on one that others serve (served.go: NFS, FUSE and the like)
// has a Setup too: its trampoline hangs in its place, for setupMax at most. An
// interpreter on such a file system, of a program that is not, is not seen.
//
// Without cgroups a member whose parent has left the group and never waits for it
// stays in the group as a zombie, and Exited waits until that parent ends.
package process
