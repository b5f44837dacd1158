package main

import "slices"

// measure is one thing that is measured; -measures selects by it.
type measure string

// The measures. Those up to daemon are of a crowd of children, the others of one child.
const (
	measureUp      measure = "up"      // from the start to the first instruction of all
	measureMemory  measure = "memory"  // PSS, threads, descriptors of the supervisor
	measureIdle    measure = "idle"    // CPU and context switches with nothing to do
	measureRestart measure = "restart" // from SIGKILL to the first instruction of the next
	measureControl measure = "control" // commands for people
	measureMass    measure = "mass"    // from SIGKILL to all to the first instruction of all
	measureStop    measure = "stop"    // until all are dead
	measureDaemon  measure = "daemon"  // from SIGKILL to the supervisor to its next answer
	measureYoung   measure = "young"   // a child that dies at once: from one first instruction to the next
	measureLog     measure = "log"     // captured output in writes of 4096 bytes
	measureLines   measure = "lines"   // captured output, a write a line
	measureLogKill measure = "logkill" // captured output while the daemon is killed again and again
)

// crowdMeasures are taken in one life, in this order.
var crowdMeasures = []measure{
	measureUp, measureMemory, measureIdle, measureRestart, measureControl, measureMass, measureStop,
}

// soloMeasures have a life with one child each.
var soloMeasures = []measure{measureYoung, measureLog, measureLines, measureLogKill}

// allMeasures are what there is to select from.
var allMeasures = slices.Concat(crowdMeasures, []measure{measureDaemon}, soloMeasures)
