package process

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"strings"
)

// headMax is how much of a program's file is read to explain a failure. The
// kernel reads 256 bytes of a #! line; the headers of an ELF file and the name of
// its loader are in its first page.
const headMax = 4096

// head returns the beginning of a file, or nothing if it cannot be read. A FIFO
// or a device is not opened: that could block.
func head(path string) []byte {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer file.Close()
	data, _ := io.ReadAll(io.LimitReader(file, headMax)) // what could be read will do
	return data
}

// interpreterOf returns the program that a file asks for to be run: that of its
// #! line, or the loader of a dynamically linked ELF file; empty if none.
func interpreterOf(path string) string {
	data := head(path)
	if line, ok := bytes.CutPrefix(data, []byte("#!")); ok {
		line, _, _ = bytes.Cut(line, []byte("\n"))
		program, _, _ := strings.Cut(strings.Trim(string(line), " \t"), " ")
		program, _, _ = strings.Cut(program, "\t")
		return program
	}
	return loaderOf(data)
}

// isELF says whether a file claims to be an ELF file.
func isELF(path string) bool {
	return bytes.HasPrefix(head(path), []byte("\x7fELF"))
}

// loaderOf returns the PT_INTERP of a 64-bit little-endian ELF file, see elf(5).
func loaderOf(data []byte) string {
	const (
		typeInterp = 3
		headerLen  = 64
		entryLen   = 56
	)
	if len(data) < headerLen || !bytes.HasPrefix(data, []byte("\x7fELF\x02\x01")) {
		return ""
	}
	little := binary.LittleEndian
	table, count := little.Uint64(data[32:]), uint64(little.Uint16(data[56:]))
	for i := range count {
		at := table + i*entryLen
		if at > headMax || at+entryLen > uint64(len(data)) {
			break
		}
		entry := data[at:]
		if little.Uint32(entry) != typeInterp {
			continue
		}
		from, size := little.Uint64(entry[8:]), little.Uint64(entry[32:])
		if from > headMax || size > headMax || from+size > uint64(len(data)) {
			break
		}
		return string(bytes.TrimRight(data[from:from+size], "\x00"))
	}
	return ""
}

// wantsInterpreter begins a sentence about an interpreter that fails.
func wantsInterpreter(interpreter string) string {
	return fmt.Sprintf("it asks for the interpreter %q", interpreter)
}

// carriageReturn explains the one fault of a #! line that cannot be seen.
func carriageReturn(interpreter string) string {
	if strings.HasSuffix(interpreter, "\r") {
		return " (its first line ends in a carriage return, as on Windows)"
	}
	return ""
}
