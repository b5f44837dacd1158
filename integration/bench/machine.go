package main

import (
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// machine is where it was measured.
type machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Kernel string `json:"kernel"`
	System string `json:"system"`
	Go     string `json:"go"`
	Root   bool   `json:"root"`
}

func thisMachine() machine {
	m := machine{Cores: runtime.NumCPU(), Go: runtime.Version(), Root: os.Geteuid() == 0}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		m.Kernel = unix.ByteSliceToString(name.Release[:])
	}
	m.CPU = setting("/proc/cpuinfo", "model name", ":")
	m.System = strings.Trim(setting("/etc/os-release", "PRETTY_NAME", "="), `"`)
	return m
}

// setting is what stands behind a name and a separator in the first line of a file that begins with it.
func setting(path, name, separator string) string {
	b, _ := os.ReadFile(path)
	for line := range strings.Lines(string(b)) {
		if before, after, ok := strings.Cut(line, separator); ok && strings.TrimSpace(before) == name {
			return strings.TrimSpace(after)
		}
	}
	return "?"
}
