package configs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unicode/utf8"

	"coppice/tree"
)

const (
	// fileBytesMax is the size of a tree file.
	fileBytesMax = 4 << 20
	// readsMax is how often a file is read again because it changed meanwhile.
	readsMax = 5
)

// Config is a tree file that was read and is right.
type Config struct {
	// Name is the tree's name.
	Name string
	// Path is the absolute path of the file, Dir its folder.
	Path, Dir string
	// Source is the file as it was read.
	Source []byte
	// Spec is the root of the tree: type Supervisor, ID "root". The Start of
	// every process in it is a *Process.
	Spec tree.ChildSpec
	// LogTotal is how many bytes all output of all processes may take on disk; 0:
	// no limit.
	LogTotal int64
	// Settings are what else there is to know of each process, by its name. Processes
	// share them: they are replaced and never written to.
	Settings map[string]*Settings
}

// Processes are the processes of the tree in the order of their supervisors'
// lists. What is yielded belongs to the Config.
func (c *Config) Processes() iter.Seq[*tree.ChildSpec] {
	return func(yield func(*tree.ChildSpec) bool) { eachProcess(&c.Spec, yield) }
}

// eachProcess says whether yield wants more.
func eachProcess(s *tree.ChildSpec, yield func(*tree.ChildSpec) bool) bool {
	if s.Type == tree.Process {
		return yield(s)
	}
	for i := range s.Children {
		if !eachProcess(&s.Children[i], yield) {
			return false
		}
	}
	return true
}

// SettingsOf are those of a process; where there is none of that name, no settings.
func (c *Config) SettingsOf(name string) Settings {
	if s := c.Settings[name]; s != nil {
		return *s
	}
	return Settings{}
}

// LongestName is the length of the longest name of a process.
func (c *Config) LongestName() int {
	longest := 0
	for s := range c.Processes() {
		longest = max(longest, len(s.ID))
	}
	return longest
}

// Load reads the tree file or Procfile at path. The environment, NAME=value as
// of os.Environ, is what ${NAME} stands for and what processes inherit. The
// error is Faults if the file could be read and is wrong.
func Load(path string, environ []string) (*Config, error) {
	src, err := readFile(path, fileBytesMax)
	switch {
	case errors.Is(err, errTooBig):
		return nil, Faults{{File: path, Text: "the file is too big: expected at most 4 MiB"}}
	case err != nil:
		return nil, fmt.Errorf("cannot read the tree file %s: %s", safe(path), cause(err))
	}
	return Parse(path, src, environ)
}

// Parse reads a tree file that is in memory: a Procfile if path is named so
// (Procfile, Procfile.dev), else TOML. Its env_files are read from disk.
func Parse(path string, src []byte, environ []string) (*Config, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("cannot find the folder of %s: %w", safe(path), err)
	}
	dir := filepath.Dir(absolute)
	l := &loading{
		config: &Config{
			Name: folderName(filepath.Base(dir)), Path: absolute, Dir: dir, Source: src,
			Settings: map[string]*Settings{},
		},
		collector: &collector{},
		main:      &source{file: path, text: strings.TrimPrefix(string(src), "\ufeff")},
		inherited: inherit(environ),
		envFiles:  map[string]envFileRead{},

		defaultLog: DefaultLog(),
	}
	if l.text(len(src)) {
		if isProcfile(path) {
			l.procfile()
		} else {
			l.treeFile()
		}
	}
	if faults := l.collector.faults(); faults != nil {
		return nil, faults
	}
	return l.config, nil
}

// isProcfile says whether a file is one by its name: Procfile, Procfile.dev.
func isProcfile(path string) bool {
	base := filepath.Base(path)
	return base == procfile || strings.HasPrefix(base, procfile+".")
}

// loading is one file on its way to a Config.
type loading struct {
	config    *Config
	collector *collector
	main      *source
	inherited *environment
	envFiles  map[string]envFileRead // by absolute path
	spent     int                    // bytes that variables came to

	accounts    *Accounts // of the host, once they are needed
	accountsErr error

	defaultLog Log // how output is kept where a process says nothing

	lastSettings *Settings // of the process that was read last
}

// text says whether the file is text that can be looked at further.
func (l *loading) text(size int) bool {
	src := l.main
	switch at := invalidUTF8(src.text); {
	case size > fileBytesMax:
		l.collector.add(src, nowhere, nil, "the file is too big: expected at most 4 MiB")
	case blank(src.text):
		l.collector.add(src, nowhere, nil, "the file is empty: expected at least one process")
	case strings.HasPrefix(src.text, "\xff\xfe"), strings.HasPrefix(src.text, "\xfe\xff"):
		l.collector.add(src, nowhere, nil, "the file is UTF-16: expected UTF-8 text")
	case at >= 0:
		l.collector.add(src, span{at, at + 1}, nil, "a byte that is no UTF-8, 0x%02X: expected UTF-8 text", src.text[at])
	default:
		return true
	}
	return false
}

// invalidUTF8 is where a text stops being UTF-8; -1: it is.
func invalidUTF8(text string) int {
	if utf8.ValidString(text) {
		return -1
	}
	for i, r := range text {
		if r == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD") {
			return i
		}
	}
	return -1
}

var (
	errTooBig     = errors.New("it is too big")
	errNotRegular = errors.New("it is no regular file")
	errChanging   = errors.New("it is being written to")
)

// readFile reads a regular file whole and at one moment: neither a FIFO nor a
// device can make it wait, and a file that changes while it is read is read
// again, so that what is used was there.
func readFile(path string, bytesMax int64) ([]byte, error) {
	// Without O_NONBLOCK, opening a FIFO waits for who writes to it.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for range readsMax {
		before, err := f.Stat()
		switch {
		case err != nil:
			return nil, err
		case !before.Mode().IsRegular():
			return nil, errNotRegular
		case before.Size() > bytesMax:
			return nil, errTooBig
		}
		data, err := io.ReadAll(io.NewSectionReader(f, 0, bytesMax+1))
		if err != nil {
			return nil, err
		}
		after, err := f.Stat()
		if err != nil {
			return nil, err
		}
		if int64(len(data)) == after.Size() && after.Size() == before.Size() && after.ModTime().Equal(before.ModTime()) {
			return data, nil
		}
	}
	return nil, errChanging
}

// cause is why a file could not be read, without its path.
func cause(err error) string {
	if e := (*fs.PathError)(nil); errors.As(err, &e) {
		return e.Err.Error()
	}
	return err.Error()
}
