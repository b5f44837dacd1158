package procfs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// ErrRestless is the error of Children where a process loses children so fast that no
// two looks were alike.
var ErrRestless = errors.New("its children change all the time")

// childrenLooks is how often they are looked at before that is said.
const childrenLooks = 20

// hasChildren says whether this kernel lists children (CONFIG_PROC_CHILDREN).
var hasChildren = sync.OnceValue(func() bool { return unix.Access("/proc/thread-self/children", unix.F_OK) == nil })

// Children returns the children of a process, of all its threads. Of one that is not there
// there are none. The kernel leaves out some that live if one that was read before was
// reaped meanwhile: so they are read until two looks are alike. The error says why not
// all could be seen: that this kernel has no such files (fs.ErrNotExist), that there is no
// free descriptor or memory, or ErrRestless.
func Children(parent int) ([]int, error) {
	if !hasChildren() {
		return nil, fs.ErrNotExist
	}
	before, err := ChildrenOnce(parent)
	for range childrenLooks {
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // else a thread has ended
			return before, err
		}
		now, again := ChildrenOnce(parent)
		if err == nil && again == nil && slices.Equal(now, before) {
			return now, nil
		}
		before, err = now, again
	}
	return before, ErrRestless
}

// ChildrenOnce is Children in one look, for one who looks again anyway: some who live
// may be left out.
func ChildrenOnce(parent int) (pids []int, err error) {
	tasks := fmt.Sprintf("/proc/%d/task/", parent)
	threads, err := os.ReadDir(tasks)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, thread := range threads {
		var list []byte
		if list, err = os.ReadFile(tasks + thread.Name() + "/children"); err != nil {
			return pids, err
		}
		for word := range bytes.FieldsSeq(list) {
			if pid, err := strconv.Atoi(string(word)); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids, err
}
