package integration

import "testing"

func TestUpStatusDown(t *testing.T) {
	b := newBed(t, `
[process.a]
command = ["sleep", "1000"]
[process.b]
command = "sleep 1000"
`)
	b.up()
	if got := len(pids(b.tree().Root)); got != 2 {
		t.Errorf("%d processes run, not 2", got)
	}
	b.must("down")
	if r := b.run("status"); r.code != 3 {
		t.Errorf("status without a daemon: exit code %d, not 3", r.code)
	}
}
