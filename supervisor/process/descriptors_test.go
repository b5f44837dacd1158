package process_test

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"coppice/supervisor/process"
)

func TestCheckDescriptors(t *testing.T) {
	if !inside(t, "small limits", nil) {
		return
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if err := process.CheckDescriptors(0, 0); err != nil {
		t.Error(err)
	}
	err := process.CheckDescriptors(5000, 10000)
	want := "cannot hold 5000 children: they need 10064 descriptors, the limit is 64 " +
		"(raise it by ulimit -Hn 10064, or LimitNOFILE=10064 in systemd)"
	if fmt.Sprint(err) != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// tableSize is for how many descriptors this process has room.
func tableSize(t *testing.T) (size int) {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if n, _ := fmt.Sscanf(line, "FDSize: %d", &size); n == 1 {
			return size
		}
	}
	t.Fatalf("no FDSize in\n%s", status)
	return 0
}

func TestReserveDescriptors(t *testing.T) {
	const children = 100
	descriptors := 2 * tableSize(t)
	if err := process.CheckDescriptors(children, descriptors); err != nil {
		t.Skip(err)
	}
	process.ReserveDescriptors(descriptors)
	for tableSize(t) < descriptors { // it is made beside us
		runtime.Gosched()
	}
}
