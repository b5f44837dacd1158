// Command bench measures supervisors side by side: coppice, every peer that can be had, and floors, which are bare
// programs that do nothing but start and reap. It asserts nothing. `make bench` runs it.
//
//	go run ./integration/bench -quick -only coppice,floor-go,runit -measures restart,stop
//
// # The method
//
// Everything is measured in one run, on the same children: freestanding programs in C of 9 KB (children/), because what a
// libc does before main() takes longer than what is measured. A child's first instructions look at CLOCK_MONOTONIC and
// append {number, pid, time} to one file, so times are the children's own and it does not matter how often the bench looks
// at that file.
//
// A turn (turn.go) is one life of one peer, from an empty folder on tmpfs to an empty process table. In each round all
// peers have the same turn one after the other, before the next turn: what stands in one table was measured in the same
// minutes. A value is the median of its rounds, shown with the least and the most; percentiles are taken within a round.
// A life that took long is not lived again in later rounds, and none is begun when the time is over (-time); how many rounds
// there were at most is written under the tables.
//
// # What is included in a time
//
//	up        from right before the peer's start command; and from the first child to the last
//	restart   from right before kill(2) to the child's first instruction; every child has lived for more than a second
//	young     from one first instruction to the next, the life of the child (0.1 ms) included
//	mass      from before the first kill(2): the bench's own sending of the signals is in it
//	stop      from right before the stop command or signal until the last pidfd is readable; the start of a command
//	          line, where one is needed, is in it
//	control   the command's whole process, from fork to wait, its output to nowhere
//	daemon    until a new command has told the state of a child
//	log       until the child's last write was accepted: what still is in a pipe then is not waited for, though counted
//
// CPU is the scheduler's account of the supervisor's processes (clock_getcpuclockid(3)), threads that have ended included.
// What a supervisor forks and waits for meanwhile (a script at the end of a service) is not in it, nor is the first part of a
// child's life, until its exec. Context switches are of the threads that live. Memory is PSS: what several
// processes share is shared out among them.
//
// # What to doubt
//
// The bench itself and thousands of children share the machine with who is measured; on two cores that is part of
// each number. Virtual machines add noise of their own: only ratios within one run mean anything, and p99 of a hundred
// kills is one of their two worst. Peers that force a delay are measured with fewer kills, so their p99 is their maximum.
// Idleness is watched for less than 30 s and scaled. Logs go to memory, not to a disk. A peer is configured to restart as
// fast as it can be made to, which is not how anybody runs it. Its author would configure it better, perhaps.
//
// # Leaving nothing behind
//
// Every process of a life has the life's folder in its environment (SUPERVISION_BENCH) or runs a program of the bench, and
// is ended by that at the end of the life: also after a failure, Ctrl-C, or when the time for one measurement (-limit) is over. What is
// installed for a peer lies in a folder of the bench's own and stays there for the next run.
package main
