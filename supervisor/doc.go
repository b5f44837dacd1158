// Package supervisor is the daemon: it gives the pure tree real processes, a
// clock, a socket and a record of what happened.
//
// # One loop
//
// Everything is decided in one place, one thing after the other. It hears a fact (a
// process ended, a request came in, a deadline passed), asks the tree for the next step,
// writes the step down, and carries out what the tree says. Carrying out never waits: a
// start is handed to the reaper, which answers with a fact.
//
// That place is the loop's goroutine. While it waits, the reaper takes the step for what it
// has to tell by itself (turn.go), so that from the end of a process to its next start
// nobody has to be woken; what nobody waits for, a line of log, comes after that.
//
//	fact ──► tree.Step ──► events and reports ──► journal, followers, log
//	                   └─► actions ──► reaper, waiters
//
// Log bytes never pass through the loop: they go from the pipe to the file in
// supervisor/logs.
//
// # Nothing is lost
//
// A daemon may be killed at any instruction. What it needs to be gone on with is
// elsewhere by then:
//
//	what was decided    in the journal, before it is done (supervisor/journal)
//	who was started     in the journal, right after the fork; before that, in the
//	                    environment of the process (SUPERVISED_BY)
//	how it ended        in the journal, before it is reaped; when the daemon is
//	                    dead, in the keeper's file
//	what it wrote       in the pipe, of which the keeper has a reader, until splice(2)
//	                    has it in the file
//	who asked           connections wait at the socket, which the keeper has too
//	what a process left its stored descriptors (fdstore.go), of which the keeper has copies
//
// # Going on
//
// The next daemon takes the journal's steps again (past.go): the tree is a pure
// function, so it comes to the same state, or the journal is not to be trusted any
// further. Then it looks which processes live (resume.go) and takes them over, ends
// included: each is told once. What the tree had asked for and nobody has answered
// is asked for again, unless it is known to have been done. Only then the daemon
// serves.
//
// A journal that was cut or has a flipped bit counts up to there. If a process is
// found that it does not know, it has lost its end: then what lives counts for what
// it says it is (tree.Salvage). Where there is nothing to go by, the daemon refuses
// to start, names the processes and touches none.
//
// Commands that run beside children (jobs.go, hooks.go, reloadchild.go) are not gone on
// with: the next daemon kills those that it finds, and what wanted them asks for them
// again: hooks run at least once. Who waited for a reload of a process asks again.
//
// When the keeper dies, the daemon becomes the keeper and starts another daemon
// (handover.go). When both die, the next `up` or `daemon` goes on. An upgrade is a
// daemon that ends by itself, and a keeper that starts another program.
//
// # Goroutines
//
//	loop        owns the tree, the waiters, the one timer; it alone decides, or the reaper in
//	            its place while it waits
//	reaper      forks, signals and reaps every process (supervisor/process)
//	ends        waits for the end of any of them, and works for the reaper then
//	watcher     of adopted processes, through pidfds (supervisor/process)
//	mover       moves output from pipes to files (supervisor/logs)
//	compressor  compresses the files that are full (supervisor/logs)
//	echo        writes the output to the terminal, in the foreground
//	link        hears the keeper (supervisor/keeper)
//	signals     hears signals
//	prober      asks processes whether they are ready and how they are; up to 64 more
//	            while questions wait for an answer (supervisor/probe)
//	notifier    hears what processes say of themselves (supervisor/probe)
//	watcher     hears of changed files (supervisor/watch)
//	server      accepts connections; net/http has one more for each (ipc)
//	readers     of CPU and memory, while somebody asks for them (supervisor/usage)
//	reload      one for each reload that no request waits for
//
// There is none for each child. Whoever speaks to the loop gives up when the
// loop has ended.
//
// The threads under them are made at the beginning, a few more than it takes: later
// the system may have none left (process.SpareThreads).
//
// # Who owns what
//
//	tree, waiters, timer     whoever has the turn: the loop while it works, else the reaper
//	table of pids            the reaper
//	pipes and log files      the mover, under one lock a child
//	journal                  its own lock: loop and reaper append, anybody reads
//	configs.Config           nobody changes one; a reload exchanges it, on the loop
//
// # The state folder
//
//	sock, lock      the socket, and who holds the folder (ipc)
//	journal         what was decided, which is the event record; journal.N is older
//	exits           how processes ended whose daemon was dead, until it is in the journal
//	id              what the tree's processes are marked with
//	tree            the tree file as it was loaded last
//	log/NAME/       the output of each process (supervisor/logs)
//	daemon.log      of a detached daemon, what it and its keeper say of themselves (ownlog.go)
package supervisor
