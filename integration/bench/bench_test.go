package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestOneSmallRound takes every measure of the floors and of coppice once, with few children, and asserts that there is a
// value, not which.
func TestOneSmallRound(t *testing.T) {
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("the children are in C: ", err)
	}
	o, err := parseOptions([]string{
		"-only", "floor-c,floor-go,floor-go-serial,floor-cat,coppice,coppice-direct,coppice-template",
		"-counts", "3", "-rounds", "1", "-place", t.TempDir(),
	}, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	o.kills, o.budget, o.daemonKills = 1, 0, 1
	o.rest, o.idle, o.chatter, o.young = 0, 20*time.Millisecond, 20*time.Millisecond, 20*time.Millisecond
	b := &bench{options: o, progress: t.Output()}
	if err := b.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, trouble := range b.record.Troubles {
		t.Errorf("%+v", trouble)
	}
	for _, c := range []struct{ peers, measures, metric string }{
		{"floor-c floor-go coppice", "up", "first-last"},
		{"floor-c floor-go coppice", "memory", "pss"},
		{"floor-c floor-go coppice", "idle", "switches"},
		{"floor-c floor-go coppice", "restart young", "p50"},
		{"floor-c floor-go coppice coppice-template", "mass", "back"},
		{"floor-c floor-go floor-go-serial coppice coppice-template", "stop", "dead"},
		{"floor-c floor-go floor-cat coppice coppice-direct", "log lines", "rate"},
		{"floor-c floor-go floor-cat coppice coppice-direct", "log lines", "lost"},
		{"coppice", "logkill", "lost"},
		{"coppice", "control", "status"},
		{"coppice", "daemon", "p50"},
	} {
		for _, m := range strings.Fields(c.measures) {
			for _, peer := range strings.Fields(c.peers) {
				n := b.record.usual(measure(m))
				if v := b.record.cell(peer, measure(m), n, c.metric); v.rounds != 1 {
					t.Errorf("%s, %s with %d: no %s", peer, m, n, c.metric)
				} else if c.metric == "lost" && v.median != 0 {
					t.Errorf("%s, %s: %v lines lost", peer, m, v.median)
				}
			}
		}
	}
	if left := marked(b.dir); len(left) > 0 {
		t.Errorf("processes that are left: %v", left)
	}
	if left, _ := filepath.Glob(b.dir); left != nil {
		t.Errorf("%s is left", b.dir)
	}
	if err := b.record.writeSVG(filepath.Join(t.TempDir(), "p.svg")); err != nil {
		t.Error(err)
	}
}
