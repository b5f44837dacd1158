package keeper

import (
	"hash/crc32"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// Exit is how a process ended that its own parent, an earlier daemon, did not
// live to see: a fact from the kernel, never a guess.
type Exit struct {
	PID    int            // its number, which is free to be another's by now
	Start  uint64         // field 22 of /proc/PID/stat, in clock ticks since boot; 0: it could not be read
	Inode  uint64         // of its pidfd, unique until reboot (pidfs, Linux 6.9); 0 on older kernels
	Code   int            // 0 to 255; meaningless when Signal is set
	Signal syscall.Signal // that killed it; 0: it exited
	Wall   int64          // when the keeper saw it, nanoseconds since 1970
}

// same says that two exits are of one process.
func (e Exit) same(other Exit) bool {
	return e.PID == other.PID && e.Start == other.Start && e.Inode == other.Inode
}

// exitFields is how many numbers an exit is written as.
const exitFields = 6

// appendText writes an exit as six decimal numbers.
func (e Exit) appendText(b []byte) []byte {
	b = strconv.AppendInt(b, int64(e.PID), 10)
	b = strconv.AppendUint(append(b, ' '), e.Start, 10)
	b = strconv.AppendUint(append(b, ' '), e.Inode, 10)
	b = strconv.AppendInt(append(b, ' '), int64(e.Code), 10)
	b = strconv.AppendInt(append(b, ' '), int64(e.Signal), 10)
	return strconv.AppendInt(append(b, ' '), e.Wall, 10)
}

// parseExit reads what appendText wrote.
func parseExit(text string) (Exit, bool) {
	var numbers [exitFields]uint64
	for i := range numbers {
		word, rest, more := strings.Cut(text, " ")
		if more == (i == exitFields-1) {
			return Exit{}, false
		}
		n, err := strconv.ParseUint(word, 10, 64)
		if err != nil {
			return Exit{}, false
		}
		numbers[i], text = n, rest
	}
	if numbers[0] < 1 || numbers[0] > pidMax || numbers[3] > 255 || numbers[4] > signalMax || numbers[5] > 1<<63-1 {
		return Exit{}, false
	}
	return Exit{
		PID: int(numbers[0]), Start: numbers[1], Inode: numbers[2],
		Code: int(numbers[3]), Signal: syscall.Signal(numbers[4]), Wall: int64(numbers[5]),
	}, true
}

// Limits of the kernel.
const (
	pidMax    = 1 << 22 // PID_MAX_LIMIT, proc(5)
	signalMax = 64
)

// appendLine writes an exit as a line of the exits file: its text and the CRC-32
// (IEEE) of the text, in eight hexadecimal digits.
func (e Exit) appendLine(b []byte) []byte {
	from := len(b)
	b = e.appendText(b)
	sum := crc32.ChecksumIEEE(b[from:])
	b = append(b, ' ')
	for shift := 28; shift >= 0; shift -= 4 {
		b = append(b, "0123456789abcdef"[sum>>shift&15])
	}
	return append(b, '\n')
}

// parseLine reads a line of the exits file, without its end.
func parseLine(line string) (Exit, bool) {
	cut := strings.LastIndexByte(line, ' ')
	if cut < 0 || len(line)-cut != 9 {
		return Exit{}, false
	}
	sum, err := strconv.ParseUint(line[cut+1:], 16, 32)
	if err != nil || uint32(sum) != crc32.ChecksumIEEE([]byte(line[:cut])) {
		return Exit{}, false
	}
	return parseExit(line[:cut])
}

// ReadExits returns what an exits file holds, in the order of its lines: for a
// start where no keeper has lived to tell. Lines that are torn or damaged are left
// out, and so is the second line of one process. The file's offset stays where it
// is. The error is one of reading; what was read before it is returned.
//
// A daemon that has no earlier keeper's word reads the file before it puts it into
// the new keeper, which may empty it at any time from then on.
func ReadExits(file *os.File) ([]Exit, error) {
	var exits []Exit
	known := map[Exit]bool{}
	text, err := io.ReadAll(io.NewSectionReader(file, 0, 1<<62))
	for line := range strings.Lines(string(text)) {
		e, ok := parseLine(strings.TrimSuffix(line, "\n"))
		who := Exit{PID: e.PID, Start: e.Start, Inode: e.Inode}
		if ok && !known[who] {
			known[who] = true
			exits = append(exits, e)
		}
	}
	return exits, err
}
