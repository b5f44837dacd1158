package logs

import "golang.org/x/sys/unix"

// identity tells a file from those that had its path before it. An inode number
// alone does not: it is given again at once.
type identity struct {
	inode      uint64
	bornSecond int64
	bornNano   uint32
}

// identify tells which file is at a path, and its length; the zero identity is no
// regular file.
func identify(path string) (identity, int64) {
	const mask = unix.STATX_TYPE | unix.STATX_INO | unix.STATX_SIZE | unix.STATX_BTIME
	var stat unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, mask, &stat)
	if err != nil || stat.Mode&unix.S_IFMT != unix.S_IFREG {
		return identity{}, 0
	}
	// A file system without birth times leaves them 0.
	return identity{inode: stat.Ino, bornSecond: stat.Btime.Sec, bornNano: stat.Btime.Nsec}, int64(stat.Size)
}
