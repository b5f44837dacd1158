package process

import (
	"runtime"
	"sync"
)

// threadsSpare is how many threads the daemon has beside one for each CPU that it may
// use: for system calls that wait at the same time, and those of a few clients.
const threadsSpare = 16

// SpareThreads makes threads while there may be any. The Go runtime keeps them, and
// takes one where it would else need a new one. Should the system allow no more
// processes by then, it could only end the daemon: "failed to create new OS thread".
func SpareThreads() {
	most := runtime.GOMAXPROCS(0) + threadsSpare
	var all, here sync.WaitGroup
	here.Add(most)
	for range most {
		all.Go(func() {
			runtime.LockOSThread()
			here.Done()
			here.Wait() // all at once, so each has its own
			runtime.UnlockOSThread()
		})
	}
	all.Wait()
}
