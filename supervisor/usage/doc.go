// Package usage tells what the running processes cost: CPU and memory, on
// request only. Nothing is sampled in the background and no goroutine outlives a
// sample.
//
// A child is more than its main process, so a sample sums the whole session of
// which that process is the leader: one walk over the host's pids asks each for
// its session, while the caller finds out which processes it wants to know about.
// Such a list serves for a second. What left the session (setsid) is not counted,
// and neither is the CPU time of a helper that has ended already.
//
// A sample of a thousand processes is read while somebody waits, so it makes the
// fewest system calls that tell the truth. The CPU time of a process is a clock
// that anybody may read, in nanoseconds, by one call (clock_gettime(2), 0.2 us);
// memory takes a file to open, read and close (/proc/PID/statm, 4 us). But what
// used no CPU since the file was read has touched no memory either, so for a few
// seconds its memory is what it was. What still has to be read is shared by the
// CPUs.
//
// Where a kernel has no such clocks the numbers come from gopsutil, at 40 us a
// process. Three of its calls are avoided on purpose. Children forks pgrep, which
// would disturb the one reaper of the daemon. Processes and NewProcess look up far
// more than is wanted. And TimesStat.Total adds the waiting for disks to the CPU
// time.
package usage
