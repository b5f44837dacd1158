package main

import (
	"testing"

	"golang.org/x/sys/unix"
)

// A child that is gone is nobody to kill: 0 would be this process and its whole group.
func TestNobodyIsKilled(t *testing.T) {
	for _, pid := range []int{-1, 0, 1} {
		if err := (latest{pid: pid}).kill(); err != unix.ESRCH {
			t.Errorf("%d was signalled (%v)", pid, err)
		}
	}
}
