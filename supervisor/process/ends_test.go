package process_test

import (
	"testing"
	"time"

	"coppice/supervisor/process"
	"coppice/tree"
)

// chainMost is how many children are started one after the other until it is given up to
// wait for something that a tenth of a second brings: it takes seconds.
const chainMost = 5000

// chained has a reaper start a child whenever it tells what next says yes to, and some at
// once, until a job that runs beside them has passed its limit.
func chained(t *testing.T, some int, next func(process.Fact) bool) {
	t.Helper()
	var r *process.Reaper
	started, over := 0, false
	start := func() {
		if started++; started == chainMost {
			t.Errorf("%d children were started before the limit of a job that had passed", started)
			over = true
			r.Close()
		}
		if !over {
			ref := tree.Ref{ID: "link", Generation: tree.Generation(started)}
			r.Start(ref, process.Command{Argv: []string{"true"}, Env: environment})
		}
	}
	r = process.New(func(facts []process.Fact) {
		for _, fact := range facts {
			if _, done := fact.(process.JobDone); done && !over {
				over = true
				r.Close()
			}
			if next(fact) {
				start()
			}
		}
	}, nil)
	r.StartJob(process.Job{
		ID: 1, Ref: tree.Ref{ID: "link"}, Limit: 100 * time.Millisecond,
		Command: process.Command{Argv: []string{"sleep", "1000"}, Env: environment},
	})
	r.Then(func() {
		for range some {
			start()
		}
	})
	r.Run()
}

// What is put off comes in its time while each start asks for the next one.
func TestTimerInARowOfStarts(t *testing.T) {
	chained(t, 1, func(fact process.Fact) bool {
		_, started := fact.(process.Started)
		return started
	})
}

// Or each end for a restart.
func TestTimerInAStormOfRestarts(t *testing.T) {
	chained(t, 40, func(fact process.Fact) bool {
		_, ended := fact.(process.Exited)
		return ended
	})
}
