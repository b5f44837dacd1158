package process_test

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"coppice/supervisor/process"
)

// beEscapedParent forks a member that stays in this group, leaves the group, and
// reaps the member when it ends. Both ignore SIGTERM. It says "member", and writes
// the member's pid to the descriptor 2 if that is another file.
func beEscapedParent() {
	signal.Ignore(syscall.SIGTERM)
	pid, err := syscall.ForkExec("/bin/sleep", []string{"sleep", "1000"}, &syscall.ProcAttr{Files: []uintptr{0, 1, 2}})
	must(err)
	_, err = syscall.Setsid()
	must(err)
	fmt.Println("member")
	if file := os.Getenv("PIDFILE"); file != "" {
		must(os.WriteFile(file+".parent", fmt.Append(nil, os.Getpid()), 0o600))
		must(os.WriteFile(file, fmt.Append(nil, pid), 0o600))
	}
	_, err = syscall.Wait4(pid, nil, 0, nil)
	must(err)
	os.Exit(0)
}

// beDecoy records all signals that it gets, and tells which when it gets SIGUSR2.
func beDecoy() {
	signals := make(chan os.Signal, 100)
	signal.Notify(signals)
	fmt.Println("decoy")
	var names []string
	for s := range signals {
		switch s {
		case syscall.SIGURG: // the runtime of Go sends it to itself
		case syscall.SIGUSR2:
			fmt.Printf("%q\n", strings.Join(names, " "))
			os.Exit(0)
		default:
			names = append(names, process.SignalName(s.(syscall.Signal)))
		}
	}
}

// beEcho says which signals it gets, and who it is.
func beEcho() {
	signals := make(chan os.Signal, 100)
	signal.Notify(signals, syscall.SIGUSR1)
	fmt.Println(os.Args[1])
	for s := range signals {
		fmt.Println(os.Args[1], process.SignalName(s.(syscall.Signal)))
	}
}

// publicDir is a directory that everybody may enter.
func publicDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for d := dir; d != filepath.Clean(os.TempDir()) && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
