package supervisor

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"

	"go.uber.org/zap"

	"coppice/configs"
	"coppice/ipc"
	"coppice/supervisor/process"
	"coppice/supervisor/watch"
	"coppice/tree"
)

// treeFileName is the tree file as it was loaded last, in the record's folder.
const treeFileName = "tree"

// Reload implements ipc.Backend. The file is read on the caller's goroutine; a
// file with a fault, or one that needs more than there is, changes nothing.
func (r *runtime) Reload(ctx context.Context, req ipc.ReloadRequest) (*ipc.ReloadResult, error) {
	path := req.File
	if err := r.ask(ctx, func() { path = cmp.Or(path, r.config.Path) }); err != nil {
		return nil, err
	}
	r.loadingMu.Lock()
	loaded := sync.OnceFunc(r.loadingMu.Unlock)
	defer loaded()
	config, err := configs.Load(path, os.Environ())
	if err != nil {
		var faults configs.Faults
		if errors.As(err, &faults) {
			return nil, &ipc.Error{Code: ipc.CodeBadTree, Title: path + " is not a valid tree file; nothing was changed", Faults: faults.Error()}
		}
		return nil, &ipc.Error{Code: ipc.CodeBadTree, Title: err.Error(), Faults: err.Error()}
	}
	if err := checkTree(config); err != nil {
		return nil, refused("%v", err)
	}
	if req.DryRun {
		return r.plan(ctx, config)
	}
	_, descriptors := costOf(config)
	process.ReserveDescriptors(descriptors)
	return r.apply(ctx, config, loaded)
}

// plan says what a reload would change.
func (r *runtime) plan(ctx context.Context, config *configs.Config) (*ipc.ReloadResult, error) {
	result := &ipc.ReloadResult{DryRun: true}
	var refusal error
	err := r.ask(ctx, func() {
		result.Changes = changes(r.tree.Diff(config.Spec), r.config, config)
		if name := r.tree.Taken(config.Spec); name != "" {
			refusal = r.notApplied(tree.Reply{Refusal: tree.AlreadyPresent, Cause: name})
		}
	})
	return result, cmp.Or(err, refusal)
}

// apply changes the tree to config; handed is called when the tree has it.
func (r *runtime) apply(ctx context.Context, config *configs.Config, handed func()) (*ipc.ReloadResult, error) {
	type outcome struct {
		refusal error
		changes []ipc.Change
	}
	done := make(chan outcome, 1)
	err := r.ask(ctx, func() {
		old := r.config
		r.applyNow(config, func(reply tree.Reply) {
			done <- outcome{r.notApplied(reply), changes(reply.Changes, old, config)}
		})
	})
	handed()
	if err != nil {
		return nil, err
	}
	select {
	case o := <-done:
		if o.refusal != nil {
			return nil, o.refusal
		}
		return &ipc.ReloadResult{Changes: o.changes}, nil
	case <-r.done:
		return nil, errCutShort
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// applyNow hands the new tree over, on the loop.
func (r *runtime) applyNow(config *configs.Config, done func(tree.Reply)) {
	if r.down {
		done(tree.Reply{Refusal: tree.ShuttingDown})
		return
	}
	old := r.config
	r.wanted.apply(r.lastCall+1, config) // the number of the call
	r.call(tree.Apply{Spec: config.Spec}, func(reply tree.Reply) {
		r.wanted.applied(reply)
		if reply.Refusal == "" || goesOn(reply) {
			r.reloaded(config, reply.Changes)
			r.recheck(old, config)
		}
		done(reply)
	})
}

// goesOn says that a change has begun and that what is left of it waits for the end of
// what cannot be killed.
func goesOn(reply tree.Reply) bool { return reply.Refusal == tree.Unkillable && reply.Changes != nil }

// notApplied is why a reload changed nothing, or not all; nil: it did.
func (r *runtime) notApplied(reply tree.Reply) error {
	switch reply.Refusal {
	case "":
		return nil
	case tree.Unkillable:
		if goesOn(reply) {
			return refused("the change has begun and waits for what cannot be killed: %s; what is left of it is done when that has ended", reply.Cause)
		}
		return refused("the change would have to wait for what cannot be killed: %s; nothing was changed", reply.Cause)
	case tree.AlreadyPresent:
		return refused("the name %s is that of a child of a template, which is no part of the tree file: "+
			"name it otherwise, or `coppice delete-child %s` first; nothing was changed", reply.Cause, reply.Cause)
	}
	return refused("the tree is being stopped; nothing was changed")
}

// reloaded is what is left to do when every supervisor has its new spec.
func (r *runtime) reloaded(config *configs.Config, changes []tree.Change) {
	for _, c := range changes {
		r.forget(c.ID)
	}
	r.store.SetMaxTotal(config.LogTotal)
	r.rewatch()
	if err := r.keepTree(config); err != nil {
		r.log.Error("cannot keep the tree file that was loaded", zap.Error(err))
	}
}

// keepTree keeps the tree file as it was loaded.
func (r *runtime) keepTree(config *configs.Config) error {
	return keepFile(r.opts.Folders.Record, treeFileName, config.Source)
}

// changes are the tree's changes in the tree file's words, and those of the
// settings, from one file to another, that the tree does not know.
func changes(made []tree.Change, from, to *configs.Config) []ipc.Change {
	told := make([]ipc.Change, 0, len(made))
	at := map[string]int{}
	if what := topDiff(from, to); len(what) > 0 {
		told = append(told, ipc.Change{Kind: string(tree.Changed), Name: to.Name, Type: "tree", What: what})
	}
	old, new := commands(from), commands(to)
	for _, c := range made {
		at[c.ID] = len(told)
		change := ipc.Change{
			Kind: string(c.Kind), Name: inFile(c.ID), Type: kind(c.ID, c.Type), Supervisor: c.Supervisor,
			What: inWords(c.What, old[c.ID], new[c.ID]),
		}
		if c.Refusal != "" {
			change.Error = "it did not start: " + c.Cause
		}
		told = append(told, change)
	}
	for s := range to.Processes() {
		_, known := from.Settings[s.ID]
		what := settingsDiff(from.SettingsOf(s.ID), to.SettingsOf(s.ID))
		if !known || len(what) == 0 {
			continue
		}
		if i, ok := at[s.ID]; !ok {
			told = append(told, ipc.Change{Kind: string(tree.Changed), Name: inFile(s.ID), Type: kind(s.ID, s.Type), What: what})
		} else if told[i].Kind == string(tree.Changed) || told[i].Kind == string(tree.Restarted) {
			told[i].What = append(told[i].What, slices.DeleteFunc(what, func(w string) bool { return slices.Contains(told[i].What, w) })...)
		}
	}
	return told
}

// inFile is the name that the tree file has for a spec.
func inFile(id string) string {
	if supervisor, ok := configs.TemplateOf(id); ok {
		return supervisor
	}
	return id
}

// kind is what the tree file calls a spec.
func kind(id string, t tree.ChildType) string {
	if _, ok := configs.TemplateOf(id); ok {
		return "template"
	}
	return t.String()
}

// commands are the processes of a tree by name.
func commands(c *configs.Config) map[string]*configs.Process {
	m := map[string]*configs.Process{}
	for s := range c.Processes() {
		m[s.ID] = s.Start.(*configs.Process)
	}
	return m
}

// inWords replaces "start", which is all that the tree can say, by the keys
// that differ in the tree file.
func inWords(what []string, old, new *configs.Process) []string {
	if old == nil || new == nil || !slices.Contains(what, "start") {
		return what
	}
	words := processDiff(old, new)
	for _, w := range what {
		if w != "start" && !slices.Contains(words, w) {
			words = append(words, w)
		}
	}
	return words
}

func processDiff(old, new *configs.Process) []string {
	var what []string
	if old.Program != new.Program || old.Shell != new.Shell || !slices.Equal(old.Argv, new.Argv) {
		what = append(what, "command")
	}
	if old.Dir != new.Dir {
		what = append(what, "dir")
	}
	if !slices.Equal(ownEnv(old, new), ownEnv(new, old)) {
		what = append(what, "env")
	}
	if !reflect.DeepEqual(old.Ready, new.Ready) {
		what = append(what, "ready")
	}
	if old.Watchdog != new.Watchdog {
		what = append(what, "watchdog")
	}
	if old.FDStore != new.FDStore {
		what = append(what, "fd_store")
	}
	if old.Log != new.Log {
		what = append(what, "log")
	}
	if old.Limits != new.Limits {
		what = append(what, "limits")
	}
	return append(what, old.Setup.Diff(new.Setup)...)
}

// ownEnv is the environment of a process, without what its user brings if it has
// another one than other.
func ownEnv(p, other *configs.Process) []string {
	if p.Setup.OrNone().User == other.Setup.OrNone().User {
		return p.Env
	}
	return slices.DeleteFunc(slices.Clone(p.Env), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return name == "HOME" || name == "USER" || name == "LOGNAME" || name == "SHELL"
	})
}

// topDiff names the keys on top of the file that differ and are no supervisor's.
func topDiff(old, new *configs.Config) []string {
	var what []string
	if old.Name != new.Name {
		what = append(what, "name")
	}
	if old.LogTotal != new.LogTotal {
		what = append(what, "log.max_total")
	}
	return what
}

func settingsDiff(old, new configs.Settings) []string {
	var what []string
	if old.StopSignal != new.StopSignal {
		what = append(what, "stop_signal")
	}
	if old.StopMain != new.StopMain {
		what = append(what, "stop_to")
	}
	if !reflect.DeepEqual(old.Check, new.Check) {
		what = append(what, "health")
	}
	if !reflect.DeepEqual(old.Watch, new.Watch) {
		what = append(what, "watch")
	}
	return append(what, besideDiff(old, new)...)
}

// reloadByItself reloads because the file changed or a signal came, with nobody
// to answer: the log is told.
func (r *runtime) reloadByItself(why string) {
	go func() {
		result, err := r.Reload(r.ended, ipc.ReloadRequest{})
		var wrong *ipc.Error
		switch {
		case errors.As(err, &wrong) && wrong.Faults != "":
			r.log.Error("the tree file is wrong, nothing was changed", zap.String("why", why), zap.String("faults", wrong.Faults))
		case err != nil:
			r.log.Error("cannot reload", zap.String("why", why), zap.Error(err))
		default:
			r.log.Info("reloaded", zap.String("why", why), zap.Int("changes", len(result.Changes)))
		}
	}()
}

// treeFileWatch is the watcher's name for the tree file; no process can have it.
const treeFileWatch = "/"

// rewatch tells the watcher what to look at.
func (r *runtime) rewatch() {
	set := map[string]watch.Patterns{}
	for name, s := range r.config.Settings {
		var globs []string
		for _, g := range s.Watch {
			globs = append(globs, filepath.Join(escapeGlob(g.Base), g.Pattern))
		}
		if globs != nil {
			set[name] = watch.Patterns{Dir: r.config.Dir, Globs: globs}
		}
	}
	if r.opts.Watch {
		set[treeFileWatch] = watch.Patterns{Dir: r.config.Dir, Globs: []string{escapeGlob(r.config.Path)}}
	}
	r.watcher.Set(set)
}

// escapeGlob makes a path a glob that matches it alone.
func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `{`, `\{`).Replace(path)
}

// fileChanged restarts a process one of whose files changed, or reloads. What
// an operator has stopped stays stopped.
func (r *runtime) fileChanged(name string) {
	if name == treeFileWatch {
		r.reloadByItself("the tree file changed")
		return
	}
	for _, child := range r.runningAs(name) {
		n, ok := r.tree.Node(child)
		if ok && !n.Held && n.State != tree.Stopped && n.State != tree.Failed {
			r.call(tree.CycleChild{ID: child, By: "watch"}, nil)
		}
	}
}
