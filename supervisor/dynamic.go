package supervisor

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"coppice/configs"
	"coppice/ipc"
	"coppice/supervisor/logs"
	"coppice/supervisor/process"
	"coppice/tree"
)

// Children of a template (tree/template.go) are in no tree file: what the file has
// for them it has for the template.

// wantedAs is the name under which the configuration has a process: of a template's
// child, the template's.
func (r *runtime) wantedAs(name string) string {
	if n, ok := r.tree.Node(name); ok && n.Template != "" {
		return n.Template
	}
	return name
}

// settings are those of a process.
func (r *runtime) settings(name string) configs.Settings {
	return r.config.SettingsOf(r.wantedAs(name))
}

// runningAs are the nodes that the configuration has under one name: the process of
// that name, or the children of a template.
func (r *runtime) runningAs(wanted string) []string {
	if supervisor, ok := configs.TemplateOf(wanted); ok {
		return r.tree.Instances(supervisor)
	}
	return []string{wanted}
}

// processOf is what it takes to start the process of a spec.
func (r *runtime) processOf(spec *tree.ChildSpec) (*configs.Process, error) {
	p := spec.Start.(*configs.Process)
	if n, ok := r.tree.Node(spec.ID); !ok || n.Template == "" {
		return p, nil
	}
	return p.With(spec.Extra, r.config.Dir)
}

// vanished lets go of what is remembered of names that the tree has no more. Their
// logs stay.
func (r *runtime) vanished(reports []tree.Report) {
	for i := range reports {
		if reports[i].Kind != tree.ChildRemoved {
			continue
		}
		r.forget(reports[i].Node)
	}
}

// forget lets go of what is kept of a name, if the tree has it no more.
func (r *runtime) forget(name string) {
	if _, ok := r.tree.Node(name); !ok {
		r.store.Forget(name)
		r.reaper.Forget(name)
	}
}

// StartChild implements ipc.Backend.
func (r *runtime) StartChild(ctx context.Context, req ipc.ChildRequest) (*ipc.Result, error) {
	if err := checkEnv(req.Env); err != nil {
		return nil, err
	}
	extra := tree.Extra{Args: slices.Clone(req.Args)}
	for _, name := range slices.Sorted(maps.Keys(req.Env)) {
		extra.Env = append(extra.Env, name+"="+req.Env[name])
	}
	request := tree.StartChild{Supervisor: req.Supervisor, Spec: tree.ChildSpec{ID: req.Name, Extra: extra}}
	answer := make(chan tree.Reply, 1)
	var refusal error
	err := r.ask(ctx, func() {
		if refusal = r.mayStart(req, extra); refusal == nil {
			r.call(request, func(reply tree.Reply) { answer <- reply })
		}
	})
	if err != nil || refusal != nil {
		return nil, cmp.Or(err, refusal)
	}
	reply, answered, err := r.await(ctx, answer, !req.NoWait)
	if err != nil {
		return nil, err
	}
	if !answered {
		return &ipc.Result{Message: fmt.Sprintf("the start of %s under %s was asked for", req.Name, req.Supervisor)}, nil
	}
	var result *ipc.Result
	if err := r.ask(ctx, func() { result, refusal = r.childStarted(req, reply) }); err != nil {
		return outcomeAtEnd(ipc.Command{Verb: "start-child", Node: req.Name}, reply)
	}
	return result, refusal
}

// checkEnv refuses what cannot stand in an environment.
func checkEnv(env map[string]string) error {
	for name, value := range env {
		if name == "" || strings.ContainsAny(name, "=\x00") || strings.Contains(value, "\x00") {
			return &ipc.Error{Code: ipc.CodeBadInput, Title: fmt.Sprintf("%q cannot be a variable; variables are NAME=VALUE", name)}
		}
	}
	return nil
}

// mayStart refuses what the tree cannot know: a supervisor of another kind, a child
// without a command, and one too many for this daemon.
func (r *runtime) mayStart(req ipc.ChildRequest, extra tree.Extra) error {
	template, ok := r.tree.Template(req.Supervisor)
	if !ok {
		if _, known := r.tree.Node(req.Supervisor); !known {
			return r.noNode(req.Supervisor)
		}
		return refused("%s takes no children by name: it has no [template.%s] in the tree file", req.Supervisor, req.Supervisor)
	}
	for _, arg := range extra.Args {
		if strings.Contains(arg, "\x00") {
			return &ipc.Error{Code: ipc.CodeBadInput, Title: "an argument holds a NUL, which no program can be given"}
		}
	}
	if _, err := template.Start.(*configs.Process).With(extra, r.config.Dir); err != nil {
		return refused("cannot start %s: %v", req.Name, err)
	}
	children := r.tree.Size()
	if err := process.CheckDescriptors(children, children*(logs.PerChild+1)+min(logs.Fixed, 2*children)); err != nil {
		return refused("%v", err)
	}
	return nil
}

// childStarted is the tree's answer to start-child, in words.
func (r *runtime) childStarted(req ipc.ChildRequest, reply tree.Reply) (*ipc.Result, error) {
	name, above := req.Name, req.Supervisor
	switch reply.Refusal {
	case "":
		pid := 0
		if n, ok := r.tree.Node(name); ok {
			pid = n.PID
		}
		return &ipc.Result{Message: fmt.Sprintf("%s is started under %s%s", name, above, r.pidOf(name)), PID: pid}, nil
	case tree.AlreadyStarted:
		return nil, refused("%s is running already%s; names are unique in the whole tree", name, r.pidOf(name))
	case tree.AlreadyPresent:
		return nil, refused("there is a %s already, which does not run; names are unique in the whole tree", name)
	case tree.MaxChildren:
		n, _ := r.tree.Node(above)
		return nil, refused("%s has as many children as it may, %d (max_children); delete one, or raise max_children in the tree file and reload", above, n.Spec.Flags.MaxChildren)
	case tree.NoProc:
		if r.down {
			return nil, refused("cannot start %s: the tree is being stopped", name)
		}
		return nil, refused("cannot start %s: %s does not run; start that first (`coppice start %s`)", name, above, above)
	}
	return r.outcome(ipc.Command{Verb: "start-child", Node: name}, reply)
}

// mayDelete refuses to forget what the tree file has.
func (r *runtime) mayDelete(name string) error {
	n, ok := r.tree.Node(name)
	switch {
	case !ok:
		return r.noNode(name)
	case name == r.config.Spec.ID:
		return refused("the root cannot be deleted; `coppice down` stops the tree")
	case n.Template == "":
		return refused("%s stands in the tree file: take it out there and `coppice reload`, or `coppice stop %s`", name, name)
	}
	return nil
}

// hasLog says that a name has left output, if nothing else.
func (r *runtime) hasLog(name string) bool {
	_, err := os.Stat(filepath.Join(r.opts.Folders.Logs, name))
	return err == nil
}
