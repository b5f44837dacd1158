package process

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// user is who wants to execute a file. It serves to explain a refusal of the
// kernel, never to foresee one: access lists and capabilities are not looked at.
type user struct {
	uid, gid uint32
	groups   []uint32
}

// userOf returns the user that a child runs as, nil being the daemon's own.
func userOf(credential *syscall.Credential) user {
	if credential != nil {
		return user{credential.Uid, credential.Gid, credential.Groups}
	}
	who := user{uid: uint32(os.Geteuid()), gid: uint32(os.Getegid())}
	groups, _ := os.Getgroups() // without them a refusal is explained less well
	for _, group := range groups {
		who.groups = append(who.groups, uint32(group))
	}
	return who
}

// String is "user 1000".
func (who user) String() string { return fmt.Sprintf("user %d", who.uid) }

// mayExecute says whether the mode of a file lets somebody execute it, or enter
// it if it is a directory; see path_resolution(7).
func (who user) mayExecute(info os.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return true
	}
	mode := info.Mode().Perm()
	switch {
	case who.uid == 0:
		return info.IsDir() || mode&0o111 != 0
	case who.uid == stat.Uid:
		return mode&0o100 != 0
	case who.gid == stat.Gid, slices.Contains(who.groups, stat.Gid):
		return mode&0o010 != 0
	}
	return mode&0o001 != 0
}

// closedAt returns the first directory on the way to a file that a user may not
// enter, or nothing.
func closedAt(path string, user *syscall.Credential) string {
	who := userOf(user)
	closed := ""
	for parent := filepath.Dir(path); ; parent = filepath.Dir(parent) {
		info, err := os.Stat(parent)
		if err == nil && info.IsDir() && !who.mayExecute(info) {
			closed = parent
		}
		if parent == filepath.Dir(parent) {
			return closed
		}
	}
}
