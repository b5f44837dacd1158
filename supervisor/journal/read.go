package journal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	json "github.com/go-json-experiment/json/v1"

	"coppice/tree"
)

// Read visits the Steps of all kept files, in order, that made reports numbered
// above since, with those reports and without their events; each report comes
// once. It needs no daemon and may run beside one: then it sees everything that
// was appended before it was called. What is damaged is passed over, and so is an
// older file in a newer format; an incomplete last line is not there yet. Without a journal there is nothing to visit. An
// error of visit ends it and is returned as it is.
func Read(dir string, since uint64, visit func(Step) error) error {
	folder, err := openFolder(dir)
	if err != nil {
		return fmt.Errorf("cannot read the journal: %w", err)
	}
	files, err := folder.openAll()
	err = errors.Join(err, folder.close())
	defer closeAll(files)
	if err != nil {
		return fmt.Errorf("cannot read the journal in %s: %w", dir, err)
	}
	r := &reader{since: since, visit: visit}
	for i, file := range files {
		err := r.file(file)
		switch newer := newerFormat(0); {
		case err == nil:
		case r.refused:
			return err
		case errors.As(err, &newer) && i < len(files)-1:
			// Left from a newer coppice; the journal goes on behind it.
		default:
			return fmt.Errorf("cannot read %s in %s: %w", file.Name(), dir, err)
		}
	}
	return nil
}

// openAll opens all files, the oldest first, as they were at one moment: when the
// present one has become an older one meanwhile, all are opened again.
func (f *folder) openAll() ([]*os.File, error) {
	present, err := f.open(presentName, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return f.openOlder()
	}
	if err != nil {
		return nil, err
	}
	files, err := f.openOlder()
	files = append(files, present)
	if err != nil {
		return files, err
	}
	before, err1 := present.Stat()
	now, err2 := f.root.Lstat(presentName)
	if err1 == nil && err2 == nil && !os.SameFile(before, now) {
		closeAll(files)
		return f.openAll()
	}
	return files, nil
}

func closeAll(files []*os.File) {
	for _, file := range files {
		file.Close()
	}
}

// openOlder opens the older files, the oldest first. They are opened the other
// way round: the oldest are removed meanwhile, and so none between others is
// missed.
func (f *folder) openOlder() ([]*os.File, error) {
	var files []*os.File
	numbers, err := f.older()
	for _, number := range slices.Backward(numbers) {
		file, err := f.open(olderName(number), os.O_RDONLY)
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return files, err
		}
		files = append(files, file)
	}
	slices.Reverse(files)
	return files, err
}

// reader is one Read.
type reader struct {
	since   uint64 // up to here everything was visited
	visit   func(Step) error
	refused bool // the error is visit's
}

// file visits what is new in one file.
func (r *reader) file(file *os.File) error {
	for l := newLines(file); ; {
		line, err := l.next()
		switch {
		case err == io.EOF || err == errTorn:
			return nil
		case err == errLong:
			continue
		case err != nil:
			return err
		}
		text, err := unseal(line)
		if err != nil {
			continue
		}
		if err := r.line(text); err != nil {
			return err
		}
	}
}

// line visits the step of a line, if it is one that reports something new.
func (r *reader) line(text []byte) error {
	h, err := behead(text)
	switch {
	case err != nil:
		return nil
	case h.Kind == kindBegin && h.N == 1:
		_, err := decodeBegin(text)
		if newer := newerFormat(0); errors.As(err, &newer) {
			return newer
		}
		return nil
	case h.Seq <= r.since:
		return nil
	}
	step, err := decodeReports(text)
	if err != nil {
		return nil
	}
	step.Reports = slices.DeleteFunc(step.Reports, func(report tree.Report) bool { return report.Seq <= r.since })
	r.since = h.Seq
	if err := r.visit(step); err != nil {
		r.refused = true
		return err
	}
	return nil
}

// decodeReports reads of a step what is told to people.
func decodeReports(text []byte) (Step, error) {
	var f struct {
		At      tree.Time    `json:"at"`
		Wall    time.Time    `json:"wall"`
		Reports []reportForm `json:"reports"`
	}
	if err := json.Unmarshal(text, &f); err != nil {
		return Step{}, err
	}
	reports, err := tried(f.Reports, func(f reportForm) (tree.Report, error) { return f.report() })
	return Step{At: f.At, Wall: f.Wall, Reports: reports}, err
}
