package journal

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Host says in which life of which system this process runs: the boot id
// (random(4), /proc/sys/kernel/random/boot_id) and the inode of its PID namespace
// (namespaces(7)). A PID that was recorded elsewhere means nothing here. Both are
// zero where there is no /proc.
func Host() (boot string, pidNamespace uint64) {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err == nil {
		boot = strings.TrimSpace(string(id))
	}
	var stat unix.Stat_t
	if unix.Stat("/proc/self/ns/pid", &stat) == nil {
		pidNamespace = stat.Ino
	}
	return boot, pidNamespace
}
