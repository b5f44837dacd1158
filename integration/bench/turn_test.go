package main

import (
	"context"
	"fmt"
	"slices"
	"testing"
)

// actor is a peer that is never started.
type actor struct {
	title string
	bound terms
}

func (a actor) name() string                                    { return a.title }
func (a actor) install(context.Context, string) (string, error) { return "1", nil }
func (a actor) terms() terms                                    { return a.bound }
func (a actor) prepare(context.Context, job) (run, error)       { return nil, nil }

func TestTurnsInterleavePeers(t *testing.T) {
	peers := []peer{actor{title: "all"}, actor{"small", terms{most: 100}}, actor{"logger", terms{only: []measure{measureLog}}}}
	o := &options{counts: []int{10, 1000, 5000}, measures: []measure{measureRestart, measureIdle, measureLog}}
	var got []string
	for _, turn := range turnsOf(o, peers) {
		got = append(got, fmt.Sprintf("%s %d of %d: %s", turn.peer.name(), turn.had(), turn.children, join(turn.measures)))
	}
	want := []string{
		"all 1 of 1: log", "small 1 of 1: log", "logger 1 of 1: log",
		"all 10 of 10: restart", "small 10 of 10: restart",
		"all 1000 of 1000: idle,restart", "small 100 of 1000: idle,restart",
		"all 5000 of 5000: restart",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestTurnOfALaterRound(t *testing.T) {
	crowd := turn{children: 1000, measures: crowdMeasures}
	if got := join(crowd.inRound(1)); got != join(crowdMeasures) {
		t.Errorf("the first round lacks something: %s", got)
	}
	if got := join(crowd.inRound(2)); got != "up,memory,restart,control,mass,stop" {
		t.Errorf("the second round: %s", got)
	}
	alone := turn{children: 1, measures: []measure{measureMemory}}
	if got := alone.inRound(2); got != nil {
		t.Errorf("the second round of one alone: %s", join(got))
	}
}

func TestOptions(t *testing.T) {
	for _, c := range []struct {
		args []string
		ok   bool
	}{
		{nil, true},
		{[]string{"-quick", "-only", "coppice,floor-go", "-measures", "up,log", "-counts", "5,50", "-rounds", "4"}, true},
		{[]string{"-measures", "speed"}, false},
		{[]string{"-counts", "0"}, false},
		{[]string{"-counts", "many"}, false},
		{[]string{"more"}, false},
		{[]string{"-nonsense"}, false},
	} {
		o, err := parseOptions(c.args, t.Output())
		if (err == nil) != c.ok {
			t.Errorf("%q: %v", c.args, err)
		}
		if len(c.args) > 5 && (o.rounds != 4 || !slices.Equal(o.counts, []int{5, 50}) || !o.wants(measureLog) || o.wants(measureStop)) {
			t.Errorf("%q: %+v", c.args, o)
		}
	}
}
