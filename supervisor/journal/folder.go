package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// The files of a journal. Those before the present one are "journal.N".
const (
	presentName = "journal"
	newName     = "journal.new"
	damagedName = "journal.damaged"
)

// numberMax is far above any number of a file, and can be counted on from.
const numberMax = 1 << 62

func olderName(number uint64) string { return presentName + "." + strconv.FormatUint(number, 10) }

// folder is the state folder. It is the same one when its path means another.
type folder struct {
	root *os.Root
	dir  *os.File // the same, to open from
	path string
}

func openFolder(path string) (*folder, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	dir, err := root.Open(".")
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return &folder{root, dir, path}, nil
}

func (f *folder) close() error { return errors.Join(f.dir.Close(), f.root.Close()) }

// open opens a file that must be a regular one: a symbolic link would be a way
// to somebody else's file (which os.Root goes within the folder), and a FIFO would
// never answer.
func (f *folder) open(name string, flags int) (*os.File, error) {
	fd, err := unix.Openat(int(f.dir.Fd()), name, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
	if errors.Is(err, unix.EINTR) {
		return f.open(name, flags)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	file := os.NewFile(uintptr(fd), name)
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", name)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// openOurs opens a file to write to, which nobody else may have written.
func (f *folder) openOurs(name string, flags int) (*os.File, error) {
	file, err := f.open(name, unix.O_RDWR|flags)
	if err != nil {
		return nil, err
	}
	var stat unix.Stat_t
	err = unix.Fstat(int(file.Fd()), &stat)
	switch us := os.Geteuid(); {
	case err != nil:
	case int(stat.Uid) != us:
		err = fmt.Errorf("%s belongs to user %d, and this is user %d", name, stat.Uid, us)
	case stat.Mode&0o022 != 0:
		err = fmt.Errorf("%s may be written by others: its mode is %#o", name, stat.Mode&0o777)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// older are the numbers of the older files, the lowest first.
func (f *folder) older() ([]uint64, error) {
	entries, err := fs.ReadDir(f.root.FS(), ".")
	if err != nil {
		return nil, err
	}
	var numbers []uint64
	for _, entry := range entries {
		suffix, ok := strings.CutPrefix(entry.Name(), presentName+".")
		number, err := strconv.ParseUint(suffix, 10, 64)
		if ok && err == nil && 0 < number && number <= numberMax && olderName(number) == entry.Name() {
			numbers = append(numbers, number)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// same says whether two names are names of one file.
func (f *folder) same(a, b string) bool {
	first, err1 := f.root.Lstat(a)
	second, err2 := f.root.Lstat(b)
	return err1 == nil && err2 == nil && os.SameFile(first, second)
}

// remove removes a file if it is there.
func (f *folder) remove(name string) error {
	if err := f.root.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
