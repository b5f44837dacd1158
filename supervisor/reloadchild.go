package supervisor

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"coppice/configs"
	"coppice/ipc"
	"coppice/supervisor/process"
	"coppice/tree"
)

// reloads are the reload commands that run. They belong to the loop.
type reloads struct {
	running map[process.JobID]tree.Ref
	// output is what those have written whose end the tree is about to answer, by call.
	output map[uint64]string
}

// reloadChild makes a process read its configuration again.
func (r *runtime) reloadChild(a tree.Reload) {
	done := func(why string) {
		r.queue = append(r.queue, tree.ReloadDone{Ref: a.Ref, Call: a.Call, Because: a.Because, Cause: why})
	}
	n, ok := r.tree.Node(a.ID)
	how := r.settings(a.ID).Reload
	switch {
	case !ok:
		done("it has ended")
	case how.Signal != "":
		r.reaper.Signal(a.Ref, how.Signal, false)
		done("")
	case how.Command == nil:
		done("it has no reload_signal and no reload_command")
	default:
		r.reloadCommand(a, n, how.Command, done)
	}
}

// reloadCommand runs the command that does it.
func (r *runtime) reloadCommand(a tree.Reload, n tree.Status, c *configs.Command, done func(string)) {
	const key = "reload_command"
	command, why := r.beside(a.ID, n.Spec, c, []string{"MAINPID=" + strconv.Itoa(n.PID)})
	if why != "" {
		done(why)
		return
	}
	var id process.JobID
	id = r.startJob(a.Ref, command, time.Duration(c.Limit), func(d process.JobDone) {
		_, present := r.reloads.running[id]
		delete(r.reloads.running, id)
		why := failed(key, c, d)
		switch {
		case !present:
			why = fmt.Sprintf("%s was cut short: %s has ended", key, a.ID)
		case why != "":
			why = r.placed(r.wantedAs(a.ID), key, why)
		}
		r.reloads.output[a.Call] = strings.ToValidUTF8(string(d.Output), "\uFFFD")
		done(why)
	})
	r.reloads.running[id] = a.Ref
}

// cutReloads ends the reload commands of an incarnation that has ended: the number in
// their MAINPID means nothing any more.
func (r *runtime) cutReloads(ref tree.Ref) {
	for id, running := range r.reloads.running {
		if running == ref {
			delete(r.reloads.running, id)
			r.reaper.CancelJob(id)
		}
	}
}

// askReload asks the tree for a reload of one process, if it has a way to do that.
func (r *runtime) askReload(ctx context.Context, cmd ipc.Command) (*ipc.Result, error) {
	var refusal error
	var output string
	type outcome struct {
		result *ipc.Result
		err    error
	}
	done := make(chan outcome, 1)
	err := r.ask(ctx, func() {
		if refusal = r.cannotReload(cmd.Node); refusal != nil {
			return
		}
		r.call(tree.ReloadChild{ID: cmd.Node}, func(reply tree.Reply) {
			output = r.reloads.output[reply.ID]
			delete(r.reloads.output, reply.ID)
			result, err := r.outcome(cmd, reply)
			if result != nil {
				result.Output = output
			}
			done <- outcome{result, err}
		})
	})
	switch {
	case err != nil:
		return nil, err
	case refusal != nil:
		return nil, refusal
	case cmd.NoWait:
		return &ipc.Result{Message: "reload of " + cmd.Node + " was asked for"}, nil
	}
	select {
	case o := <-done:
		return o.result, o.err
	case <-r.done:
		return nil, errCutShort
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// cannotReload refuses for a process that the tree file gives no way to reload.
func (r *runtime) cannotReload(name string) error {
	n, ok := r.tree.Node(name)
	if how := r.settings(name).Reload; !ok || n.Spec.Type == tree.Supervisor || how != (configs.Reload{}) {
		return nil // what else there is to say, the tree says
	}
	return refused("%s cannot be told to reload: give it a reload_signal or a reload_command in the tree file, then `coppice reload`", name)
}
