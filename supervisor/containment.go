package supervisor

import (
	"go.uber.org/zap"

	"coppice/supervisor/process"
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
	r.reaper.Contain(r.treeID, r.cgroups)
}

// startReaper begins what New has prepared.
func (r *runtime) startReaper() {
	r.reaping = true
	go r.reaper.Run()
}

// endReaper ends it. Where the tree has ended, nothing of it is to be left.
func (r *runtime) endReaper() {
	if r.reaping && r.halted != nil {
		r.reaper.EndOrphans(r.keeping.link.Keeper())
	}
	r.reaper.Close()
	if r.halted != nil {
		r.cgroups.Remove()
	}
}
