// Package logs keeps what children write.
//
// Each incarnation of a child gets one pipe for stdout and stderr together, so
// that their order is exact, or one for each if its log is split. The store keeps
// the read end and moves the bytes, as they are, to the end of a file. Nothing is
// parsed on this way, and nothing of it passes through the loop that supervises.
//
// # The files of a process
//
//	000000007.log        its output; the file with the highest number is written
//	000000007.log.times  when its bytes arrived, and which incarnation wrote them:
//	                     records of a fixed size (times.go)
//	000000006.log.gz     an older file, compressed; its index stays as it is
//	000000003.err        stderr where the log is split, with numbers of its own
//	current, current.err pointers for people to the files that are written
//
// No byte is ever moved or written again. To rotate is to begin the file with the
// next number, at the end of a line: a kill at any step leaves a good state. A file
// that is deleted, renamed or spoilt while it is written is followed by the next
// one within 100 ms.
//
// # What happens to one line
//
//	child     writes to its pipe
//	mover     wakes up, adds a record to the index, takes what is in the pipe (at
//	          most 64 KiB a turn, 512 KiB of one that is flooded) to the file, gives
//	          a copy to the echo, and tells the followers that the name has spoken
//	echo      finds the lines in the bytes and shows them on the terminal
//	follower  reads index and file behind the place where it was, and merges what
//	          it finds with that of other names
//
// When a child ends, Drain moves what its pipe still holds before the end is told.
//
// # A flood
//
// A pipe that is written to without a pause is not waited for but visited, with
// naps of 0.05 to 0.2 ms between the turns; the times of what comes meanwhile, from
// others too, are that much later. One that is full again and again is made larger,
// up to 1 MiB, eight of them at most and until 0.1 s after the flood: so much may be
// lost with a pipe that nobody holds. Where the user may have no larger pipes it
// stays as it is, and the child writes half as fast. See flood.go.
//
// # What a kill costs
//
// Nothing. Bytes go from pipe to file by splice(2), which takes from the pipe what
// it has written to the file and no more, whenever the process is killed. The child
// has its pipe open for reading and writing, so that without a reader it is not
// killed by SIGPIPE: it waits when the pipe is full. Whoever has a copy of the read
// end (the keeper) hands it to the next store, which goes on by Adopt; without one
// the pipe is opened anew through the child itself, by Reopen. Only a pipe that
// nobody holds is lost with what is in it. A lost record of the index costs the
// time of some bytes. Where a file system cannot splice (all known ones can), bytes
// are copied and then taken from the pipe: a kill in between doubles them.
//
// # A disk that is full
//
// With full = "block" the bytes stay in the pipe, and the child waits once that is
// full; it is tried again after a delay that grows to five seconds, and when
// another file could be written again. Children are never killed for it. With full
// = "drop" whole lines are thrown away meanwhile: the end of a line whose beginning
// is in the file is kept in memory for it (of one longer than 64 KiB the beginning
// is ended by a newline of ours), and the end of one whose beginning was thrown away
// goes too. A record in the index tells where how many bytes are missing, and so
// does OnDropped. A kill meanwhile loses that number, and that end of a line.
//
// # Mode direct
//
// The child appends to its file itself. There is no pipe, no echo and no time but
// that of its start; a full disk is the child's to hear of. Once a second the front
// of what is not to be kept is given back to the file system (fallocate(2),
// FALLOC_FL_PUNCH_HOLE), until nobody has the file open for writing any more.
//
// # Goroutines
//
// One mover for all pipes, asleep in Go's poller over one epoll set while nothing
// floods, and one more for an Echo. While there are files to compress, or to remove
// because all together are too big, there is a janitor, on a thread that yields to
// others. A follower runs in the goroutine of its caller. No goroutine, thread,
// buffer or file, but one descriptor for each pipe, belongs to a child. A disk that
// hangs holds up the mover, and who drains; the loop only where it drains.
package logs
