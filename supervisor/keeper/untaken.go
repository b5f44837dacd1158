package keeper

import (
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// Limits of the exits that nobody has taken.
const (
	untakenMax  = 65536          // the oldest go first
	linesMax    = 4 * untakenMax // of the exits file, before it is written anew
	exitsAtOnce = 200            // fit a datagram
)

// untaken are the exits that no daemon has journalled yet, in memory and in the
// exits file. The zero value is empty.
type untaken struct {
	all   []Exit // the oldest first
	lines int    // in the exits file, since it was emptied
	torn  bool   // the last line there may be incomplete
}

// record notes an exit, first in the file if there is one. A file that cannot be
// written costs nothing but what it is for: the exit of the case that the keeper
// dies too.
func (u *untaken) record(e Exit, file int) {
	if len(u.all) == untakenMax {
		u.all = u.all[1:]
	}
	u.all = append(u.all, e)
	if file < 0 {
		return
	}
	if u.lines++; u.lines > linesMax {
		u.empty(file)
		u.writeAll(file)
		return
	}
	u.write(file, e.appendLine(nil))
}

// writeAll writes down all that is not taken; the file has become another.
func (u *untaken) writeAll(file int) {
	var lines []byte
	for _, e := range u.all {
		lines = e.appendLine(lines)
	}
	u.lines = len(u.all)
	u.write(file, lines)
}

func (u *untaken) write(file int, lines []byte) {
	if len(lines) == 0 {
		return
	}
	if u.torn {
		lines = append([]byte("\n"), lines...)
	}
	n, err := unix.Write(file, lines)
	u.torn = err == nil && n < len(lines) || err != nil && u.torn
}

func (u *untaken) empty(file int) {
	if unix.Ftruncate(file, 0) == nil {
		u.lines, u.torn = 0, false
	}
}

// take forgets the exit of a process. The file is emptied with the last one.
func (u *untaken) take(e Exit, file int) {
	i := slices.IndexFunc(u.all, e.same)
	switch {
	case i < 0:
		return
	case i == 0:
		u.all = u.all[1:]
	default:
		u.all = slices.Delete(u.all, i, i+1)
	}
	if len(u.all) == 0 {
		u.all = nil
		if file >= 0 {
			u.empty(file)
		}
	}
}

// readFrom takes over what an earlier keeper wrote and, as far as this one knows,
// nobody has taken. An exits file that cannot be read tells nothing.
func (u *untaken) readFrom(file int) {
	// The copy is for Close; whether the file blocks makes no difference.
	c, err := unix.FcntlInt(uintptr(file), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return
	}
	f := os.NewFile(uintptr(c), ExitsName)
	defer f.Close()
	exits, _ := ReadExits(f)
	for _, told := range u.all {
		exits = slices.DeleteFunc(exits, told.same)
	}
	u.lines = len(exits)
	u.all = append(exits[max(0, len(exits)-untakenMax):], u.all...)
	u.torn = true // perhaps; an empty line more does no harm
}
