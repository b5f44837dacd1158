// Package usage tells what the running processes cost: CPU and memory, on
// request only. Nothing is sampled in the background and no goroutine runs.
//
// A child is more than its main process, so a sample sums the whole session of
// which that process is the leader: one walk over the host's pids asks each for
// its session and sorts it to the child it belongs to. What left the session
// (setsid) is not counted, and neither is the CPU time of a helper that has
// ended already.
//
// The numbers come from gopsutil, of which three calls are avoided on purpose.
// Children forks pgrep, which would disturb the one reaper of the daemon.
// Processes and NewProcess look up far more than is wanted, at 60 us each. And
// TimesStat.Total adds the waiting for disks to the CPU time.
package usage
