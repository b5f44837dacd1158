package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"coppice/ipc"
)

// readRecord reads the event record from a state folder, oldest event first. A
// daemon may be writing it or may have died in the middle of a line: a last
// line without its end is left out. fs.ErrNotExist: there is no record.
func readRecord(stateDir string) ([]ipc.Event, error) {
	var events []ipc.Event
	found := false
	for _, name := range []string{"events.1", "events"} {
		file, err := openPlain(filepath.Join(stateDir, name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("cannot read the event record: %w", err)
		}
		found = true
		events, err = appendEvents(events, file)
		if err = errors.Join(err, file.Close()); err != nil {
			return nil, fmt.Errorf("cannot read the event record: %w", err)
		}
	}
	if !found {
		return nil, os.ErrNotExist
	}
	return events, nil
}

// openPlain opens a plain file. In a folder of somebody else's it could be a
// FIFO that never answers, or a link.
func openPlain(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, file.Close(), errors.New(path+" is not a plain file"))
	}
	return file, nil
}

// appendEvents reads lines; one that is not an event (a torn write, later
// overtaken by a new daemon's) is passed over.
func appendEvents(events []ipc.Event, r io.Reader) ([]ipc.Event, error) {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return events, nil
		}
		if err != nil {
			return events, err
		}
		var e ipc.Event
		if json.Unmarshal(line, &e) == nil && e.Kind != "" {
			events = append(events, e)
		}
	}
}
