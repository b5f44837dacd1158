package supervisor

import (
	"cmp"
	"fmt"

	"coppice/ipc"
	"coppice/tree"
)

// outcome is the tree's answer to a verb, in words.
func (r *runtime) outcome(cmd ipc.Command, reply tree.Reply) (*ipc.Result, error) {
	name := cmd.Node
	switch reply.Refusal {
	case "":
		return r.success(cmd, reply), nil
	case tree.NotFound, tree.IsSimple:
		return nil, r.noNode(name)
	case tree.Running:
		return already("%s is running already%s", name, r.pidOf(name))
	case tree.NoProc:
		return r.noSupervisor(cmd)
	case tree.Forgotten:
		if cmd.Verb == "stop" {
			return already("%s has ended already", name)
		}
		return nil, refused("%s is temporary and has ended, so its supervisor has forgotten it; a job to be run again by hand is transient", name)
	case tree.FailedToStart:
		return nil, refused("%s did not start: %s", name, reply.Cause)
	case tree.IsRestarting:
		return nil, refused("%s is being restarted already; `coppice stop %s` ends the attempts", name, name)
	case tree.IsRoot:
		return nil, refused("the root cannot be told to %s; use `coppice %s`", cmd.Verb, map[string]string{
			"stop": "down", "start": "up -d", "restart": "down` and then `coppice up -d",
		}[cmd.Verb])
	case tree.NotRunning:
		if reply.Cause != "" {
			return nil, refused("cannot %s %s: %s", cmd.Verb, name, reply.Cause)
		}
		return nil, refused("%s does not run, so there is nothing to %s", name, cmd.Verb)
	case tree.NotProcess:
		return nil, refused("%s is a supervisor; name a process below it", name)
	case tree.Unkillable:
		return nil, refused("%s cannot be killed: %s; coppice starts no other one beside it and goes on once it has ended", name, reply.Cause)
	case tree.ShuttingDown:
		return nil, refused("cannot %s %s: the tree is being stopped, and its daemon with it", cmd.Verb, name)
	}
	return nil, refused("cannot %s %s: %s", cmd.Verb, name, cmp.Or(reply.Cause, string(reply.Refusal)))
}

// outcomeAtEnd is the answer when the tree has ended with the request.
func outcomeAtEnd(cmd ipc.Command, reply tree.Reply) (*ipc.Result, error) {
	if reply.Refusal == "" {
		return &ipc.Result{Message: fmt.Sprintf("%s of %s is done, and the tree has ended", cmd.Verb, cmd.Node)}, nil
	}
	return nil, errCutShort
}

func (r *runtime) success(cmd ipc.Command, reply tree.Reply) *ipc.Result {
	name := cmd.Node
	var message string
	switch cmd.Verb {
	case "start":
		message = fmt.Sprintf("%s is started%s", name, r.pidOf(name))
	case "stop":
		message = name + " is stopped"
		if _, known := r.tree.Node(name); !known {
			message += ", and forgotten as every child of a template is; `coppice start-child` makes another one"
		}
		if reply.Already {
			message = name + " is stopped already"
		}
	case "delete":
		message = name + " is gone"
	case "restart":
		message = fmt.Sprintf("%s is restarted%s", name, r.pidOf(name))
	case "freeze":
		message = fmt.Sprintf("%s is frozen%s", name, r.pidOf(name))
		if reply.Already {
			message = name + " is frozen already"
		}
	case "thaw":
		message = fmt.Sprintf("%s runs again%s", name, r.pidOf(name))
		if reply.Already {
			message = name + " is not frozen"
		}
	case "reload":
		message = name + " was told to reload" + r.pidOf(name)
	case "kill":
		message = fmt.Sprintf("%s was sent to %s%s", cmd.Signal, name, r.pidOf(name))
	}
	return &ipc.Result{Already: reply.Already, Message: message}
}

// noSupervisor is the answer where the supervisor that would have to act does
// not run: nothing below it runs either.
func (r *runtime) noSupervisor(cmd ipc.Command) (*ipc.Result, error) {
	if cmd.Verb == "stop" {
		return already("%s is stopped already: its supervisor does not run", cmd.Node)
	}
	if r.down {
		return nil, refused("cannot %s %s: the tree is being stopped", cmd.Verb, cmd.Node)
	}
	return nil, refused("cannot %s %s: its supervisor does not run; start that first (`coppice status` shows it)", cmd.Verb, cmd.Node)
}

func (r *runtime) pidOf(name string) string {
	if n, ok := r.tree.Node(name); ok && n.PID != 0 {
		return fmt.Sprintf(" (pid %d)", n.PID)
	}
	return ""
}

// noNode refuses a name that the tree does not have. The command line adds the
// nearest one.
func (r *runtime) noNode(name string) error {
	return &ipc.Error{Code: ipc.CodeNoNode, Title: fmt.Sprintf("no process or supervisor is named %q", name)}
}

func already(format string, args ...any) (*ipc.Result, error) {
	return &ipc.Result{Already: true, Message: fmt.Sprintf(format, args...)}, nil
}

func refused(format string, args ...any) error {
	return &ipc.Error{Code: ipc.CodeRefused, Title: fmt.Sprintf(format, args...)}
}
