package journal

import (
	"fmt"
	"path/filepath"
)

// Damage says that a journal is not as it was written, and from where on. It is
// the work of a failing disk, of a system that went down, or of a hand; never of
// a coppice that was killed.
type Damage struct {
	// Path is the file, as it was named to Open.
	Path string
	// Offset is the byte at which the line begins that is the first one not to
	// be sound, or is missing; Record is the number of the record that should be
	// there, from 1.
	Offset int64
	Record uint64
	// Cause says what is wrong with it: "its checksum is wrong", or what visit
	// said.
	Cause error
	// Tail says that nothing sound comes after it. Else the journal has a hole.
	Tail bool
}

// Error is all of it in one sentence.
func (d *Damage) Error() string {
	after := "sound records after it cannot be used without it"
	if d.Tail {
		after = "no sound record comes after it"
	}
	return fmt.Sprintf("the journal %s is damaged at byte %d, record %d: %v; %s", d.Path, d.Offset, d.Record, d.Cause, after)
}

// Unwrap is the cause.
func (d *Damage) Unwrap() error { return d.Cause }

// keepDamaged keeps the present file for a person to look at, in the place of
// one that was kept before.
func (f *folder) keepDamaged() error {
	if f.same(presentName, damagedName) {
		return nil
	}
	if err := f.remove(damagedName); err != nil {
		return err
	}
	return f.root.Link(presentName, damagedName)
}

func (f *folder) presentPath() string { return filepath.Join(f.path, presentName) }
