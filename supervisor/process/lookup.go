package process

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// defaultPath is where programs are looked up if a child has no PATH.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// lookup returns the files that the program of a command may mean, the best
// first: one with a slash means itself, others are looked up in the child's PATH,
// where an empty or relative entry is relative to the child's directory, as in
// execvp(3). Files that nobody may execute are skipped; whether this child may
// execute the others, exec decides.
func lookup(c *Command) ([]string, *failure) {
	if len(c.Argv) == 0 || c.Argv[0] == "" {
		return nil, &failure{Cause: "cannot execute: the command is empty", Key: "command"}
	}
	program := c.Argv[0]
	if strings.Contains(program, "/") {
		return []string{program}, nil
	}
	var files []string
	skipped := ""
	path := pathOf(c.Env)
	for _, directory := range strings.Split(path, ":") {
		file := directory + "/" + program
		if directory == "" {
			file = "./" + program
		}
		info, err := os.Stat(within(c.Dir, file))
		switch {
		case err != nil || info.IsDir():
		case info.Mode()&0o111 != 0:
			files = append(files, file)
		case skipped == "":
			skipped = file
		}
	}
	switch {
	case len(files) > 0:
		return files, nil
	case skipped != "":
		f := explain(c, skipped, syscall.EACCES)
		return nil, &f
	}
	f := notFound(program, path)
	return nil, &f
}

// pathOf returns the PATH of an environment.
func pathOf(env []string) string {
	for _, variable := range env {
		if path, ok := strings.CutPrefix(variable, "PATH="); ok {
			return path
		}
	}
	return defaultPath
}

// within returns the path by which the daemon reaches what a child in the given
// directory calls file.
func within(dir, file string) string {
	if filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(dir, file)
}
