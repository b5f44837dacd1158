// Command floor is the least that a supervisor in Go can do: it forks each line of a job, restarts
// whoever ends, and on SIGTERM stops all and waits for them. It has one reaper, which SIGCHLD wakes up,
// no thread and no descriptor a child, no configuration, no journal, no logs and no interface.
//
//	floor JOB OUT [serial]
//
// A line of JOB is a command, words by spaces. OUT is where its output goes, by the child itself.
// A serial floor stops its children one after the other in reverse order, each waited for, which is what OTP's order
// demands of a supervisor whose children may need those that were started before them.
package main
