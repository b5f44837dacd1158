package process_test

import (
	"fmt"
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
