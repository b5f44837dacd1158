package main

import "context"

// peer is one supervisor that can be measured, found or not. It is used for many
// lives (run), one after the other, and only install may change it.
type peer interface {
	// name is what its row is called and what -only selects: one lower-case word,
	// the same in every run of the bench.
	name() string

	// install finds the supervisor on PATH, or gets it into dir. dir exists, belongs to
	// this peer alone and stays from one run of the bench to the next: what an earlier
	// run has put there may be used as it is. Nothing outside of dir may change.
	//
	// It returns the version as people quote it ("2.1.2-54"). An error is why it cannot
	// be had, in one clause that is printed behind its name ("apt-get download runit: no such package").
	// It is called once, before prepare, and not at all if the peer is not selected.
	install(ctx context.Context, dir string) (version string, err error)

	// terms says what of it can be measured. It is asked after install.
	terms() terms

	// prepare writes the configuration for j into j.dir and starts nothing. All children
	// of j are to be restarted whenever they end, as often and as fast as this supervisor
	// can be made to.
	prepare(ctx context.Context, j job) (run, error)
}

// terms is what limits a peer. The zero value is a peer that can do everything.
type terms struct {
	// delay is what it waits before a restart although it was asked not to ("1 s after
	// every death"); it is printed beside its latencies. "": nothing.
	delay string
	// most is the largest number of children that it can take, or that it takes in a
	// time that anybody would wait for; 0: no limit known.
	most int
	// only are the measures that it is for, as of a variant that differs in one thing; nil: all.
	only []measure
	// survives says that its runs are mortal.
	survives bool
	// not are the measures that make no sense for it, each with the reason as a clause.
	not map[measure]string
}

// run is one life of a peer: start, whatever is measured, stop. The harness calls its
// methods from one goroutine, but for pids and supervisors, which must also work while
// stop is under way.
type run interface {
	// start starts the supervisor with all children of the job. The clock runs since
	// right before this call. It may return before the children are up, and must not
	// wait for anything that the supervisor does not itself wait for. ctx is for the call alone: the supervisor outlives it.
	start(ctx context.Context) error

	// supervisors are all processes that are the supervisor's, as the bench sees their pids:
	// helpers for each service, loggers, keepers. Children are not among them, nor is
	// a command of the bench's own that wraps it. It is what PSS, CPU, threads and
	// context switches are summed over, so it is not empty while the peer runs.
	supervisors() ([]int, error)

	// pids are the pids, as the bench sees them, of children that know themselves as seen:
	// the same, unless the peer is in a pid namespace. One that is gone is 0.
	pids(seen []int) ([]int, error)

	// stop stops all children in the supervisor's orderly way (by SIGTERM, in the order
	// that its rules demand) and then the supervisor, and returns when it is gone and its log
	// files are complete. The clock runs since right before this call.
	stop(ctx context.Context) error

	// kill ends what is left of the supervisor, by SIGKILL to its own pids and without waiting for more than
	// that. It is called at the end of every life, also after stop and when start has failed. Whatever has the mark in its
	// environment (job.environ) or runs a program of the bench is ended by the harness, so there may be nothing to do.
	kill()

	// control are its commands for people; nil if it has none.
	control() *control

	// logs are the files that have the children's output, oldest first, after stop.
	// They may have prefixes and be wrapped, as long as a line of a child stays one line.
	// Compressed files are not understood.
	logs() ([]string, error)
}

// mortal is a run whose supervisor may be killed without its children, and which goes on with them.
type mortal interface {
	// daemon is the process to kill: the one that does the work.
	daemon() (int, error)
	// answers returns when the supervisor has told the state of a child, through whatever
	// people or programs use.
	answers(ctx context.Context) error
}

// control are the commands of a peer's command line. All of them end by themselves, with 0,
// when what they say is done, as far as the peer lets them wait for it.
type control struct {
	dir string   // where they are run; "": anywhere
	env []string // their whole environment; nil: the bench's
	// bare is the command line's own start: a command that asks no supervisor, such as its
	// version. nil: it has none.
	bare []string
	// status tells the state of all children. nil: it cannot.
	status []string
	// stop stops one child for good, start starts it again. nil: it cannot.
	stop, start func(child string) []string
}
