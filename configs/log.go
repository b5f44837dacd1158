package configs

import (
	"fmt"
	"slices"

	"coppice/tree"
)

// Log says how the output of a process is kept.
type Log struct {
	// Direct gives the process its log file itself, without a pipe between: there
	// are no times of arrival, the file is not rotated, and the last MaxSize *
	// MaxFiles bytes of it are kept. MaxAge, Compress and Drop are then unset.
	Direct bool
	// Split gives stderr a file of its own.
	Split bool
	// MaxSize is the length in bytes at which a file is closed and the next one
	// begun; from 4096 to 2^50.
	MaxSize int64
	// MaxFiles is how many files of one output are kept, the one that is written
	// included; from 1 to 100000.
	MaxFiles int
	// MaxAge is how long after its last byte a file is kept, and how long after
	// its first the next one is begun; at least 1 s, 0 is for ever.
	MaxAge tree.Time
	// Compress compresses the files that are not written any more.
	Compress bool
	// Drop throws output away while the files cannot be written, instead of
	// letting the process wait.
	Drop bool
}

// DefaultLog is how output is kept where a file says nothing: up to eight files of
// 16 MiB, uncompressed, and a process waits while they cannot be written.
func DefaultLog() Log { return Log{MaxSize: 16 << 20, MaxFiles: 8} }

const (
	logSizeMin  = 4 << 10
	logFilesMax = 100_000
	logAgeMin   = tree.Second
)

const logForm = `{ max_size = "16MiB", max_files = 8 }`

// logKeys are the keys of a log table; the one at the top of the file has
// max_total too.
var (
	logKeys   = []string{"mode", "split", "max_size", "max_files", "max_age", "compress", "full"}
	totalKeys = append(slices.Clone(logKeys), "max_total")
	notInLog  = map[string]string{"max_total": "max_total is for all processes together: it stands in [log] at the top of the file"}
)

// log reads how the output of a process is kept; what it does not say is as at the
// top of the file.
func (t table) log() Log {
	l, ok := t.logTable()
	if !ok {
		return t.defaultLog
	}
	l.unknown(logKeys, notInLog)
	return l.logOver(t.defaultLog)
}

// topLog reads what holds for all processes.
func (t table) topLog() (l Log, total int64) {
	sub, ok := t.logTable()
	if !ok {
		return DefaultLog(), 0
	}
	sub.unknown(totalKeys, nil)
	total, _ = sub.size("max_total", logSizeMin)
	return sub.logOver(DefaultLog()), total
}

// logTable is the table that log holds; false: there is none.
func (t table) logTable() (table, bool) {
	value, found := t.values["log"]
	if !found {
		return table{}, false
	}
	values, ok := value.(map[string]any)
	if !ok {
		t.fault("log", nil, "log is %s: expected a table like %s", describe(value), logForm)
		return table{}, false
	}
	return t.below("log", "log", values), true
}

// logOver reads the keys of a log table over what holds without them.
func (t table) logOver(l Log) Log {
	l.Direct = oneOf(t, "mode", logModes, l.Direct)
	l.Split = t.truth("split", l.Split)
	if size, ok := t.size("max_size", logSizeMin); ok {
		l.MaxSize = size
	}
	l.MaxFiles = t.maxFiles(l.MaxFiles)
	if age, _, ok := t.duration("max_age", bounds{}); ok {
		if l.MaxAge = age; age < logAgeMin {
			t.fault("max_age", nil, "max_age is %s: expected 1s or longer", Brief(age))
		}
	}
	l.Compress = t.truth("compress", l.Compress)
	l.Drop = oneOf(t, "full", logFulls, l.Drop)
	if l.Direct {
		for _, key := range []string{"max_age", "compress", "full"} {
			if value, found := t.values[key]; found && value != false {
				t.fault(key, nil, `%s with mode = "direct": the process writes its file itself, which is not rotated`, key)
			}
		}
		l.MaxAge, l.Compress, l.Drop = 0, false, false
	}
	return l
}

func (t table) maxFiles(fallback int) int {
	expected := fmt.Sprintf("a number from 1 to %d", logFilesMax)
	switch value := t.values["max_files"].(type) {
	case nil:
	case int64:
		if value >= 1 && value <= logFilesMax {
			return int(value)
		}
		t.fault("max_files", nil, "max_files is %d: expected %s", value, expected)
	default:
		t.fault("max_files", nil, "max_files is %s: expected %s", describe(value), expected)
	}
	return fallback
}
