// Command coppice runs a supervision tree of ordinary programs and speaks to
// the daemon that does.
//
// One file holds one command. The pages that people read (status, why, the
// lines of logs and events) are pure functions of what the daemon says, of a
// width and of a time; the commands fetch, print and choose the exit code:
//
//	0  done
//	1  refused or failed; one line on stderr says why and what to do
//	2  wrong usage, or a wrong tree file
//	3  no daemon runs for this tree; for status NAME: not running
//	4  there is no such name
package main
