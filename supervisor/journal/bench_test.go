package journal

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"coppice/configs"
	"coppice/tree"
)

// died is the step of a process that ended and is restarted, as it comes most.
func died(seq uint64) Step {
	ref := tree.Ref{ID: "worker-1234", Generation: tree.Generation(seq)}
	return Step{
		At: tree.Time(seq) * tree.Second, Wall: wall.Add(time.Duration(seq) * time.Second),
		Events: []tree.Event{tree.Exited{Ref: ref, Exit: tree.Exit{Code: 1}}},
		Reports: []tree.Report{
			{Seq: seq, Kind: tree.ExitSeen, Node: ref.ID, PID: 12345, Exit: &tree.Exit{Code: 1}},
			{Seq: seq + 1, Because: seq, Kind: tree.RestartBegun, Node: ref.ID},
			{Seq: seq + 2, Because: seq + 1, Kind: tree.StartBegun, Node: ref.ID},
		},
	}
}

func BenchmarkAppend(b *testing.B) {
	j := begun(b, b.TempDir())
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		must(b, j.Append(died(uint64(i*3+1))))
	}
}

// BenchmarkOpen reads a file of 4 MiB.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	j := begun(b, dir)
	for i := uint64(1); !j.Due(); i += 3 {
		must(b, j.Append(died(i)))
	}
	b.SetBytes(j.size)
	b.ReportMetric(float64(j.n), "records")
	must(b, j.Close())
	for b.Loop() {
		o, _, err := Open(dir, func(Record) error { return nil })
		must(b, err)
		must(b, o.Close())
	}
}

func BenchmarkRead(b *testing.B) {
	dir := b.TempDir()
	j := begun(b, dir)
	for i := uint64(1); !j.Due(); i += 3 {
		must(b, j.Append(died(i)))
	}
	b.SetBytes(j.size)
	for b.Loop() {
		must(b, Read(dir, 0, func(Step) error { return nil }))
	}
}

// large is the state of a tree of so many processes, started.
func large(processes int) State {
	config := sample()
	env := make([]string, 50)
	for i := range env {
		env[i] = fmt.Sprintf("VARIABLE_%02d=the value of it, of some length", i)
	}
	model := config.Spec.Children[0]
	config.Spec.Children = nil
	for i := range processes {
		child, process := model, *model.Start.(*configs.Process)
		child.ID = fmt.Sprintf("worker-%d", i)
		process.Env = append(slices.Clone(env), "WORKER="+child.ID)
		process.Argv = []string{process.Program, child.ID}
		child.Start = &process
		config.Spec.Children = append(config.Spec.Children, child)
		config.Settings[child.ID] = &configs.Settings{StopSignal: "SIGTERM"}
	}
	t := tree.New(config.Spec, tree.Options{})
	out := t.Step(1, tree.Boot{})
	for i := 0; len(out.Actions) > 0; i++ {
		start := out.Actions[0].(tree.Start)
		out = t.Step(tree.Time(i+2), tree.Started{Ref: start.Ref, PID: 1000 + i})
	}
	return State{Config: config, Tree: t.Save()}
}

func BenchmarkBeginOf10000(b *testing.B) {
	j := begun(b, b.TempDir())
	s := large(10000)
	b.ReportAllocs()
	for b.Loop() {
		must(b, j.Begin(Begin{}, s))
	}
	b.ReportMetric(float64(j.state), "bytes")
}

func BenchmarkOpenOf10000(b *testing.B) {
	dir := b.TempDir()
	j := begun(b, dir)
	must(b, j.Begin(Begin{}, large(10000)))
	must(b, j.Close())
	b.ReportAllocs()
	for b.Loop() {
		o, _, err := Open(dir, func(Record) error { return nil })
		must(b, err)
		must(b, o.Close())
	}
}
