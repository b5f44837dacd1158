package supervisor

import (
	"os"
	"slices"

	"coppice/configs"
	"coppice/supervisor/process"
	"coppice/tree"
)

// execute carries out one action of the tree. Nothing in it waits.
func (r *runtime) execute(a tree.Action) {
	switch a := a.(type) {
	case tree.Start:
		r.start(a)
	case tree.Stop:
		how := r.config.Settings[a.ID]
		r.reaper.Stop(a.Ref, how.StopSignal, how.StopMain)
	case tree.Kill:
		r.reaper.Kill(a.Ref)
	case tree.Signal:
		r.reaper.Signal(a.Ref, a.Signal, a.All)
	case tree.Reply:
		if reply := r.waiters[a.ID]; reply != nil {
			delete(r.waiters, a.ID)
			reply(a)
		}
	case tree.Halt:
		r.halted = &a
	}
}

// start gives a process its log pipe and hands it to the reaper.
func (r *runtime) start(a tree.Start) {
	p := a.Spec.Start.(*configs.Process)
	output, err := r.store.Begin(a.ID, p.Log)
	if err != nil {
		r.queue = append(r.queue, tree.StartFailed{Ref: a.Ref, Cause: err.Error()})
		return
	}
	env := p.Env
	if p.Ready.Kind == configs.ReadyNotify {
		address, err := r.notify.Open(a.Ref, os.Geteuid())
		if err != nil {
			output.Close()
			r.queue = append(r.queue, tree.StartFailed{Ref: a.Ref, Cause: err.Error()})
			return
		}
		env = append(slices.Clip(env), "NOTIFY_SOCKET="+address)
	}
	argv := append([]string{p.Program}, p.Argv[1:]...)
	r.reaper.Start(a.Ref, process.Command{Argv: argv, Env: env, Dir: p.Dir, Stdout: output.Stdout, Stderr: output.Stderr})
}

// awaitReady begins to look for the readiness of a process that was executed.
func (r *runtime) awaitReady(f process.Started) {
	n, ok := r.tree.Node(f.Ref.ID)
	if !ok || n.Generation != f.Ref.Generation {
		return
	}
	switch ready := n.Spec.Start.(*configs.Process).Ready; ready.Kind {
	case configs.ReadyNotify:
		r.notify.SetPID(f.Ref, f.PID)
	case configs.ReadyTCP:
		r.tcp.Watch(f.Ref, ready.Address)
	}
}

// unwatchReady ends what awaitReady and start have begun for an incarnation.
func (r *runtime) unwatchReady(ref tree.Ref) {
	r.tcp.Cancel(ref)
	r.notify.Cancel(ref)
}
