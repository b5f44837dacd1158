package journal

import (
	"errors"
	"fmt"
	"os"
)

// Inspect hands the records of a journal to visit as Open does, and changes
// nothing: a daemon may be writing it. What is not there as a whole yet is not
// there.
func Inspect(dir string, visit func(Record) error) (*Damage, error) {
	folder, err := openFolder(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot open the journal: %w", err)
	}
	defer folder.close()
	file, err := folder.open(presentName, os.O_RDONLY)
	if err != nil {
		return nil, fmt.Errorf("cannot open the journal in %s: %w", dir, err)
	}
	damage, err := (&replay{lines: newLines(file), path: folder.presentPath()}).all(visit)
	return damage, errors.Join(err, file.Close())
}
