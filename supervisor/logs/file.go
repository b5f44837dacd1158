package logs

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// readPipe reads as read(2), and again when a signal came.
func readPipe(fd int, buf []byte) (int, error) {
	for {
		n, err := unix.Read(fd, buf)
		if err != unix.EINTR {
			return n, err
		}
	}
}

// writeAll writes as much as can be written; an error comes with less than all.
func writeAll(fd int, data []byte) (int, error) {
	written := 0
	for written < len(data) {
		n, err := unix.Write(fd, data[written:])
		if err != nil && err != unix.EINTR {
			return written, err
		}
		written += max(n, 0)
	}
	return written, nil
}

// pwriteAll is writeAll at an offset.
func pwriteAll(fd int, data []byte, offset int64) (int, error) {
	written := 0
	for written < len(data) {
		n, err := unix.Pwrite(fd, data[written:], offset+int64(written))
		if err != nil && err != unix.EINTR {
			return written, err
		}
		written += max(n, 0)
	}
	return written, nil
}

// openFile opens a file to write it. O_NONBLOCK is for the case that somebody put
// a FIFO in its place, on which an open would hang.
func openFile(path string, flags int) (int, error) {
	for {
		fd, err := unix.Open(path, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// allocated is how many bytes a file takes on disk.
func allocated(info os.FileInfo) int64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return stat.Blocks * 512
	}
	return info.Size()
}

// modified is when a file was last changed, 0 if that cannot be told.
func modified(path string) int64 {
	if info, err := os.Lstat(path); err == nil {
		return info.ModTime().UnixNano()
	}
	return 0
}

// errNotRegular is what stands where a log file should be.
var errNotRegular = errors.New("not a regular file")

// openRegular opens a regular file for reading and tells its length.
func openRegular(path string) (*os.File, int64, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errNotRegular
	}
	if err != nil {
		file.Close()
		return nil, 0, err
	}
	return file, info.Size(), nil
}
