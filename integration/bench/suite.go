package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// suite is where the programs of a peer are: on PATH, or in packages of Debian that were unpacked
// into a folder of the bench's. None of those is installed: no script of theirs runs and nothing of the system changes.
type suite struct {
	version string
	root    string // what the packages were unpacked into; "": the programs are on PATH
}

// unpackedMark is the file that says which version has been unpacked beside it, completely.
const unpackedMark = "version"

// find takes the programs from PATH if all of them are there, else from what an earlier run has unpacked
// in dir, else it gets the Debian package that has them.
func (s *suite) find(ctx context.Context, dir, pkg string, programs ...string) (string, error) {
	s.root = ""
	if allOnPath(programs) {
		out, err := exec.CommandContext(ctx, "dpkg-query", "--show", "--showformat=${Version}", pkg).Output()
		if s.version = string(out); err != nil || s.version == "" {
			s.version = "of PATH"
		}
		return s.version, nil
	}
	version, err := os.ReadFile(filepath.Join(dir, unpackedMark))
	if errors.Is(err, os.ErrNotExist) {
		version, err = unpack(ctx, dir, pkg)
	}
	if err != nil {
		return "", err
	}
	s.version, s.root = string(version), filepath.Join(dir, "root")
	for _, p := range programs {
		if _, err := os.Stat(s.program(p)); err != nil {
			return "", fmt.Errorf("package %s has no %s", pkg, p)
		}
	}
	return s.version, nil
}

func allOnPath(programs []string) bool {
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			return false
		}
	}
	return true
}

// unpack downloads a package, and all that it needs and the machine lacks, and unpacks them into dir/root.
func unpack(ctx context.Context, dir, pkg string) ([]byte, error) {
	out, err := captured(exec.CommandContext(ctx, "apt-get", "--simulate", "--no-install-recommends", "install", pkg))
	if err != nil {
		return nil, err
	}
	wanted, version := lacking(string(out), pkg)
	if version == "" {
		return nil, fmt.Errorf("apt-get does not offer %s", pkg)
	}
	debs, root := filepath.Join(dir, "debs"), filepath.Join(dir, "root")
	for _, d := range []string{debs, root} { // of a run that was interrupted
		if err := errors.Join(os.RemoveAll(d), os.MkdirAll(d, 0o755)); err != nil {
			return nil, err
		}
	}
	get := exec.CommandContext(ctx, "apt-get", append([]string{"download"}, wanted...)...)
	get.Dir = debs
	if _, err := captured(get); err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(debs, "*.deb"))
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if _, err := captured(exec.CommandContext(ctx, "dpkg", "--extract", f, root)); err != nil {
			return nil, err
		}
	}
	return []byte(version), os.WriteFile(filepath.Join(dir, unpackedMark), []byte(version), 0o600)
}

// lacking reads what apt-get would do: the packages that it would install, as name=version, and the version of pkg.
// Its lines are "Inst NAME [OLD VERSION] (VERSION SOURCE …)".
func lacking(plan, pkg string) (wanted []string, version string) {
	for line := range strings.Lines(plan) {
		words := strings.Fields(line)
		_, behind, ok := strings.Cut(line, "(")
		if !ok || words[0] != "Inst" {
			continue
		}
		v, _, _ := strings.Cut(behind, " ")
		wanted = append(wanted, words[1]+"="+v)
		if words[1] == pkg {
			version = v
		}
	}
	return wanted, version
}

// captured is what a command prints; its error is the last line that it said.
func captured(cmd *exec.Cmd) ([]byte, error) {
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		lines := strings.Split(strings.TrimSpace(string(exit.Stderr)), "\n")
		err = fmt.Errorf("%s %s: %w: %s", filepath.Base(cmd.Args[0]), cmd.Args[1], err, lines[len(lines)-1])
	}
	return out, err
}

// program is the path of one of its programs.
func (s *suite) program(name string) string {
	if s.root == "" {
		path, _ := exec.LookPath(name)
		return path
	}
	for _, dir := range s.dirs() {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return filepath.Join(s.root, name)
}

// dirs are the folders of programs.
func (s *suite) dirs() []string {
	var all []string
	for _, dir := range []string{"usr/bin", "usr/sbin", "bin", "sbin", "usr/lib/systemd", "lib/systemd"} {
		all = append(all, filepath.Join(s.root, dir))
	}
	return all
}

// environ is what the programs need in their environment to find each other and their libraries.
func (s *suite) environ() []string {
	if s.root == "" {
		return nil
	}
	var libraries []string
	for _, pattern := range []string{"usr/lib/*-linux-gnu", "usr/lib/*-linux-gnu/systemd", "lib/*-linux-gnu"} {
		dirs, _ := filepath.Glob(filepath.Join(s.root, pattern))
		libraries = append(libraries, dirs...)
	}
	all := []string{
		"PATH=" + strings.Join(append(s.dirs(), os.Getenv("PATH")), ":"),
		"LD_LIBRARY_PATH=" + strings.Join(libraries, ":"),
	}
	python := filepath.Join(s.root, "usr/lib/python3/dist-packages")
	if _, err := os.Stat(python); err == nil {
		all = append(all, "PYTHONPATH="+python)
	}
	return all
}
