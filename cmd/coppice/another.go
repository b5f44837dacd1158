package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"coppice/ipc"
)

// another refuses to start a tree where one was found beside the file of -f that was
// loaded from another one: all trees of a folder have one state folder, unless they are told
// otherwise. A tree whose own file is gone is whoever's who asks for it here: that
// file was moved, or is seen from elsewhere.
func (a *app) another(t *ipc.Tree) error {
	if !a.byFile() {
		return nil
	}
	loaded, file := a.otherFile(t), a.abs(a.file)
	if loaded == "" {
		return nil
	}
	return &ipc.Error{Code: ipc.CodeRefused, Title: fmt.Sprintf(
		"what runs here is %s, loaded from %s and not from %s: use `-f %s` for that one; the state of both would lie in %s, "+
			"so give this one a folder of its own by `--state DIR`", t.Name, loaded, file, loaded, beside(file).state)}
}

// otherFile is the file that a tree was loaded from, "" if it is that of -f or gone.
func (a *app) otherFile(t *ipc.Tree) string {
	loaded := t.Daemon.File
	if loaded == "" || isSameFile(a.abs(a.file), loaded) {
		return ""
	}
	if _, err := os.Stat(loaded); errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	return loaded
}

// byFile says that the place of the tree is known by -f alone.
func (a *app) byFile() bool {
	return a.file != "" && a.socket == "" && a.state == "" && a.env("COPPICE_STATE") == ""
}

// isSameFile compares two absolute paths; either may lead to nothing.
func isSameFile(a, b string) bool {
	if filepath.Clean(a) == filepath.Clean(b) {
		return true
	}
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	two, err := os.Stat(b)
	return err == nil && os.SameFile(one, two)
}

// notedPlace is place for what reads no tree file, so that -f only says where the tree
// is: that it is another file's is told beside it.
func (a *app) notedPlace(ctx context.Context) (place, error) {
	p, err := a.place()
	if err != nil || !a.byFile() {
		return p, err
	}
	if t := a.trunk(ctx, p); t != nil {
		a.noteAnother(t)
	}
	return p, nil
}

// trunk is the tree that runs there, without its processes; nil: what is wrong is told by
// what is asked next.
func (a *app) trunk(ctx context.Context, p place) (t *ipc.Tree) {
	err := a.patiently(func() (err error) {
		t, err = p.client().Trunk(ctx)
		return err
	}, notAnswered)
	if err != nil {
		return nil
	}
	return t
}

// replaced is the file whose tree a reload makes that of -f, "" if there is no other one.
func (a *app) replaced(ctx context.Context, p place) string {
	if a.file == "" {
		return ""
	}
	if t := a.trunk(ctx, p); t != nil {
		return a.otherFile(t)
	}
	return ""
}

// noteAnother tells beside the answer that the tree was loaded from another file than
// the one of -f.
func (a *app) noteAnother(t *ipc.Tree) {
	if refusal, ok := errors.AsType[*ipc.Error](a.another(t)); ok {
		a.note("%s. The command goes to the tree that runs", refusal.Title)
	}
}
