package main

import (
	"strings"
	"testing"
	"time"

	"coppice/ipc"
)

// What is said of a daemon that went away does not send people back to where they
// heard of it.
func TestADaemonThatWentAway(t *testing.T) {
	var said strings.Builder
	dir := t.TempDir()
	a := &app{world: world{err: &said, now: time.Now}, engine: playedEngine(), state: dir}
	a.say(ipc.ErrDaemonGone)
	want := "coppice: the daemon went away before its answer was complete, and no other one runs (" + dir + "); `coppice up` starts one\n"
	if said.String() != want {
		t.Errorf("got  %swant %s", said.String(), want)
	}
}
