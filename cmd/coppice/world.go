package main

import (
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// systemFile is root's own tree; its state lies where a system's state lies.
const systemFile = "/etc/coppice/tree.toml"

// wideEnough is the width of a page where there is no terminal to be narrow.
const wideEnough = 1 << 16

// world is all that a command takes from its surroundings.
type world struct {
	in       io.Reader
	out, err io.Writer
	environ  []string
	dir      string // the working folder
	root     bool   // the caller is root
	tty      bool   // out is a terminal
	width    int    // of the terminal; wideEnough without one
	now      func() time.Time
}

// processWorld is the surroundings of this process.
func processWorld() world {
	w := world{
		in: os.Stdin, out: os.Stdout, err: os.Stderr,
		environ: os.Environ(), root: os.Geteuid() == 0,
		width: wideEnough, now: time.Now,
	}
	// A working folder that was removed leaves no place to search from; -f,
	// --state and --socket still work.
	w.dir, _ = os.Getwd()
	fd := int(os.Stdout.Fd())
	if w.tty = term.IsTerminal(fd); w.tty {
		if width, _, err := term.GetSize(fd); err == nil && width > 0 {
			w.width = width
		}
	}
	return w
}

// env is a variable of the environment, "" when it is not set.
func (w world) env(name string) string {
	value := ""
	for _, pair := range w.environ {
		if v, found := strings.CutPrefix(pair, name+"="); found {
			value = v
		}
	}
	return value
}

// colour says whether the page may have colours.
func (w world) colour() bool {
	return w.tty && w.env("NO_COLOR") == "" && w.env("TERM") != "dumb"
}
