// Package supervisor is the daemon: it gives the pure tree real processes, a
// clock, a socket and a record of what happened.
//
// # One loop
//
// Everything is decided on one goroutine. It hears a fact (a process ended, a
// request came in, a deadline passed), asks the tree for the next step, writes
// down what the tree reports, and carries out what the tree says. Carrying out
// never waits: a start is handed to the reaper, which answers with a fact.
//
//	fact ──► tree.Step ──► reports ──► record, followers, log
//	                   └─► actions ──► reaper, waiters
//
// Log bytes never pass through the loop: they go from the pipe to the file in
// supervisor/logs.
//
// # Goroutines
//
//	loop        owns the tree, the waiters, the one timer; the only one that decides
//	reaper      forks, signals and reaps every process (supervisor/process)
//	ends        hears that adopted children have ended, if there are any (supervisor/process)
//	mover       moves output from pipes to files (supervisor/logs)
//	echo        writes the output to the terminal, in the foreground
//	prober      asks ports whether they are open (supervisor/probe)
//	notifier    hears READY=1 (supervisor/probe)
//	watcher     hears of changed files (supervisor/watch)
//	server      accepts connections; net/http has one more for each (ipc)
//	reload      one for each reload that no request waits for
//
// There is none for each child. Whoever speaks to the loop gives up when the
// loop has ended.
//
// # Who owns what
//
//	tree, waiters, timer     the loop
//	table of pids            the reaper
//	pipes and log files      the mover, under one lock a child
//	event record             its own lock: the loop appends, anybody reads
//	configs.Config           nobody changes one; a reload exchanges it, on the loop
//
// # The state folder
//
//	sock, lock      the socket, and who holds the folder (ipc)
//	events          the event record, one JSON object a line; events.1 is older
//	tree            the tree file as it was loaded last
//	log/NAME/       the output of each process (supervisor/logs)
//
// # What is not here yet
//
// A daemon that is killed takes nothing with it but itself: its children go on,
// and nobody watches them. The next daemon does not adopt them.
package supervisor
