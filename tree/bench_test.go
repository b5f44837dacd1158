package tree_test

import (
	"fmt"
	"runtime"
	"strconv"
	"testing"

	"coppice/tree"
)

// forest is a tree for benchmarks, with the processes in it.
type forest struct {
	tree *tree.Tree
	now  tree.Time
	ids  []string
	refs []tree.Ref // of ids; the number of a process is in its name
	call uint64
}

// shape is what a forest looks like: one supervisor over all processes, or as many
// supervisors as are needed for a thousand under each.
type shape struct {
	name  string
	under int // processes under one supervisor; 0: all
}

var shapes = []shape{{"flat", 0}, {"nested", 1000}}

// sizes are the numbers of processes that a forest is measured with.
var sizes = []int{10, 1000, 10_000, 100_000}

// processSpec is a process as the tree file's defaults would have it.
func processSpec(i int) tree.ChildSpec {
	return tree.ChildSpec{
		ID: fmt.Sprintf("worker%06d", i), Restart: tree.Permanent, Start: "worker",
		Shutdown: tree.Shutdown{Timeout: 5 * tree.Second}, Success: tree.Success{Codes: [][2]int{{0, 0}}},
	}
}

func supervisorSpec(id string) tree.ChildSpec {
	return tree.ChildSpec{
		ID: id, Type: tree.Supervisor, Shutdown: tree.Shutdown{Timeout: tree.Infinity},
		Flags: tree.Flags{Intensity: -1, Period: tree.Second},
	}
}

// spec is a forest's, each process changed by change.
func (s shape) spec(size int, change func(i int, c *tree.ChildSpec)) tree.ChildSpec {
	root := supervisorSpec("root")
	for i := range size {
		c := processSpec(i)
		if change != nil {
			change(i, &c)
		}
		if s.under == 0 {
			root.Children = append(root.Children, c)
			continue
		}
		if i%s.under == 0 {
			root.Children = append(root.Children, supervisorSpec("group"+strconv.Itoa(i/s.under)))
		}
		group := &root.Children[len(root.Children)-1]
		group.Children = append(group.Children, c)
	}
	return root
}

// plant makes a forest and boots it.
func plant(spec tree.ChildSpec) *forest {
	f := &forest{tree: tree.New(spec, tree.Options{})}
	f.step(tree.Boot{})
	return f
}

// step lets time pass and answers what the tree asks for, at once and in order, until it
// asks for nothing more.
func (f *forest) step(events ...tree.Event) {
	for len(events) > 0 {
		f.now += tree.Second / 1000
		out := f.tree.Step(f.now, events...)
		events = events[:0]
		for _, a := range out.Actions {
			switch a := a.(type) {
			case tree.Start:
				f.note(a.Ref)
				events = append(events, tree.Started{Ref: a.Ref, PID: int(a.Generation)})
			case tree.Stop:
				events = append(events, tree.Exited{Ref: a.Ref, Exit: tree.Exit{Signal: "SIGTERM"}})
			case tree.Reply:
				if a.Refusal != "" {
					panic(a.Refusal)
				}
			}
		}
	}
}

// note keeps who is started under a name that ends with a number of six digits.
func (f *forest) note(ref tree.Ref) {
	i := number(ref.ID)
	for len(f.refs) <= i {
		f.refs, f.ids = append(f.refs, tree.Ref{}), append(f.ids, "")
	}
	f.refs[i], f.ids[i] = ref, ref.ID
}

func number(id string) int {
	i, err := strconv.Atoi(id[len(id)-6:])
	if err != nil {
		panic(err)
	}
	return i
}

func (f *forest) ref(id string) tree.Ref { return f.refs[number(id)] }

// ask has an operator's request carried out.
func (f *forest) ask(r tree.Request) {
	f.call++
	f.step(tree.Called{ID: f.call, Request: r})
}

// crash ends a process by itself.
func (f *forest) crash(id string) {
	f.step(tree.Exited{Ref: f.ref(id), Exit: tree.Exit{Signal: "SIGKILL"}})
}

// next walks through the processes in leaps, so that neither the order of the tree nor
// the caches help.
func (f *forest) next(i int) string { return f.ids[i*7919%len(f.ids)] }

// eachForest runs a benchmark on forests of every size and shape.
func eachForest(b *testing.B, change func(i int, c *tree.ChildSpec), run func(b *testing.B, spec tree.ChildSpec)) {
	for _, s := range shapes {
		for _, size := range sizes {
			if s.under >= size {
				continue // it would be flat
			}
			b.Run(fmt.Sprintf("%s/%d", s.name, size), func(b *testing.B) {
				b.ReportAllocs()
				run(b, s.spec(size, change))
			})
		}
	}
}

// eachEvent measures what is done to one process after the other in a forest that runs.
func eachEvent(b *testing.B, change func(i int, c *tree.ChildSpec), event func(f *forest, id string)) {
	eachForest(b, change, func(b *testing.B, spec tree.ChildSpec) {
		f := plant(spec)
		runtime.GC()
		i := 0
		for b.Loop() {
			event(f, f.next(i))
			i++
		}
	})
}

// perNode reports the time of one round divided by the processes.
func perNode(b *testing.B, size int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(size), "ns/process")
}

// BenchmarkRestart is one crash with all that follows: Exited, Start, Started.
func BenchmarkRestart(b *testing.B) {
	eachEvent(b, nil, (*forest).crash)
}

// BenchmarkRestartLast is the same for the last child of a rest_for_one supervisor, which
// restarts nobody else.
func BenchmarkRestartLast(b *testing.B) {
	for _, size := range sizes {
		b.Run(fmt.Sprintf("flat/%d", size), func(b *testing.B) {
			b.ReportAllocs()
			spec := shape{}.spec(size, nil)
			spec.Flags.Strategy = tree.RestForOne
			f := plant(spec)
			runtime.GC()
			last := f.ids[size-1]
			for b.Loop() {
				f.crash(last)
			}
		})
	}
}

// BenchmarkStopStart is a stop and a start of one process by hand.
func BenchmarkStopStart(b *testing.B) {
	eachEvent(b, nil, func(f *forest, id string) {
		f.ask(tree.TerminateChild{ID: id})
		f.ask(tree.RestartChild{ID: id})
	})
}

// BenchmarkBackoff is one restart whose delay has passed, with a deadline for every
// process.
func BenchmarkBackoff(b *testing.B) {
	eachForest(b, func(i int, c *tree.ChildSpec) {
		c.Backoff = tree.Backoff{Initial: tree.Second + tree.Time(i), Max: tree.Second + tree.Time(i), Factor: 1}
	}, func(b *testing.B, spec tree.ChildSpec) {
		f := plant(spec)
		for _, id := range f.ids {
			f.crash(id)
		}
		runtime.GC()
		for b.Loop() {
			at, _ := f.tree.Deadline()
			f.now = at
			out := f.tree.Step(at, tree.Tick{})
			ref := out.Actions[0].(tree.Start).Ref
			f.tree.Step(at, tree.Started{Ref: ref, PID: 1})
			f.tree.Step(at, tree.Exited{Ref: ref, Exit: tree.Exit{Code: 1}})
		}
	})
}

// BenchmarkReady is one restart of a process that says itself when it is ready, with a
// start timeout that never passes.
func BenchmarkReady(b *testing.B) {
	eachForest(b, func(_ int, c *tree.ChildSpec) {
		c.Ready, c.StartTimeout = tree.AtNotice, 3600*tree.Second
	}, func(b *testing.B, spec tree.ChildSpec) {
		f := plant(spec)
		for i := 0; i < len(f.ids); i++ { // a start follows the Ready of the one before
			f.step(tree.Ready{Ref: f.refs[i]})
		}
		runtime.GC()
		i := 0
		for b.Loop() {
			id := f.next(i)
			f.crash(id)
			f.step(tree.Ready{Ref: f.ref(id)})
			i++
		}
	})
}

// BenchmarkHerd is one restart of many: all processes have died in one moment.
func BenchmarkHerd(b *testing.B) {
	eachForest(b, nil, func(b *testing.B, spec tree.ChildSpec) {
		f := plant(spec)
		size := len(f.ids)
		events := make([]tree.Event, 0, size)
		runtime.GC()
		for b.Loop() {
			events = events[:0]
			for _, id := range f.ids {
				events = append(events, tree.Exited{Ref: f.ref(id), Exit: tree.Exit{Signal: "SIGKILL"}})
			}
			f.step(events...)
		}
		perNode(b, size)
	})
}

// BenchmarkSignificant is the end of one significant child of many, none of which is
// restarted.
func BenchmarkSignificant(b *testing.B) {
	for _, size := range sizes {
		b.Run(fmt.Sprintf("flat/%d", size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				spec := shape{}.spec(size, func(_ int, c *tree.ChildSpec) { c.Restart, c.Significant = tree.Transient, true })
				spec.Flags.AutoShutdown = tree.AllSignificant
				f := plant(spec)
				b.StartTimer()
				for _, id := range f.ids {
					f.step(tree.Exited{Ref: f.ref(id)})
				}
			}
			perNode(b, size)
		})
	}
}

// BenchmarkDynamic is a child more of a template with many instances, and the end of
// the oldest of them.
func BenchmarkDynamic(b *testing.B) {
	for _, size := range sizes {
		b.Run(fmt.Sprintf("flat/%d", size), func(b *testing.B) {
			b.ReportAllocs()
			f := plantInstances(size)
			runtime.GC()
			for i := size; b.Loop(); i++ {
				f.ask(tree.StartChild{Supervisor: "root", Spec: tree.ChildSpec{ID: instanceName(i % (2 * size))}})
				f.ask(tree.TerminateChild{ID: instanceName((i - size) % (2 * size))})
			}
		})
	}
}

// instanceName is the name of an instance.
func instanceName(i int) string { return fmt.Sprintf("instance%06d", i) }

// plantInstances makes a template with instances.
func plantInstances(size int) *forest {
	spec := supervisorSpec("root")
	spec.Flags.Strategy = tree.SimpleOneForOne
	spec.Children = []tree.ChildSpec{processSpec(0)}
	f := plant(spec)
	for i := range size {
		f.ask(tree.StartChild{Supervisor: "root", Spec: tree.ChildSpec{ID: instanceName(i)}})
	}
	return f
}

// BenchmarkStopInstances stops a template with all its instances, which are stopped
// together.
func BenchmarkStopInstances(b *testing.B) {
	for _, size := range sizes {
		b.Run(fmt.Sprintf("flat/%d", size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				f := plantInstances(size)
				b.StartTimer()
				f.ask(tree.ShutdownTree{})
			}
			perNode(b, size)
		})
	}
}

// BenchmarkBoot brings a whole tree up, and BenchmarkStop down again.
func BenchmarkBoot(b *testing.B) {
	eachForest(b, nil, func(b *testing.B, spec tree.ChildSpec) {
		var f *forest
		size := 0
		for b.Loop() {
			f = plant(spec)
			size = len(f.ids)
		}
		perNode(b, size)
		runtime.KeepAlive(f)
	})
}

func BenchmarkStop(b *testing.B) {
	eachForest(b, nil, func(b *testing.B, spec tree.ChildSpec) {
		size := 0
		for b.Loop() {
			b.StopTimer()
			f := plant(spec)
			size = len(f.ids)
			b.StartTimer()
			f.ask(tree.ShutdownTree{})
		}
		perNode(b, size)
	})
}

// BenchmarkMemory says what a process of a tree that runs keeps in memory: spec-B its spec
// and its name, tree-B what the tree has beside that.
func BenchmarkMemory(b *testing.B) {
	for _, s := range shapes {
		for _, size := range sizes {
			if s.under >= size {
				continue
			}
			b.Run(fmt.Sprintf("%s/%d", s.name, size), func(b *testing.B) {
				var before, wanted, running uint64
				for b.Loop() {
					before = heap()
					spec := s.spec(size, nil)
					wanted = heap()
					f := plant(spec)
					f.refs, f.ids = nil, nil
					running = heap()
					runtime.KeepAlive(f)
				}
				b.ReportMetric(float64(wanted-before)/float64(size), "spec-B/process")
				b.ReportMetric(float64(running-wanted)/float64(size), "tree-B/process")
			})
		}
	}
}

// heap is what is in use of it.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkStatus is a snapshot of the whole tree, BenchmarkSave what is written down of
// it, BenchmarkRestore that read again.
func BenchmarkStatus(b *testing.B) {
	eachForest(b, nil, func(b *testing.B, spec tree.ChildSpec) {
		f := plant(spec)
		for b.Loop() {
			f.tree.Status()
		}
		perNode(b, len(f.ids))
	})
}

func BenchmarkSave(b *testing.B) {
	eachForest(b, nil, func(b *testing.B, spec tree.ChildSpec) {
		f := plant(spec)
		for b.Loop() {
			f.tree.Save()
		}
		perNode(b, len(f.ids))
	})
}

func BenchmarkRestore(b *testing.B) {
	eachForest(b, nil, func(b *testing.B, spec tree.ChildSpec) {
		f := plant(spec)
		saved := f.tree.Save()
		for b.Loop() {
			if _, err := tree.Restore(saved); err != nil {
				b.Fatal(err)
			}
		}
		perNode(b, len(f.ids))
	})
}

// BenchmarkApply is a reload in which one process is another one.
func BenchmarkApply(b *testing.B) {
	for _, s := range shapes {
		for _, size := range sizes {
			if s.under >= size {
				continue
			}
			b.Run(fmt.Sprintf("%s/%d", s.name, size), func(b *testing.B) {
				b.ReportAllocs()
				f := plant(s.spec(size, nil))
				for round := 1; b.Loop(); round++ {
					b.StopTimer()
					spec := s.spec(size, func(i int, c *tree.ChildSpec) {
						if i == size/2 {
							c.Start = strconv.Itoa(round)
						}
					})
					b.StartTimer()
					f.ask(tree.Apply{Spec: spec})
				}
				perNode(b, size)
			})
		}
	}
}
