package trampoline

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// credentials is where secrets are that reach a child as files.
const credentials = "/run/credentials"

// spread are the folders of the kernel, which read_only = ["/"] leaves as they are.
var spread = []View{{"read_write", "/dev", true}, {"read_write", "/proc", true}, {"read_write", "/sys", true}}

// scene is a mount namespace that is being made.
type scene struct {
	views  []View
	copies map[string]int // trees of mounts as they were before anything was changed, by path
	hidden []int          // copies of an empty file or folder, one for each view that hides something
}

// mount gives the child a mount namespace of its own, from which nothing gets out and
// into which nothing gets in; the host's mounts stay as they are.
func (t *trampoline) mount() *Failure {
	key := t.wantsMounts()
	if key == "" {
		return nil
	}
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		f := fail(key, err, "cannot make a mount namespace")
		if errnoOf(err) == syscall.EPERM {
			f.Cause += " (that takes root, or CAP_SYS_ADMIN)"
			if key == "secret" {
				f.Cause += `; as = "fd" takes neither`
			}
		}
		return f
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fail(key, err, "cannot make its mounts private")
	}
	if f := t.changeRoot(); f != nil {
		return f
	}
	s := &scene{copies: map[string]int{}}
	f := s.resolve(t.allViews())
	if f == nil {
		f = s.prepare()
	}
	if f != nil {
		return f
	}
	for _, v := range s.views {
		if f := t.show(s, v); f != nil {
			return f
		}
	}
	return nil
}

// wantsMounts is the key that takes a mount namespace; "": none does.
func (t *trampoline) wantsMounts() string {
	switch {
	case t.Root != "":
		return "root_dir"
	case t.PrivateTmp:
		return "private_tmp"
	case len(t.Views) > 0:
		return t.Views[0].Kind
	case t.hasFiles():
		return "secret"
	}
	return ""
}

// allViews are those of the spec and what else changes how a path looks like.
func (t *trampoline) allViews() []View {
	views := slices.Clone(t.Views)
	if slices.ContainsFunc(views, func(v View) bool { return v.Kind == "read_only" && v.Path == "/" }) {
		views = append(slices.Clone(spread), views...)
	}
	if t.PrivateTmp {
		views = append(views, View{"private_tmp", "/tmp", false}, View{"private_tmp", "/var/tmp", true})
	}
	if t.hasFiles() {
		views = append(views, View{"secret", credentials, false})
	}
	return views
}

// resolve follows the links in views, for a mount covers no link, and sorts them, the
// outer ones first: an inner one is seen over an outer one. What is optional and missing
// is left out.
func (s *scene) resolve(views []View) *Failure {
	for _, v := range views {
		path, err := filepath.EvalSymlinks(v.Path)
		switch {
		case v.Kind == "secret": // it is made below
			path = v.Path
		case err != nil && v.Optional && errors.Is(err, os.ErrNotExist):
			continue
		case err != nil:
			return fail(v.Kind, err, "cannot make %q %s", v.Path, words[v.Kind])
		case path == "/" && v.Kind != "read_only":
			return fail(v.Kind, nil, "cannot make %q %s: it is a link to /", v.Path, words[v.Kind])
		}
		if v.Path = path; !slices.ContainsFunc(s.views, func(o View) bool { return o.Kind == v.Kind && o.Path == path }) {
			s.views = append(s.views, v)
		}
	}
	slices.SortStableFunc(s.views, func(a, b View) int {
		return cmp.Compare(strings.Count(strings.TrimSuffix(a.Path, "/"), "/"), strings.Count(strings.TrimSuffix(b.Path, "/"), "/"))
	})
	return nil
}

// changeRoot makes a folder the root, and nothing of the old one can be reached.
func (t *trampoline) changeRoot() *Failure {
	if t.Root == "" {
		return nil
	}
	cannot := func(err error) *Failure { return fail("root_dir", err, "cannot make %q its root", t.Root) }
	if err := unix.Mount(t.Root, t.Root, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return cannot(err)
	}
	if err := unix.Chdir(t.Root); err != nil {
		return cannot(err)
	}
	if err := unix.PivotRoot(".", "."); err != nil { // see pivot_root(2)
		return cannot(err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return cannot(err)
	}
	if err := unix.Chdir("/"); err != nil {
		return cannot(err)
	}
	return nil
}

const cloneTree = unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC

// prepare takes copies of what is to stay as it is, and makes what hides something.
func (s *scene) prepare() *Failure {
	var hide []bool // of each path that is hidden, whether it is a folder
	for _, v := range s.views {
		info, err := os.Stat(v.Path)
		switch {
		case v.Kind == "secret":
			if err := makeFolder(v.Path); err != nil {
				return fail(v.Kind, err, "cannot make the folder %s for secrets", v.Path)
			}
		case err != nil:
			return fail(v.Kind, err, "cannot make %q %s", v.Path, words[v.Kind])
		case v.Kind == "inaccessible":
			hide = append(hide, info.IsDir())
		case v.Kind == "read_write":
			fd, err := unix.OpenTree(unix.AT_FDCWD, v.Path, cloneTree|unix.AT_RECURSIVE)
			if err != nil {
				return fail(v.Kind, err, "cannot make %q %s", v.Path, words[v.Kind])
			}
			s.copies[v.Path] = fd
		}
	}
	if hide == nil {
		return nil
	}
	if err := s.makeHidden(hide); err != nil {
		return fail("inaccessible", err, "cannot make what hides a path")
	}
	return nil
}

// makeFolder makes a folder that everybody may enter, whatever coppice's umask is.
func makeFolder(path string) error {
	defer unix.Umask(unix.Umask(0o022))
	return os.MkdirAll(path, 0o755)
}

// words say what a view is.
var words = map[string]string{
	"read_only": "read-only", "read_write": "writable", "inaccessible": "inaccessible", "private_tmp": "private",
}

// makeHidden makes a file and a folder that nobody may open, and copies of them. They
// need a folder to be mounted on for that moment, and in this namespace any one will do.
func (s *scene) makeHidden(folders []bool) error {
	stage := ""
	for _, dir := range []string{"/run", "/tmp", "/dev", "/var", "/etc", "/usr"} {
		if info, err := os.Lstat(dir); err == nil && info.IsDir() {
			stage = dir
			break
		}
	}
	if err := unix.Mount("tmpfs", stage, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=700,size=4k"); err != nil {
		return err
	}
	if err := errors.Join(os.Mkdir(stage+"/folder", 0), os.WriteFile(stage+"/file", nil, 0)); err != nil {
		return err
	}
	for _, folder := range folders {
		name := stage + "/file"
		if folder {
			name = stage + "/folder"
		}
		fd, err := unix.OpenTree(unix.AT_FDCWD, name, cloneTree)
		if err != nil {
			return err
		}
		attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
		if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &attr); err != nil {
			return err
		}
		s.hidden = append(s.hidden, fd)
	}
	return unix.Unmount(stage, unix.MNT_DETACH)
}

// show changes what one path looks like.
func (t *trampoline) show(s *scene, v View) *Failure {
	var err error
	switch v.Kind {
	case "secret":
		return t.mountSecrets()
	case "private_tmp":
		err = unix.Mount("tmpfs", v.Path, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=1777")
	case "read_only":
		err = readOnly(v.Path)
	case "read_write":
		err = place(s.copies[v.Path], v.Path)
	case "inaccessible":
		err = place(s.hidden[0], v.Path)
		s.hidden = s.hidden[1:]
	}
	if err != nil {
		f := fail(v.Kind, err, "cannot make %q %s", v.Path, words[v.Kind])
		if errnoOf(err) == syscall.ENOSYS {
			f.Cause += " (that takes Linux 5.12)"
		}
		return f
	}
	return nil
}

// readOnly makes a path and all mounts below it read-only.
func readOnly(path string) error {
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	if path == "/" {
		return unix.MountSetattr(unix.AT_FDCWD, "/", unix.AT_RECURSIVE, &attr)
	}
	fd, err := unix.OpenTree(unix.AT_FDCWD, path, cloneTree|unix.AT_RECURSIVE)
	if err != nil {
		return err
	}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &attr); err != nil {
		return err
	}
	return place(fd, path)
}

// place mounts a tree of mounts over a path.
func place(fd int, path string) error {
	defer unix.Close(fd)
	return unix.MoveMount(fd, "", unix.AT_FDCWD, path, unix.MOVE_MOUNT_F_EMPTY_PATH)
}
