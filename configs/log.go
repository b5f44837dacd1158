package configs

import "coppice/tree"

// DefaultLog is how output is kept where the file says nothing.
func DefaultLog() Log { return Log{MaxSize: 16 << 20, MaxFiles: 8} }

// Log says how the output of a process is kept.
type Log struct {
	// Direct gives the process its log file itself, without a pipe between.
	Direct bool
	// Split gives stderr a file of its own.
	Split bool
	// MaxSize is the length in bytes at which a file is closed and the next one
	// begun; above 0.
	MaxSize int64
	// MaxFiles is how many files of one output are kept, the one that is written
	// included; at least 1.
	MaxFiles int
	// MaxAge is how long after its last byte a file is kept, and how long after
	// its first the next one is begun; 0 is for ever.
	MaxAge tree.Time
	// Compress compresses the files that are not written any more.
	Compress bool
	// Drop throws output away while the files cannot be written, instead of
	// letting the process wait.
	Drop bool
}
