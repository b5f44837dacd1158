package trampoline

import (
	"os"
	"slices"

	"github.com/landlock-lsm/go-landlock/landlock"
)

// setLandlock restricts files and ports. A kernel that cannot do all of it is an error:
// half a wall is none.
func (t *trampoline) setLandlock() *Failure {
	l := t.Landlock
	if l == nil {
		return nil
	}
	if l.Files {
		var rules []landlock.Rule
		readOnly := slices.Clone(l.ReadOnly)
		if t.hasFiles() {
			readOnly = append(readOnly, credentials)
		}
		for i, path := range slices.Concat(readOnly, l.ReadWrite) {
			rule, err := fileRule(path, i >= len(readOnly))
			if err != nil {
				return fail("landlock", err, "cannot allow it %q by Landlock", path)
			}
			rules = append(rules, rule)
		}
		if err := landlock.V3.RestrictPaths(rules...); err != nil {
			return fail("landlock", err, "cannot restrict its files by Landlock (that takes Linux 6.2)")
		}
	}
	if l.Net {
		var rules []landlock.Rule
		for _, port := range l.Bind {
			rules = append(rules, landlock.BindTCP(port))
		}
		for _, port := range l.Connect {
			rules = append(rules, landlock.ConnectTCP(port))
		}
		if err := landlock.V4.RestrictNet(rules...); err != nil {
			return fail("landlock", err, "cannot restrict its ports by Landlock (that takes Linux 6.7)")
		}
	}
	return nil
}

// fileRule allows a folder with all below it, or a file.
func fileRule(path string, write bool) (landlock.Rule, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir() && write:
		return landlock.RWDirs(path).WithRefer(), nil
	case info.IsDir():
		return landlock.RODirs(path), nil
	case write:
		return landlock.RWFiles(path), nil
	}
	return landlock.ROFiles(path), nil
}
