package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// scanDir is the folder of service folders in a life's, for the descendants of daemontools: a folder for each child
// with a program named run, and one named log/run that gets its output on a pipe.
type scanDir string

// newScanDir makes the folders. logger are the words of the command that writes a log into the folder ./main; nil: no logs.
func newScanDir(j job, logger []string) (scanDir, error) {
	scan := scanDir(j.path("scan"))
	for _, c := range j.children {
		if err := writeScript(scan.service(c.name), c.argv); err != nil {
			return scan, err
		}
		if logger == nil {
			continue
		}
		if err := writeScript(filepath.Join(scan.service(c.name), "log"), logger); err != nil {
			return scan, err
		}
		if err := os.Mkdir(scan.logDir(c.name), 0o755); err != nil {
			return scan, err
		}
	}
	return scan, nil
}

// writeScript makes a service folder: the program run is a script of the shell, as everybody writes it.
func writeScript(dir string, argv []string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	script := "#!/bin/sh\nexec " + strings.Join(argv, " ") + "\n"
	return os.WriteFile(filepath.Join(dir, "run"), []byte(script), 0o755)
}

func (s scanDir) service(child string) string { return filepath.Join(string(s), child) }

func (s scanDir) logDir(child string) string { return filepath.Join(s.service(child), "log", "main") }

// services are the folders of all children; below is a folder in each ("": the folder itself).
func (s scanDir) services(j job, below string) []string {
	all := make([]string, len(j.children))
	for i, c := range j.children {
		all[i] = filepath.Join(s.service(c.name), below)
	}
	return all
}

// files are the logs of all children: what was rotated away, named by its time, and then the current one.
func (s scanDir) files(j job) ([]string, error) {
	var all []string
	for _, c := range j.children {
		old, err := filepath.Glob(filepath.Join(s.logDir(c.name), "@*"))
		if err != nil {
			return nil, err
		}
		all = append(append(all, old...), filepath.Join(s.logDir(c.name), "current"))
	}
	return all, nil
}

// gone returns when no supervisor of a life is left, wherever its parents have gone.
func gone(ctx context.Context, j job) error {
	for _, pid := range marked(j.dir) {
		for alive(pid) && !isChild(pid) {
			select {
			case <-ctx.Done():
				return fmt.Errorf("process %d does not end: %w", pid, context.Cause(ctx))
			case <-time.After(time.Millisecond):
			}
		}
	}
	return nil
}
