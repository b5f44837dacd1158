package treetest

import (
	"cmp"
	"slices"

	"coppice/tree"
)

// World is all that a tree has around it: the clock, the processes, the
// operators who wait for replies. It carries out what the tree asks for only as
// far as bookkeeping goes; whoever drives it decides what the processes do, and
// tells the tree by Step.
type World struct {
	Tree *tree.Tree
	Now  tree.Time
	// Procs has the latest incarnation of every process that was ever asked for.
	Procs map[string]*Process
	// Inspects are the questions what is left of a process, oldest first.
	Inspects []tree.Ref
	// Reloads are those that were asked for and are not done, oldest first.
	Reloads []tree.Reload
	// Replies are the answers so far, by the number of the call.
	Replies map[uint64]tree.Reply
	// Halt is set once the tree has ended.
	Halt *tree.Halt
	// Watch finds what must not happen.
	Watch *Watch
	// Stepped, if set, is called after every Step; it may put another tree in the
	// place of Tree.
	Stepped func(events []tree.Event, out tree.Output)

	// draws are the numbers that the tree has asked chance for.
	draws []tree.Ref
	opts  tree.Options
	calls uint64
	pids  int
}

// Process is one incarnation of one process.
type Process struct {
	tree.Ref
	Spec *tree.ChildSpec
	PID  int
	// Answered says that the start is answered: Alive or not at all.
	Answered bool
	// Alive is true from the exec to the end, also when nobody was told yet.
	Alive bool
	// Stopping and Killing say what the tree has asked for.
	Stopping, Killing bool
	// Hangs says that Oblige never ends it: it cannot be killed.
	Hangs bool
	// Hooking says that it has ended and that the command after its end runs.
	Hooking bool
}

// NewWorld surrounds a tree that wants spec.
func NewWorld(spec tree.ChildSpec, opts tree.Options) *World {
	w := &World{
		Tree:    tree.New(spec, opts),
		Procs:   map[string]*Process{},
		Replies: map[uint64]tree.Reply{},
		opts:    opts,
	}
	w.Watch = newWatch(w)
	return w
}

// Step tells the tree the events and does the bookkeeping of its actions.
func (w *World) Step(events ...tree.Event) tree.Output {
	for _, e := range events {
		w.told(e)
	}
	out := w.Tree.Step(w.Now, events...)
	if w.Stepped != nil {
		w.Stepped(events, out)
	}
	w.heed(events, out)
	return out
}

// heed does the bookkeeping of what the tree has answered.
func (w *World) heed(events []tree.Event, out tree.Output) {
	w.Watch.step(events, out)
	for _, a := range out.Actions {
		switch a := a.(type) {
		case tree.Start:
			w.Procs[a.ID] = &Process{Ref: a.Ref, Spec: a.Spec}
		case tree.Stop:
			if p := w.incarnation(a.Ref); p != nil {
				p.Stopping = true
			}
		case tree.Kill:
			if p := w.incarnation(a.Ref); p != nil {
				p.Killing = true
			}
		case tree.Inspect:
			w.Inspects = append(w.Inspects, a.Ref)
		case tree.Draw:
			w.draws = append(w.draws, a.Ref)
		case tree.AfterExit:
			if p := w.incarnation(a.Ref); p != nil {
				p.Hooking = true
			}
		case tree.Reload:
			w.Reloads = append(w.Reloads, a)
		case tree.Reply:
			w.Replies[a.ID] = a
		case tree.Halt:
			w.Halt = &a
		}
	}
}

// Salvage puts another tree in the place of the present one, perhaps one that is
// behind: it is told which processes live and has to make the best of it. Those
// that it does not know end without a word. The Watch begins anew: it knows
// nothing of what was before.
func (w *World) Salvage(old *tree.Tree) tree.Output {
	w.Tree, w.Halt = old, nil
	if h, ok := old.Halted(); ok {
		w.Halt = &h
	}
	var living []tree.Living
	for id, p := range w.Procs {
		n, ok := old.Node(id)
		if !p.Alive || !ok || n.Spec.Type != tree.Process || w.Halt != nil {
			delete(w.Procs, id)
			continue
		}
		p.Stopping, p.Killing, p.Hooking = false, false, false
		living = append(living, tree.Living{Ref: p.Ref, PID: p.PID})
	}
	w.Reloads = nil
	w.Watch = newWatch(w)
	w.Watch.resume(old, living)
	out := old.Salvage(w.Now, living)
	w.heed(nil, out)
	return out
}

// told does the bookkeeping of an event that nobody but the tree was told of.
func (w *World) told(e tree.Event) {
	switch e := e.(type) {
	case tree.Started:
		if p := w.incarnation(e.Ref); p != nil && !p.Answered {
			p.PID, p.Answered, p.Alive = e.PID, true, true
		}
	case tree.StartFailed:
		w.answered(e.Ref)
	case tree.StartIgnored:
		w.answered(e.Ref)
	case tree.Exited:
		if p := w.incarnation(e.Ref); p != nil {
			p.Alive = false
		}
	case tree.HookDone:
		if p := w.incarnation(e.Ref); p != nil {
			p.Hooking = false
		}
	}
}

func (w *World) answered(ref tree.Ref) {
	if p := w.incarnation(ref); p != nil {
		p.Answered = true
	}
}

// Find gives the latest incarnations that fit, the oldest first.
func (w *World) Find(fit func(*Process) bool) []*Process {
	var list []*Process
	for _, p := range w.Procs {
		if fit(p) {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b *Process) int { return cmp.Compare(a.Generation, b.Generation) })
	return list
}

// Draw answers the oldest question for a number; false: there is none.
func (w *World) Draw(number float64) (tree.Drawn, bool) {
	if len(w.draws) == 0 {
		return tree.Drawn{}, false
	}
	ref := w.draws[0]
	w.draws = w.draws[1:]
	return tree.Drawn{Ref: ref, Number: number}, true
}

// Oblige does the next thing that the tree waits for, and does it well: starts
// succeed, processes become ready and stop when asked. Where only time is left
// to pass it passes. It gives what the tree is to be told; nil if it waits for
// nothing.
func (w *World) Oblige() tree.Event {
	if e, ok := w.Draw(0.5); ok {
		return e
	}
	if list := w.Find(func(p *Process) bool { return !p.Answered }); len(list) > 0 {
		return w.Begin(list[0])
	}
	if e := w.survivor(); e != nil {
		return e
	}
	if list := w.Find(func(p *Process) bool { return p.Alive && !p.Hangs && (p.Stopping || p.Killing) }); len(list) > 0 {
		return w.End(list[0], tree.Exit{Signal: "SIGTERM"})
	}
	if e := w.Reloaded(); e != nil {
		return e
	}
	if list := w.Find(func(p *Process) bool { return p.Hooking }); len(list) > 0 {
		return tree.HookDone{Ref: list[0].Ref}
	}
	for _, p := range w.Find(func(p *Process) bool { return p.Alive && !p.Hangs }) {
		n, ok := w.Tree.Node(p.ID)
		switch {
		case ok && n.State == tree.IsUnkillable:
			return w.End(p, tree.Exit{Code: 1})
		case !ok || n.State != tree.Starting:
		case p.Spec.Ready == tree.AtNotice:
			return tree.Ready{Ref: p.Ref}
		default:
			return w.End(p, tree.Exit{})
		}
	}
	due, ok := w.Tree.Deadline()
	if !ok {
		return nil
	}
	w.Now = max(w.Now, due)
	return tree.Tick{}
}

// survivor answers the oldest question what is left of one that hangs; nil: there is
// none. Any other one ends.
func (w *World) survivor() tree.Event {
	for len(w.Inspects) > 0 {
		p := w.incarnation(w.Inspects[0])
		w.Inspects = w.Inspects[1:]
		if p != nil && p.Alive && p.Hangs {
			return tree.Survives{Ref: p.Ref, Cause: "pid 1 (state D)"}
		}
	}
	return nil
}

// Call makes a request an event and gives the number that its reply will have.
func (w *World) Call(r tree.Request) (tree.Called, uint64) {
	w.calls++
	return tree.Called{ID: w.calls, Request: r}, w.calls
}

// Reloaded does the oldest reload that was asked for, every third one in vain; nil:
// there is none.
func (w *World) Reloaded() tree.Event {
	if len(w.Reloads) == 0 {
		return nil
	}
	a := w.Reloads[0]
	w.Reloads = w.Reloads[1:]
	e := tree.ReloadDone{Ref: a.Ref, Call: a.Call, Because: a.Because}
	if a.Call%3 == 0 {
		e.Cause = "exit code 1"
	}
	return e
}

// Begin makes the program of a start that is not answered run.
func (w *World) Begin(p *Process) tree.Started {
	w.pids++
	p.PID, p.Answered, p.Alive = w.pids, true, true
	return tree.Started{Ref: p.Ref, PID: p.PID}
}

// End makes a process that is alive end.
func (w *World) End(p *Process, how tree.Exit) tree.Exited {
	p.Alive = false
	return tree.Exited{Ref: p.Ref, Exit: how}
}

// incarnation is the process that a Ref names, if it is the latest of its name.
func (w *World) incarnation(ref tree.Ref) *Process {
	if p := w.Procs[ref.ID]; p != nil && p.Ref == ref {
		return p
	}
	return nil
}
