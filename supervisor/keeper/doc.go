// Package keeper is the process that outlives the daemon, and the daemon's end of
// the link to it.
//
// # Two processes
//
// The keeper is what the user, the shell or the init system has started: it reads no
// configuration, opens no socket of its own and knows nothing of trees. It starts
// the daemon, the same program in another role, and starts it again when it dies.
// For the time in between it has what must not be lost:
//
//   - the children: the keeper is a child subreaper (prctl(2)) or PID 1, so that they
//     become its own when the daemon dies. It reaps them, and remembers how they
//     ended until a daemon has taken that down;
//   - descriptors, under names: the listening socket, the lock, the readers of the
//     log pipes, what processes have left for their next incarnations;
//   - signals that the tree was sent and that no daemon has acted upon.
//
// When the keeper dies, the daemon, which is the parent of the children, becomes the
// keeper: TakeOver executes the program anew in the same process and that starts a
// daemon. So either may die, and the other has all that is needed.
//
// # Roles
//
// The package's init decides what a process is, before the packages that a keeper
// does not need are initialised: it is a keeper for `up` and `daemon` in the
// foreground, unless COPPICE_KEEPER is "off" or there is no /proc, and it never gets
// to main. COPPICE_ROLE tells a daemon which descriptor its link is. A command line
// that is wrong, or a tree that runs already, is the daemon's to tell: until a daemon
// has Claimed the tree the keeper passes signals by kill(2) and ends as its daemon
// ends, by the same code or the same signal.
//
// COPPICE_REPORT names a descriptor that whoever starts a tree in the background
// waits at. The first daemon gets it, and the variable; the keeper closes it, and no
// later daemon hears of it.
//
// # The link
//
// The link is a pair of sockets (SOCK_SEQPACKET, unix(7)). A datagram is one message
// of protocol.go. Nothing is acknowledged: what was sent before a death is read after
// it, and the keeper reads all of it before it starts the next daemon. Neither end
// ever waits to send.
//
// A new daemon is told first what its predecessors left (descriptors, exits, signals,
// how an upgrade went), up to the word "end".
//
// # Exits
//
// Whom the keeper reaps it first writes down, in the file that the daemon has put as
// ExitsName, so that a death of both processes loses no status. A daemon answers each
// exit by Taken once it is in its journal, strangers too: orphans that a child of an
// earlier daemon left. An exit may be told twice, never two ways. With the last one
// taken the file is emptied. At most 65,536 are kept.
//
// # Signals
//
// The daemon has a session of its own: a terminal speaks to the keeper only, and each
// Ctrl-C is passed on once. A signal is kept until a daemon has Heard it. The first
// process of a pid namespace passes on those that ask an init to end, too.
//
// # The watchdog
//
// A daemon may hang, or be stopped. The keeper asks it, by a ping, only while
// somebody waits for it: a connection at ListenName that is not accepted, an exit or a
// signal that is not answered. A daemon that does not answer for five seconds (sixty
// while it still adopts), while somebody still waits, is killed. While nobody waits
// nothing is asked and no timer runs: an idle pair never wakes.
//
// # Order of a restart
//
// The first daemon after a long life is started at once. While lives are shorter than two
// seconds, starts are 10 ms apart at least, doubled up to 250 ms: whoever has lived that
// long is followed at once. While none comes to serve, up to 5 s lie between a death and
// the next start.
//
// # Goroutines
//
// The keeper has two besides that of its init, which sleeps: the loop that owns
// everything, and one that waits for descriptors. The daemon's end has one that the caller gives to Run, and one more
// while the socket is full.
package keeper
