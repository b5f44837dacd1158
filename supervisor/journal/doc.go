// Package journal is the daemon's memory: one file to which everything is
// appended before it is acted on, so that the daemon may die at any instruction
// and the next one goes on where it was. The same lines are the record of events
// that people read.
//
// # A life
//
//	Open ──► every record of the file ──► visit: the tree is restored, its steps are replayed
//	     └─► Damage: something is not as it was written; what came before it is good
//	Begin ─► Begin, State, what is known of living processes: a new file takes the place
//	Append ► Step     the tree heard this and decided; its actions come after
//	         Spawned  a process was forked, and this is its identity
//	         Sent     it was asked to stop, or killed
//	         Reaped   it ended so, and will be reaped
//	Due ───► the file is long: Begin again
//
// A start has two phases: the Step with the report "starting" is the intent, and
// Spawned tells what came of it. What was killed between the two left a process
// that carries its name in the environment, and nothing else.
//
// # The file
//
// A line is a checksum (CRC-32C, 8 hexadecimal digits), a space and a JSON object,
// which begins with the number and the kind of the record:
//
//	1c2b6b0f {"n":1,"k":"begin","format":1,"file":4,"after":1811, … }
//	90ab11e4 {"n":2,"k":"state","pool":{ … },"config":{ … },"tree":{ … },"starts":[1,2]}
//	5e0c1f2a {"n":3,"k":"step","seq":1812,"at":81203,"wall":"…","events":[{"e":"ready","id":"web","g":7}],"reports":[ … ]}
//
// The numbers are dense from 1 in each file, so a line that is gone is noticed.
// Nothing is synced: a write survives the death of the process that made it, and
// after that of the system no process is left that could be lost.
//
// A killed daemon leaves at most a last line without an end, which Open cuts off.
// All else is Damage: a checksum, a number or a kind that is wrong, or a record
// that does not fit. The file is then kept as journal.damaged, and the daemon goes
// on from what is sound, from the tree file, and from the processes it finds.
//
// # Files
//
//	journal          the present file
//	journal.N        the ones before it; N grows, the newest eight are kept
//	journal.new      a file that is being begun
//	journal.damaged  the file in which damage was found last
//
// A file is begun beside the present one, which first gets its second name; then
// the new one is renamed over it. So a name is always there, and whoever reads
// all files meets every step, some of them twice, and tells them by the numbers of
// their reports. Those go on over all files and runs.
//
// # A full disk
//
// Space is reserved ahead of what is written, so that a full disk still takes some
// hundred records. After that a megabyte is kept in memory, and written first when
// there is space again. After that the journal ends with its last whole record,
// and Begin is needed, which can do with less.
//
// # A state
//
// Ten thousand processes share most of what they are made of: variables, manners
// of restarting, settings. A State has all of that once, in its pool, and refers
// to it by places. A *configs.Process that was one thing in memory is one again.
package journal
