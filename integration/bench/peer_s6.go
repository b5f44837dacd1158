package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// s6 is s6-svscan with an s6-supervise for each child, and s6-log for each log.
type s6 struct{ suite suite }

func (s *s6) name() string { return "s6" }

func (s *s6) install(ctx context.Context, dir string) (string, error) {
	version, err := s.suite.find(ctx, dir, "s6", "s6-svscan", "s6-supervise", "s6-svc", "s6-svstat", "s6-log")
	if err == nil && s.suite.root != "" {
		err = s.relocate()
	}
	return version, err
}

// The programs of s6 know each other by absolute paths. In the unpacked ones the folder is replaced by one
// of a path as long, below the working directory: a link that is made in every scan directory.
const (
	s6Compiled = "/usr/bin/s6"
	s6Here     = ".bin/////s6"
	s6Link     = ".bin"
)

func (s *s6) relocate() error {
	if err := s.wrapListener(); err != nil {
		return err
	}
	return filepath.WalkDir(filepath.Join(s.suite.root, "usr"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil || !bytes.HasPrefix(b, []byte("\x7fELF")) || !bytes.Contains(b, []byte(s6Compiled)) {
			return err
		}
		return os.WriteFile(path, bytes.ReplaceAll(b, []byte(s6Compiled), []byte(s6Here)), 0o755)
	})
}

// wrapListener puts a script before s6-ftrigrd, which waits for events on behalf of s6-svc -w: it is started with an
// empty environment, and would not find its libraries. That costs the waiting commands the start of a shell.
func (s *s6) wrapListener() error {
	const name = "s6-ftrigrd"
	path := s.suite.program(name)
	unpacked := path + ".unpacked"
	if _, err := os.Stat(unpacked); errors.Is(err, fs.ErrNotExist) {
		if err := os.Rename(path, unpacked); err != nil {
			return err
		}
	}
	script := "#!/bin/sh\nexport " + strings.Join(s.suite.environ(), " ") + "\nexec " + unpacked + "\n"
	return os.WriteFile(path, []byte(script), 0o755)
}

func (s *s6) terms() terms { return terms{delay: "1 s after every death"} }

func (s *s6) prepare(_ context.Context, j job) (run, error) {
	var logger []string
	if o := j.output; o != nil {
		logger = []string{"s6-log", fmt.Sprintf("s%d", o.size), fmt.Sprintf("n%d", o.keep), "./main"}
	}
	scan, err := newScanDir(j, logger)
	if err == nil && s.suite.root != "" {
		err = os.Symlink(filepath.Dir(s.suite.program("s6-svscan")), filepath.Join(string(scan), s6Link))
	}
	const loggersToo = 2
	argv := []string{s.suite.program("s6-svscan"), "-c", strconv.Itoa(loggersToo*len(j.children) + 1), string(scan)}
	return &s6Run{foreground{job: j, argv: argv, env: s.suite.environ(), ask: syscall.SIGTERM}, s.suite, scan}, err
}

type s6Run struct {
	foreground
	suite suite
	scan  scanDir
}

func (r *s6Run) control() *control {
	svc := func(child string, words ...string) []string {
		return append(append([]string{r.suite.program("s6-svc")}, words...), r.scan.service(child))
	}
	return &control{
		dir: string(r.scan),
		env: append(r.job.environ(), r.suite.environ()...),
		// One program tells of one service, so all of them take a loop.
		status: []string{"/bin/sh", "-c", "for s in c*; do " + r.suite.program("s6-svstat") + " $s; done"},
		stop:   func(child string) []string { return svc(child, "-wd", "-d") },
		start:  func(child string) []string { return svc(child, "-wu", "-u") },
	}
}

func (r *s6Run) logs() ([]string, error) { return r.scan.files(r.job) }
