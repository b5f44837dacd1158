package footprint

import (
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// program are the parts of this program's file that are mapped and were never
// written to: its code and its constants.
var program = sync.OnceValue(func() []span {
	text, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return nil
	}
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return nil
	}
	return mappings(string(text), self)
})

// mappings reads proc_pid_smaps(5): the private mappings of a file that cannot be
// written to, without those in which a page is no longer the file's (relocations, a
// debugger's breakpoints): what was changed would be lost.
func mappings(smaps, file string) []span {
	var all []span
	var candidate span
	var is bool
	for line := range strings.Lines(smaps) {
		fields := strings.Fields(line)
		switch {
		case len(fields) >= 6 && !strings.HasSuffix(fields[0], ":"):
			candidate, is = parseSpan(fields[0])
			is = is && strings.Join(fields[5:], " ") == file && (fields[1] == "r-xp" || fields[1] == "r--p")
		case is && len(fields) == 3 && fields[0] == "Anonymous:" && fields[1] == "0":
			all = append(all, candidate)
		}
	}
	return all
}

// span is a range of addresses: "400000-95c000".
type span struct{ begin, length uintptr }

func parseSpan(addresses string) (s span, ok bool) {
	from, to, _ := strings.Cut(addresses, "-")
	begin, err1 := strconv.ParseUint(from, 16, 64)
	end, err2 := strconv.ParseUint(to, 16, 64)
	return span{uintptr(begin), uintptr(end - begin)}, err1 == nil && err2 == nil && begin < end
}

// trimProgram lets go of the pages of the program: MADV_DONTNEED, madvise(2). The code
// that does so comes back at once.
func trimProgram() {
	for _, s := range program() {
		// Pages that stay cost what they cost.
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, s.begin, s.length, unix.MADV_DONTNEED)
	}
}
