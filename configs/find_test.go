package configs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// makeFile makes a file with its folders, as one who lets nobody else write.
func makeFile(t *testing.T, path string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// The search goes up from a folder: coppice.toml, else Procfile, in each; for
// root, else the system's tree.
func TestFind(t *testing.T) {
	root := t.TempDir()
	system := makeFile(t, root+"/etc/tree.toml")
	project := makeFile(t, root+"/project/coppice.toml")
	makeFile(t, root+"/project/Procfile")
	inner := makeFile(t, root+"/project/a/b/Procfile")
	if err := os.MkdirAll(root+"/project/a/b/coppice.toml", 0o755); err != nil { // a folder is no file
		t.Fatal(err)
	}
	uid := os.Geteuid()
	for dir, want := range map[string]string{
		"project": project, "project/a": project, "project/a/b": inner, "project/none/at/all": project,
	} {
		if got, err := find(filepath.Join(root, dir), uid, system); got != want || err != nil {
			t.Errorf("%s: got %s, %v", dir, got, err)
		}
	}
	if got, err := find(root, 0, system); uid == 0 && (got != system || err != nil) {
		t.Errorf("root: got %s, %v", got, err)
	}
	_, err := find(root, 1000, system)
	if !errors.Is(err, ErrNotFound) || err.Error() != "cannot find a tree file: no tree file: expected coppice.toml or Procfile in "+root+" or a folder above it" {
		t.Errorf("got %v", err)
	}
	t.Chdir(filepath.Dir(project))
	if got, err := Find("."); got != project || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
}

// What is found is used only if it and its folder belong to the caller or root,
// and nobody else may write there.
func TestFindTrustsOnlyTheOwner(t *testing.T) {
	uid := os.Geteuid()
	for name, test := range map[string]struct {
		change func(file string) error
		caller int
		want   string
	}{
		"file for all":        {func(f string) error { return os.Chmod(f, 0o666) }, uid, "coppice.toml may be written by everybody"},
		"folder for all":      {func(f string) error { return os.Chmod(filepath.Dir(f), 0o777) }, uid, "dir may be written by everybody"},
		"sticky folder":       {func(f string) error { return os.Chmod(filepath.Dir(f), os.ModeSticky|0o777) }, uid, "dir may be written by everybody"},
		"readable for all":    {func(f string) error { return os.Chmod(f, 0o444) }, uid, ""},
		"of another":          {func(string) error { return nil }, uid + 1, otherOwner(uid)},
		"link to a safe file": {func(f string) error { return relink(f, filepath.Dir(f)+"/real.toml", 0o755) }, uid, ""},
		"link to an open place": {
			func(f string) error { return relink(f, filepath.Dir(f)+"/open/real.toml", 0o777) }, uid,
			"open may be written by everybody",
		},
	} {
		t.Run(name, func(t *testing.T) {
			file := makeFile(t, t.TempDir()+"/dir/coppice.toml")
			if err := test.change(file); err != nil {
				t.Fatal(err)
			}
			got, err := find(filepath.Dir(file), test.caller, "")
			switch {
			case got != map[bool]string{true: file}[err == nil]:
				t.Errorf("found %s, %v", got, err)
			case test.want == "" && err != nil, test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("got %v, want %q", err, test.want)
			case err != nil && !strings.HasPrefix(err.Error(), "cannot use the tree file "+file+" that was found: "),
				err != nil && !strings.HasSuffix(err.Error(), "; name it with -f if you trust it"):
				t.Errorf("it says: %v", err)
			}
		})
	}
}

// otherOwner is what is said of a file of uid to another: root's are trusted.
func otherOwner(uid int) string {
	if uid == 0 {
		return ""
	}
	return "coppice.toml belongs to another user"
}

// relink puts a symbolic link in the place of a file.
func relink(file, target string, folderMode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	return errors.Join(os.Rename(file, target), os.Chmod(filepath.Dir(target), folderMode), os.Symlink(target, file))
}

func TestFindDistrustsFilesOfOthers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file to another user")
	}
	file := makeFile(t, t.TempDir()+"/dir/coppice.toml")
	for _, path := range []string{file, filepath.Dir(file)} {
		if err := os.Chown(path, 4242, 4242); err != nil {
			t.Fatal(err)
		}
		if _, err := find(filepath.Dir(file), 0, ""); err == nil || !strings.Contains(err.Error(), " belongs to another user;") {
			t.Errorf("%s: got %v", path, err)
		}
	}
	if _, err := find(filepath.Dir(file), 4242, ""); err != nil {
		t.Errorf("its owner: got %v", err)
	}
	if err := os.Chmod(file, 0o664); err != nil {
		t.Fatal(err)
	}
	if _, err := find(filepath.Dir(file), 4242, ""); err == nil || !strings.Contains(err.Error(), "coppice.toml may be written by its group;") {
		t.Errorf("its group: got %v", err)
	}
}

// A group that only the caller is in is as good as the caller.
func TestPrivateGroup(t *testing.T) {
	const users = "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\nbob:x:1001:1001::/:\neve:x:1002:1003::/:\nbroken\n"
	for _, test := range []struct {
		groups   string
		gid, uid int
		want     bool
	}{
		{"ann:x:1000:\n", 1000, 1000, true},
		{"ann:x:1000:ann,root\n", 1000, 1000, true},
		{"ann:x:1000:bob\n", 1000, 1000, false},
		{"ann:x:1000:ann,bob\n", 1000, 1000, false},
		{"ann:x:1000:", 1000, 1001, false},
		{"staff:x:50:ann\n", 50, 1000, false},
		{"bob:x:1001:\n", 1001, 1000, false},
		{"", 1003, 1002, true},
		{"root:x:0:\n", 0, 0, true},
	} {
		if got := privateGroup(users, test.groups, test.gid, test.uid); got != test.want {
			t.Errorf("%q, group %d, user %d: got %v", test.groups, test.gid, test.uid, got)
		}
	}
	if privateGroup("ann:x:1000:1000::/:\nbob:x:1001:1000::/:\n", "ann:x:1000:\n", 1000, 1000) {
		t.Error("a group that is another's first one is private")
	}
}
