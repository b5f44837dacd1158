package tree_test

import (
	"fmt"
	"math"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"coppice/tree"
	"coppice/tree/treetest"
)

// TestProperties throws random events at random trees. treetest.Watch looks at
// every Step; at the end everything that is asked for is done, and the tree must
// come to rest, then end when it is asked to, and do it all again alike.
func TestProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newChaos(t, tree.Options{OTP: rapid.Float64Range(0, 1).Draw(t, "otp") < 0.2})
		for range rapid.IntRange(5, 80).Draw(t, "steps") {
			c.happen()
		}
		c.comeToRest()
		if c.world.Halt == nil {
			c.end()
		}
		c.again()
	})
}

// chaos is a world in which everything may happen, in any order.
type chaos struct {
	*rapid.T
	world *treetest.World
	opts  tree.Options
	specs *specs
	spec  tree.ChildSpec // as last applied
	// applies tells a run with Apply from one with ChangeSupervisor.
	applies bool
	log     []told
}

// told is one Step: what the tree heard, and what it answered.
type told struct {
	now    tree.Time
	events []tree.Event
	out    tree.Output
}

func newChaos(t *rapid.T, opts tree.Options) *chaos {
	s := &specs{T: t}
	c := &chaos{T: t, opts: opts, specs: s, spec: s.root(), applies: rapid.Bool().Draw(t, "applies")}
	if faults := tree.Check(c.spec); len(faults) > 0 {
		t.Fatalf("the generator made a spec with %v", faults)
	}
	c.world = treetest.NewWorld(clone(c.spec), opts)
	c.step(tree.Boot{})
	if rapid.IntRange(0, 2).Draw(t, "calm") > 0 {
		c.comeToRest()
	}
	return c
}

// step keeps copies of the events: a spec belongs to the tree once it is told.
func (c *chaos) step(events ...tree.Event) {
	kept := make([]tree.Event, len(events))
	for i, e := range events {
		kept[i] = cloneEvent(e)
	}
	c.log = append(c.log, told{now: c.world.Now, events: kept, out: c.world.Step(events...)})
	c.check()
}

// check fails with what the tree was told lately.
func (c *chaos) check() {
	err := c.world.Watch.Err()
	if err == nil {
		return
	}
	text := "\n" + outline(c.specs.first)
	for _, s := range c.log[max(0, len(c.log)-20):] {
		text += fmt.Sprintf("\nat %d:", s.now)
		for _, e := range s.events {
			text += fmt.Sprintf(" %T%+v", e, brief(e))
		}
	}
	c.Fatalf("%v\nwhat it was told:%s", err, text)
}

// happen makes one to three things happen at once.
func (c *chaos) happen() {
	var events []tree.Event
	for range 1 + rapid.IntRange(0, 5).Draw(c.T, "more")/4 {
		events = append(events, c.event())
	}
	c.step(events...)
}

func (c *chaos) event() tree.Event {
	var e tree.Event
	switch n := rapid.IntRange(0, 299).Draw(c.T, "what"); {
	case n < 120:
		e = c.answer()
	case n < 160:
		e = c.exit()
	case n < 185:
		e = c.notice()
	case n < 210:
		c.pass()
		e = tree.Tick{}
	case n < 230:
		e = c.odd()
	case n < 231:
		e = c.call(tree.ShutdownTree{Kill: rapid.Bool().Draw(c.T, "kill"), By: "down"})
	}
	if e == nil {
		e = c.call(c.request())
	}
	return e
}

func (c *chaos) call(r tree.Request) tree.Event {
	called, _ := c.world.Call(r)
	return called
}

func pending(p *treetest.Process) bool { return !p.Answered }
func alive(p *treetest.Process) bool   { return p.Alive }
func hooking(p *treetest.Process) bool { return p.Hooking }
func asked(p *treetest.Process) bool   { return p.Alive && (p.Stopping || p.Killing) }

// pick is one of list; nil if there is none.
func pick[T any](t *rapid.T, list []T) (x T, ok bool) {
	if len(list) == 0 {
		return x, false
	}
	return rapid.SampledFrom(list).Draw(t, "one"), true
}

// answer does one thing that the tree asked for.
func (c *chaos) answer() tree.Event {
	if rapid.Bool().Draw(c.T, "chance") {
		if e, ok := c.world.Draw(rapid.Float64Range(0, 0.999).Draw(c.T, "number")); ok {
			return e
		}
	}
	if p, ok := pick(c.T, c.world.Find(pending)); ok {
		switch rapid.IntRange(0, 11).Draw(c.T, "start") {
		case 0:
			p.Answered = true
			return tree.StartFailed{Ref: p.Ref, Cause: "no such file"}
		case 1:
			p.Answered = true
			return tree.StartIgnored{Ref: p.Ref}
		case 2:
			p.Answered = true
			return tree.StartFailed{Ref: p.Ref, Cause: "no more processes", Shortage: true}
		}
		return c.world.Begin(p)
	}
	if p, ok := pick(c.T, c.world.Find(hooking)); ok {
		return tree.HookDone{Ref: p.Ref, Cause: rapid.SampledFrom([]string{"", "exit code 1"}).Draw(c.T, "hook")}
	}
	if e := c.world.Reloaded(); e != nil {
		return e
	}
	if p, ok := pick(c.T, c.world.Find(asked)); ok {
		return c.world.End(p, tree.Exit{Signal: "SIGTERM"})
	}
	return nil
}

func (c *chaos) exit() tree.Event {
	if p, ok := pick(c.T, c.world.Find(alive)); ok {
		ends := []tree.Exit{{}, {Code: 1}, {Code: 3}, {Signal: "SIGKILL"}, {Signal: "SIGTERM"}, {Lost: true}}
		return c.world.End(p, rapid.SampledFrom(ends).Draw(c.T, "exit"))
	}
	return nil
}

func (c *chaos) notice() tree.Event {
	if p, ok := pick(c.T, c.world.Find(alive)); ok {
		if rapid.IntRange(0, 7).Draw(c.T, "adopted") == 7 {
			return tree.Adopted{Ref: p.Ref}
		}
		return c.remark(p.Ref)
	}
	return nil
}

// remark is what a process, or who asks it, says of it while it runs.
func (c *chaos) remark(ref tree.Ref) tree.Event {
	said := []tree.Event{
		tree.Ready{Ref: ref},
		tree.Ready{Ref: ref},
		tree.Ready{Ref: ref},
		tree.Ready{Ref: ref},
		tree.NotReady{Ref: ref, Cause: "the port is taken"},
		tree.Checked{Ref: ref, Passed: true},
		tree.Checked{Ref: ref, Cause: "no answer"},
		tree.Unwell{Ref: ref, Cause: "it is silent"},
		tree.Extended{Ref: ref, Span: tree.Second},
		tree.WatchdogSet{Ref: ref, Span: tree.Second},
		tree.Survives{Ref: ref, Cause: "pid 1 (state D)"},
	}
	return rapid.SampledFrom(said).Draw(c.T, "said")
}

// pass lets time pass: to the deadline, or anywhere.
func (c *chaos) pass() {
	due, ok := c.world.Tree.Deadline()
	if ok && rapid.Bool().Draw(c.T, "due") {
		c.world.Now = max(c.world.Now, due)
		return
	}
	c.world.Now += tree.Time(rapid.Int64Range(0, int64(3*tree.Second)).Draw(c.T, "span"))
}

// odd is news that cannot be: late, early, twice, or of nobody.
func (c *chaos) odd() tree.Event {
	ref := tree.Ref{ID: "nobody", Generation: 1}
	if p, ok := pick(c.T, c.world.Find(func(p *treetest.Process) bool { return p.Answered })); ok {
		ref = p.Ref
		if p.Alive || rapid.Bool().Draw(c.T, "other") {
			ref.Generation += tree.Generation(rapid.SampledFrom([]int{-1, 1000}).Draw(c.T, "shift"))
		}
	}
	return rapid.SampledFrom([]tree.Event{
		tree.Started{Ref: ref, PID: 7},
		tree.StartFailed{Ref: ref, Shortage: rapid.Bool().Draw(c.T, "shortage")},
		tree.StartIgnored{Ref: ref},
		tree.Drawn{Ref: ref, Number: math.NaN()},
		tree.Ready{Ref: ref},
		tree.Checked{Ref: ref},
		tree.Unwell{Ref: ref},
		tree.Extended{Ref: ref, Span: -1},
		tree.Survives{Ref: ref, Cause: "pid 1 (state D)"},
		tree.Exited{Ref: ref},
		tree.HookDone{Ref: tree.Ref{ID: ref.ID, Generation: ref.Generation + 1000}},
		tree.Adopted{Ref: ref},
		tree.Dropped{ID: ref.ID, Bytes: 1},
		tree.Resumed{},
		tree.Tick{},
		tree.Boot{},
		tree.Exited{Ref: tree.Ref{ID: c.spec.ID, Generation: 1}},
	}).Draw(c.T, "odd")
}

// restMax is more Steps than any tree of these needs.
const restMax = 20_000

// comeToRest does all that the tree asks for until it asks for nothing more. A
// process that is ready by its end may be restarted for ever where no limit can
// be exceeded.
func (c *chaos) comeToRest() {
	for range restMax {
		e := c.world.Oblige()
		if e == nil {
			c.world.Watch.AtRest()
			c.check()
			return
		}
		c.step(e)
	}
	if !c.specs.restless {
		c.Fatalf("the tree does not come to rest: %+v", c.world.Tree.Status())
	}
}

// end asks the tree to end, which it must; perhaps twice, the second time in a
// hurry.
func (c *chaos) end() {
	c.step(c.call(tree.ShutdownTree{By: "down"}))
	if rapid.Bool().Draw(c.T, "hurry") {
		for range rapid.IntRange(0, 5).Draw(c.T, "patience") {
			c.happen()
		}
		c.step(c.call(tree.ShutdownTree{Kill: true, By: "down"}))
	}
	c.comeToRest()
	if c.world.Halt == nil || c.world.Halt.Reason != tree.HaltShutdown {
		c.Fatalf("after a shutdown the tree has ended with %+v", c.world.Halt)
	}
	c.step(c.call(tree.RestartChild{ID: "p1"}))
	c.world.Watch.AtRest()
	c.check()
}

// again tells a new tree the same, and wants the same answers.
func (c *chaos) again() {
	other := tree.New(clone(c.specs.first), c.opts)
	for _, s := range c.log {
		if out := other.Step(s.now, s.events...); !reflect.DeepEqual(out, s.out) {
			c.Fatalf("told %v at %d again, the tree answers otherwise:\n%s", s.events, s.now, cmp.Diff(s.out, out))
		}
	}
}
