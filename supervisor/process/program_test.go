package process_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func newFile(fd int) *os.File { return os.NewFile(uintptr(fd), "output") }

// quickProgram returns a program that does nothing but exit with 0. Where the
// machine is known it is made of three instructions, so that what is measured is
// the reaper and the kernel, not a C library.
func quickProgram(t testing.TB) string {
	t.Helper()
	if runtime.GOARCH != "amd64" {
		return "/bin/true"
	}
	// xor edi, edi; mov eax, 60 (exit); syscall
	return writeProgram(t, "quick", elf(62, "\x31\xff\xb8\x3c\x00\x00\x00\x0f\x05", ""))
}

// writeProgram writes an executable file.
func writeProgram(t testing.TB, name, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
	return file
}

// elf returns a 64-bit little-endian ELF file for a machine (elf(5), e_machine):
// one segment with this code and, where it is not empty, the name of a loader.
func elf(machine uint16, code, loader string) string {
	const base, headerLen, entryLen = 0x400000, 64, 56
	entries := uint16(1)
	if loader != "" {
		entries = 2
		loader += "\x00"
	}
	start := headerLen + uint64(entries)*entryLen
	size := start + uint64(len(code)+len(loader))
	var b strings.Builder
	put := func(values ...any) {
		for _, value := range values {
			binary.Write(&b, binary.LittleEndian, value)
		}
	}
	b.WriteString("\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 9))
	put(uint16(2), machine, uint32(1), base+start, uint64(headerLen), uint64(0), uint32(0))
	put(uint16(headerLen), uint16(entryLen), entries, uint16(0), uint16(0), uint16(0))
	if loader != "" {
		at := start + uint64(len(code))
		put(uint32(3), uint32(4), at, base+at, base+at, uint64(len(loader)), uint64(len(loader)), uint64(1))
	}
	put(uint32(1), uint32(5), uint64(0), uint64(base), uint64(base), size, size, uint64(0x1000))
	b.WriteString(code + loader)
	return b.String()
}
