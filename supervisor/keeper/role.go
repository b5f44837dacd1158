package keeper

import (
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// roleVariable tells a process of ours what it is to be: "daemon:FD[:nohup]"
	// or "keeper:FD". It is gone from the environment before main runs.
	roleVariable = "COPPICE_ROLE"
	// keeperVariable is "off" for a daemon that wants no keeper.
	keeperVariable = "COPPICE_KEEPER"
	// reportVariable is the number of a descriptor that is meant for the first
	// daemon alone; see doc.go.
	reportVariable = "COPPICE_REPORT"
)

// What the daemon and a taken-over keeper are called by ps(1) and top(1).
const (
	keeperName = "coppice"
	daemonName = "coppice-daemon"
)

// linked is the daemon's end of the link; nil in a process that has no keeper.
var linked *Link

// init decides what this process is, before the packages that only a daemon or a
// command needs have been initialised: a keeper never returns from here.
func init() {
	role := os.Getenv(roleVariable)
	if role != "" {
		os.Unsetenv(roleVariable)
	}
	word, rest, _ := strings.Cut(role, ":")
	switch {
	case word == "daemon":
		linked = linkOf(rest)
	case word == "keeper":
		succeed(rest)
	case meansKeeper(os.Args) && os.Getenv(keeperVariable) != "off":
		nameProcess(keeperName) // `up -d` has executed /proc/self/exe, by which it would be known
		begin()
	}
}

// linkOf is the link that a keeper has left in a descriptor: "FD" or "FD:nohup".
func linkOf(role string) *Link {
	number, flag, _ := strings.Cut(role, ":")
	fd, err := strconv.Atoi(number)
	if err != nil || fd < 3 {
		return nil
	}
	nameProcess(daemonName)
	return newLink(fd, flag == "nohup")
}

// nameProcess sets the name that the kernel shows, at most 15 bytes of it; see
// PR_SET_NAME in prctl(2). It must run on the main thread, as every init does.
func nameProcess(name string) {
	text, err := unix.BytePtrFromString(name)
	if err == nil {
		_ = unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(text)), 0, 0, 0) // nothing depends on it
	}
}

// takesValue: the value of this flag of the command line is the next word.
func takesValue(flag string) bool {
	switch flag {
	case "--file", "--state", "--socket":
		return true
	}
	short := strings.HasPrefix(flag, "-") && !strings.HasPrefix(flag, "--")
	return short && strings.IndexByte(flag, 'f') == len(flag)-1 // -f, or -wf
}

// meansKeeper says whether a command line asks for a tree in the foreground: its
// first word that is no flag is `up` or `daemon`, and nothing asks for help or for
// the background. The command line is parsed properly by the daemon, and how that
// ends is passed on, so that being wrong here costs a process and nothing else.
func meansKeeper(argv []string) bool {
	command := ""
	for i := 1; i < len(argv); i++ {
		word := argv[i]
		switch {
		case word == "--":
			return command != ""
		case asksOtherwise(word):
			return false
		case takesValue(word):
			i++
		case strings.HasPrefix(word, "-") && word != "-":
		case command == "":
			if command = word; command != "up" && command != "daemon" {
				return false
			}
		}
	}
	return command != ""
}

// asksOtherwise: a flag for the background or for help, alone or, as one letter,
// among others.
func asksOtherwise(flag string) bool {
	name, _, _ := strings.Cut(flag, "=")
	if name == "--detach" || name == "--help" {
		return true
	}
	if !strings.HasPrefix(name, "-") || strings.HasPrefix(name, "--") {
		return false
	}
	letters, _, _ := strings.Cut(name[1:], "f") // what follows -f is a file
	return strings.ContainsAny(letters, "dh")
}
