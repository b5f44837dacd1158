//go:build crash

package keeper

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// A keeper that dies while it reaps what an earlier daemon left: what it has
// written down is told by the keeper that the daemon becomes.
func TestKeeperDiesWhileItReaps(t *testing.T) {
	for _, point := range []string{"keeper.peeked", "keeper.recorded", "keeper.reaped"} {
		t.Run(point, func(t *testing.T) {
			fuse := filepath.Join(t.TempDir(), "fuse")
			p := startPair(t, setup{how: "owner", env: []string{"COPPICE_CRASH=" + point + ":" + fuse}})
			p.awaitDaemon()
			gate := p.gate()
			p.do("exits %s/exits", p.dir)
			want := map[string]string{}
			p.spawn("5", want)
			p.killDaemon()
			check(t, os.WriteFile(fuse, nil, 0o600))
			became := p.daemon
			gate.Close()
			if said := p.awaitDaemon(); said["keeper"] != strconv.Itoa(became) {
				t.Fatal(said)
			}
			p.wait(p.keeper)
			p.keeper = became
			if point != "keeper.peeked" { // there the child is init's, and nobody knows more
				p.awaitExits(want)
			}
		})
	}
}

func TestKeeperDiesWhileItStartsADaemon(t *testing.T) {
	for _, point := range []string{"keeper.daemon.died", "keeper.forked", "takeover.written", "takeover.done"} {
		t.Run(point, func(t *testing.T) {
			fuse := filepath.Join(t.TempDir(), "fuse")
			p := startPair(t, setup{how: "owner", env: []string{"COPPICE_CRASH=" + point + ":" + fuse}})
			p.awaitDaemon()
			p.do("put mem-a")
			check(t, os.WriteFile(fuse, nil, 0o600))
			if point == "keeper.daemon.died" || point == "keeper.forked" {
				kill(t, p.daemon)
			} else {
				kill(t, p.keeper)
			}
			if point == "keeper.forked" {
				// The daemon that was just started becomes the keeper; what the old one
				// held has died with it.
				p.keeper, _ = strconv.Atoi(p.awaitDaemon()["keeper"])
			}
			// In the other cases both are dead, and there is nobody to wait for.
		})
	}
}
