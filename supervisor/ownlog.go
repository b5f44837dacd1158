package supervisor

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// OwnLog is the file in the state folder that has what a detached daemon and its keeper say
// of themselves: their standard output and error.
const OwnLog = "daemon.log"

// ownLogMax is the size, in bytes, from which it is begun anew.
const ownLogMax = 16 << 20

// trimOwnLog keeps OwnLog, at path, below a size, if it is what words is written to: what is
// in it is moved to path.1, whose content is lost. Daemon and keeper append to one open
// file, so that it is emptied and stays the same one. What the keeper says in that very
// moment may be lost; the record of what happened is the journal.
func trimOwnLog(words *os.File, path string, most int64) error {
	written, err := words.Stat()
	if err != nil || !written.Mode().IsRegular() || written.Size() < most {
		return nil // it is the terminal's, or closed, or small
	}
	named, err := os.Lstat(path)
	if err != nil || !os.SameFile(written, named) {
		return nil // it is somebody else's
	}
	old, err := os.OpenFile(path+".1", os.O_WRONLY|os.O_CREATE|os.O_TRUNC|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	from, err := os.Open(path)
	if err != nil {
		return errors.Join(err, old.Close())
	}
	_, err = io.Copy(old, from) // by copy_file_range(2)
	if err = errors.Join(err, from.Close(), old.Close()); err != nil {
		return err
	}
	return words.Truncate(0)
}
