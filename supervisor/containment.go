package supervisor

import (
	"os"

	"go.uber.org/zap"

	"coppice/supervisor/process"
	"coppice/tree"
)

// contain finds out what holds the processes of a child together: a cgroup of its
// own, or its process group and a look at who has left that.
func (r *runtime) contain() {
	if r.opts.NoCgroups {
		r.noCgroups = "they were switched off (COPPICE_CGROUP=off)"
	} else if g, err := process.FindCgroups(r.treeID); err != nil {
		r.noCgroups = err.Error()
	} else {
		r.cgroups = g
	}
	if r.cgroups == nil {
		r.log.Debug("processes have no cgroups of their own", zap.String("why", r.noCgroups))
	}
	r.reaper.Contain(r.treeID, r.cgroups, r.noCgroups)
}

// startReaper begins what New has prepared.
func (r *runtime) startReaper() {
	r.reaping = true
	go r.reaper.Run()
}

// meetStrangers takes note of the children that the keeper's process, and this one,
// have before a fresh tree is started.
func (r *runtime) meetStrangers() {
	if c, ok := Charged(); ok {
		r.strangers = c.Strangers
		return
	}
	r.strangers = process.Children(r.keeping.link.Keeper(), os.Getpid())
}

// endReaper ends it. Where the tree has ended, nothing of it is to be left.
func (r *runtime) endReaper() {
	if r.reaping && r.halted != nil {
		r.reaper.EndOrphans(r.keeping.link.Keeper(), r.strangers)
	}
	r.reaper.Close()
	if r.halted != nil {
		r.cgroups.Remove()
	}
}

// isBare says whether a process that runs has no cgroup of its own: an earlier daemon
// had none to give. It is called on the loop.
func (r *runtime) isBare(name string) bool {
	n, ok := r.tree.Node(name)
	return ok && n.PID != 0 && r.record.identity(tree.Ref{ID: name, Generation: n.Generation}).Cgroup == ""
}
