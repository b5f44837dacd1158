package main

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"coppice/ipc"
)

func TestPatientlySaysWhatItWaitsForAfterASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said bytes.Buffer
		a := &app{world: world{err: &said}}
		wanted := errors.New("refused")
		err := a.patiently(func() error {
			time.Sleep(999 * time.Millisecond)
			return wanted
		}, func() string { return "too early" })
		if err != wanted || said.Len() != 0 {
			t.Errorf("got %v, said %q", err, said.String())
		}
		err = a.patiently(func() error {
			time.Sleep(time.Hour)
			return nil
		}, func() string { return "db is stopping since 2s" })
		if err != nil || said.String() != "coppice: db is stopping since 2s; waiting\n" {
			t.Errorf("got %v, said %q", err, said.String())
		}
	})
}

func TestBusyWithNamesWhatIsLowest(t *testing.T) {
	slow := func(name string) ipc.Node {
		return ipc.Node{Name: name, Kind: "process", State: "stopping", Since: before(3 * time.Second), Until: after(2 * time.Second)}
	}
	tree := &ipc.Tree{Root: ipc.Node{Name: "root", State: "starting", Since: before(time.Minute), Children: []ipc.Node{
		{Name: "db", State: "running"},
		{Name: "api", State: "starting", Since: before(2 * time.Second), Until: after(58 * time.Second)},
	}}}
	all := tree.Root.Children
	for _, c := range []struct {
		children []ipc.Node
		want     string
	}{
		{all, "api is starting since 2s and gives up in 58s"},
		{all[:1], "root is starting since 1m"},
		{
			[]ipc.Node{slow("a"), {Name: "x", State: "unkillable", Trouble: "pid 7 (x, state D)"}},
			"x cannot be killed (pid 7 (x, state D)), a is stopping since 3s and is killed in 2s",
		},
		{
			[]ipc.Node{slow("a"), slow("b"), slow("c"), slow("d")},
			"a is stopping since 3s and is killed in 2s, b is stopping since 3s and is killed in 2s, c is stopping since 3s and is killed in 2s, 1 more",
		},
	} {
		tree.Root.Children = c.children
		if got := busyWith(tree, noon); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}
