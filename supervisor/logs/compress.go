package logs

import (
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"coppice/supervisor/crash"
)

// Why a file is left as it is.
var (
	errEnding  = errors.New("the store ends")
	errWritten = errors.New("somebody writes to it")
	errEmptied = errors.New("its front was given back")
)

// pack replaces a file by a compressed one: made under another name, brought to
// the disk, renamed, and only then is the plain one removed. A kill at any step
// leaves at least one whole file. What cannot be compressed stays as it is.
func (j *janitor) pack(r rotated) {
	plain := filepath.Join(r.folder, r.plainName())
	if r.seq == 0 || writtenBy(plain) {
		return
	}
	fresh := filepath.Join(r.folder, r.gzName()+tmpSuffix)
	j.setBusy(fresh)
	defer j.setBusy("")
	info, err := j.packTo(fresh, plain)
	if err == nil {
		crash.Point("compress.written")
		err = j.replace(plain, fresh, filepath.Join(r.folder, r.gzName()), info)
	}
	if err != nil {
		os.Remove(fresh)
	}
}

func (j *janitor) setBusy(path string) {
	j.queueMu.Lock()
	defer j.queueMu.Unlock()
	j.busy = path
}

// packTo writes what is in a file to another one, compressed.
func (j *janitor) packTo(fresh, plain string) (os.FileInfo, error) {
	from, size, err := openRegular(plain)
	if err != nil {
		return nil, err
	}
	defer from.Close()
	if start, err := unix.Seek(int(from.Fd()), 0, unix.SEEK_DATA); err != nil || start > 0 && size > 0 {
		return nil, errEmptied
	}
	if _, err := from.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	info, err := from.Stat()
	if err != nil {
		return nil, err
	}
	to, err := os.OpenFile(fresh, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	defer to.Close()
	if err := j.zip(to, from); err != nil {
		return nil, err
	}
	if err := to.Sync(); err != nil {
		return nil, err
	}
	// Its age is that of the last byte.
	return info, os.Chtimes(fresh, info.ModTime(), info.ModTime())
}

// zip compresses in pieces, between which it does what is more urgent.
func (j *janitor) zip(to io.Writer, from io.Reader) error {
	zip, err := gzip.NewWriterLevel(to, gzip.BestSpeed)
	if err != nil {
		return err
	}
	for {
		if j.interrupted() {
			return errEnding
		}
		_, err := io.CopyN(zip, from, 256<<10)
		if errors.Is(err, io.EOF) {
			return zip.Close()
		}
		if err != nil {
			return err
		}
	}
}

// replace puts the compressed file in the place of the plain one, if that is still
// what was compressed.
func (j *janitor) replace(plain, fresh, packed string, was os.FileInfo) error {
	j.shelfMu.Lock()
	defer j.shelfMu.Unlock()
	now, err := os.Lstat(plain)
	if err != nil {
		return err
	}
	if !os.SameFile(now, was) || now.Size() != was.Size() || writtenBy(plain) {
		return errWritten
	}
	if err := os.Rename(fresh, packed); err != nil {
		return err
	}
	crash.Point("compress.renamed")
	os.Remove(plain)
	crash.Point("compress.removed")
	if info, err := os.Lstat(packed); err == nil {
		j.total.Add(allocated(info) - allocated(was))
	}
	return nil
}
