package configs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// ErrNotFound is that no tree file was found by search.
var ErrNotFound = errors.New("no tree file")

// Find searches for a tree file: coppice.toml, else Procfile, in dir and then in
// the folders above it; for root, else /etc/coppice/tree.toml. What it finds is
// used only if the file and its folder belong to the caller or root and nobody
// else may write there: whoever can write a tree file decides what is run. The
// error is ErrNotFound where there is no file at all.
func Find(dir string) (path string, err error) {
	return find(dir, os.Geteuid(), systemFile)
}

func find(dir string, uid int, system string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("cannot search for a tree file: %w", err)
	}
	for _, path := range candidates(dir, uid, system) {
		if regular(path) {
			if err := trust(path, uid); err != nil {
				return "", err
			}
			return path, nil
		}
	}
	return "", fmt.Errorf("cannot find a tree file: %w: expected %s or %s in %s or a folder above it", ErrNotFound, treeFile, procfile, safe(dir))
}

// candidates are the paths to look at, in their order.
func candidates(dir string, uid int, system string) []string {
	var paths []string
	for folder := dir; ; folder = filepath.Dir(folder) {
		paths = append(paths, filepath.Join(folder, treeFile), filepath.Join(folder, procfile))
		if folder == filepath.Dir(folder) {
			break
		}
	}
	if uid == 0 {
		paths = append(paths, system)
	}
	return paths
}

func regular(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// trust refuses a file that others may write, or put another in place of. With a
// symbolic link both ends must be safe.
func trust(path string, uid int) error {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return fmt.Errorf("cannot use the tree file %s that was found: %w", safe(path), err)
	}
	for _, part := range []string{target, filepath.Dir(target), filepath.Dir(path)} {
		info, err := os.Stat(part)
		if err != nil {
			return fmt.Errorf("cannot use the tree file %s that was found: %w", safe(path), err)
		}
		if reason := foreign(info, uid); reason != "" {
			return fmt.Errorf("cannot use the tree file %s that was found: %s %s; name it with -f if you trust it", safe(path), safe(part), reason)
		}
	}
	return nil
}

// foreign says why a file or folder is not in the caller's hands alone; "": it is.
func foreign(info os.FileInfo, uid int) string {
	owner := info.Sys().(*syscall.Stat_t)
	switch mode := info.Mode().Perm(); {
	case owner.Uid != 0 && int(owner.Uid) != uid:
		return "belongs to another user"
	case mode&0o002 != 0:
		return "may be written by everybody"
	case mode&0o020 != 0 && !ownGroup(int(owner.Gid), uid):
		return "may be written by its group"
	}
	return ""
}

// ownGroup says whether a group is the caller's alone, as it is where every user
// has a group of the same name and files are made for the group to write.
func ownGroup(gid, uid int) bool {
	users, err := os.ReadFile("/etc/passwd")
	if err != nil {
		return false
	}
	groups, err := os.ReadFile("/etc/group")
	return err == nil && privateGroup(string(users), string(groups), gid, uid)
}

// privateGroup looks into /etc/passwd (NAME:x:UID:GID:…) and /etc/group
// (NAME:x:GID:MEMBER,…): the group is the caller's own, and nobody else but root
// is in it.
func privateGroup(users, groups string, gid, uid int) bool {
	own, trusted := false, map[string]bool{"": true}
	for line := range strings.Lines(users) {
		fields := strings.Split(strings.TrimSpace(line), ":")
		if len(fields) < 4 {
			continue
		}
		who, inGroup := fields[2], fields[3] == strconv.Itoa(gid)
		switch {
		case who == strconv.Itoa(uid):
			own = own || inGroup
			trusted[fields[0]] = true
		case who == "0":
			trusted[fields[0]] = true
		case inGroup:
			return false
		}
	}
	for line := range strings.Lines(groups) {
		fields := strings.Split(strings.TrimSpace(line), ":")
		if len(fields) < 4 || fields[2] != strconv.Itoa(gid) {
			continue
		}
		for member := range strings.SplitSeq(fields[3], ",") {
			if !trusted[member] {
				return false
			}
		}
	}
	return own
}
