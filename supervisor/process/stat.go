package process

import (
	"bytes"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"coppice/tree"
)

// stat is what /proc/PID/stat says of a process, proc_pid_stat(5).
type stat struct {
	state                  byte // 'Z' is a zombie
	parent, group, session int
	threads                int
	start                  uint64 // clock ticks since boot
	// exit is the wait status of a zombie. Who may not read it is shown 0; shown
	// says that this is not so.
	exit  unix.WaitStatus
	shown bool
}

// The fields that are read, counted as in the manual page.
const (
	fieldState   = 3
	fieldParent  = 4
	fieldGroup   = 5
	fieldSession = 6
	fieldThreads = 20
	fieldStart   = 22
	fieldWaits   = 35
	fieldExit    = 52
)

// statMax is more than a line of /proc/PID/stat can have: 52 numbers and a name.
const statMax = 2048

// readStat reads the stat of a process. It is asked for every child that is
// started, so it takes no detour.
func readStat(pid int) (stat, error) {
	fd, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/stat", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return stat{}, err
	}
	defer unix.Close(fd)
	var line [statMax]byte
	n, err := unix.Read(fd, line[:])
	if err != nil {
		return stat{}, err
	}
	return parseStat(line[:n])
}

// parseStat understands the line. The name of the program, field 2, may have any
// byte in it: what follows is cut at the last parenthesis.
func parseStat(line []byte) (stat, error) {
	_, rest := cutLast(line, ')')
	var s stat
	field := fieldState - 1
	for word := range bytes.FieldsSeq(rest) {
		field++
		if field == fieldState {
			s.state = word[0]
			continue
		}
		if !wanted(field) {
			continue
		}
		n, err := strconv.ParseInt(string(word), 10, 64)
		if err != nil {
			return stat{}, err
		}
		s.set(field, n)
	}
	if field < fieldExit {
		return stat{}, os.ErrInvalid
	}
	return s, nil
}

// wanted says whether a field is one that is read.
func wanted(field int) bool {
	switch field {
	case fieldParent, fieldGroup, fieldSession, fieldThreads, fieldStart,
		fieldWaits, fieldExit:
		return true
	}
	return false
}

// set takes one field in. The kernel shows field 35 of a process that does not run
// as 1 to those whom it shows the true field 52, and as 0 to all others (Linux
// 5.16 and later): so a 0 in field 52 can be told from a refusal. Any other number
// there is no refusal anyway.
func (s *stat) set(field int, n int64) {
	switch field {
	case fieldParent:
		s.parent = int(n)
	case fieldGroup:
		s.group = int(n)
	case fieldSession:
		s.session = int(n)
	case fieldThreads:
		s.threads = int(n)
	case fieldStart:
		s.start = uint64(n)
	case fieldWaits:
		s.shown = n != 0
	case fieldExit:
		s.exit = unix.WaitStatus(n)
		s.shown = s.shown || n != 0
	}
}

// ended says that it is a zombie. A main thread that has ended before others of its
// process looks like one, too.
func (s *stat) ended() bool { return s.state == 'Z' && s.threads <= 1 }

// cutLast cuts around the last of a separator.
func cutLast(line []byte, separator byte) (before, after []byte) {
	i := bytes.LastIndexByte(line, separator)
	return line[:max(i, 0)], line[i+1:]
}

// exitOf says how a process ended that has this wait status.
func exitOf(status unix.WaitStatus) tree.Exit {
	if status.Signaled() {
		return tree.Exit{Signal: SignalName(status.Signal())}
	}
	return tree.Exit{Code: status.ExitStatus()}
}
