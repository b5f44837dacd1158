package supervisor

import (
	"fmt"

	"coppice/supervisor/journal"
	"coppice/supervisor/process"
	"coppice/tree"
)

// Plan is what a daemon of this build would do with the tree in a state folder.
type Plan struct {
	Version string `json:"version"`
	// Adopt are the processes that it would go on with.
	Adopt []string `json:"adopt"`
	// Otherwise says what it would do beside that; a build that is to take over
	// from a daemon that runs has nothing to say here.
	Otherwise []string `json:"otherwise,omitempty"`
}

// PlanFor reads the journal of a tree that may be running, and changes nothing.
func PlanFor(folders Folders, version string) (*Plan, error) {
	plan := &Plan{Version: version, Adopt: []string{}}
	p := newPast()
	damage, err := journal.Inspect(folders.Record, p.visit)
	if err != nil {
		return nil, err
	}
	switch {
	case damage != nil:
		plan.otherwise("%v", damage)
	case !p.ofHere():
		plan.otherwise("the journal has no tree of this host in it")
	case p.over():
		plan.otherwise("the tree has ended")
	}
	if p.tree == nil {
		return plan, nil
	}
	if err := checkTree(p.config); err != nil {
		plan.otherwise("%v", err)
	}
	processes(p.tree.Status(), func(s tree.Status) {
		ref := tree.Ref{ID: s.Spec.ID, Generation: s.Generation}
		if id := process.Identity(p.spawned[ref].Identity); s.PID != 0 && id.Lives() {
			plan.Adopt = append(plan.Adopt, s.Spec.ID)
		}
	})
	return plan, nil
}

func (p *Plan) otherwise(format string, args ...any) {
	p.Otherwise = append(p.Otherwise, fmt.Sprintf(format, args...))
}
