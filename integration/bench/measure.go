package main

// measure is one thing that is measured; -measures selects by it.
type measure string

// The measures. Those before young are taken in one life of a peer with N children, in this order.
const (
	measureUp      measure = "up"      // start to first instruction of all
	measureMemory  measure = "memory"  // PSS, threads, descriptors of the supervisor
	measureIdle    measure = "idle"    // CPU and context switches with nothing to do
	measureRestart measure = "restart" // SIGKILL to the first instruction of the next
	measureControl measure = "control" // commands for people
	measureMass    measure = "mass"    // SIGKILL to all, to the first instruction of all
	measureDaemon  measure = "daemon"  // SIGKILL to the supervisor, to its next answer
	measureStop    measure = "stop"    // all stopped, as pidfds tell
	measureYoung   measure = "young"   // a child that dies at once, first instruction to first instruction
	measureLog     measure = "log"     // captured output in writes of 4096 bytes
	measureLines   measure = "lines"   // captured output, a write a line
	measureLogKill measure = "logkill" // captured output while the daemon is killed
)
