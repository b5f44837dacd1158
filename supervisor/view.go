package supervisor

import (
	"time"

	"coppice/configs"
	"coppice/ipc"
	"coppice/supervisor/usage"
	"coppice/tree"
)

// viewer makes of nodes what crosses the socket. It works on the loop, so it fills in
// what there is and copies nothing twice.
type viewer struct {
	*runtime
	zero time.Time // of the tree's clock
}

// at is a time of the tree on the wall.
func (v viewer) at(t tree.Time) time.Time { return told(v.zero.Add(time.Duration(t))) }

// fill tells a node and all below it.
func (v viewer) fill(n *ipc.Node, s *tree.Status) {
	n.Name, n.Kind, n.State, n.Held, n.Adopted = s.Spec.ID, "process", string(s.State), s.Held, s.Adopted
	n.PID, n.Restarts, n.Since, n.Cause = s.PID, s.Restarts, v.at(s.Since), s.Cause
	n.Waits, n.Place = s.Waits, s.Place
	if s.Until != 0 {
		until := v.at(s.Until)
		n.Until = &until
	}
	if end := s.LastEnd; end != nil {
		code, signal := ends(end.Exit)
		n.LastExit = &ipc.LastExit{Code: code, Signal: signal, Reason: string(end.Reason), OOM: end.Exit != nil && end.Exit.OOM, At: v.at(end.At)}
	}
	if s.Spec.ID != v.config.Spec.ID {
		n.Restart, n.Significant = s.Spec.Restart.String(), s.Spec.Significant
	}
	if s.Spec.Type == tree.Supervisor {
		describe(n, s.Spec.Flags)
		n.Children = make([]ipc.Node, len(s.Children))
		for i := range s.Children {
			v.fill(&n.Children[i], &s.Children[i])
		}
		return
	}
	n.Dynamic, n.Args = s.Template != "", s.Spec.Extra.Args
	v.health(n, s)
}

// health adds what is known of how a process is, and what it says itself.
func (v viewer) health(n *ipc.Node, s *tree.Status) {
	begun := s.Begun.(*configs.Process)
	n.Ready = string(begun.Ready.Kind)
	wanted := n.Name
	if n.Dynamic {
		wanted = s.Template
	}
	if probe := v.config.SettingsOf(wanted).Check.Probe; probe != nil {
		n.Check = string(probe.Kind)
	}
	if n.Check == "" && begun.Watchdog > 0 {
		n.Check = "watchdog"
	}
	n.Health, n.Trouble = string(s.Health), s.Trouble
	told := v.notify.Told(tree.Ref{ID: n.Name, Generation: s.Generation})
	n.Status, n.MainPID = told.Status, told.MainPID
	n.FDStore = v.stored.count(n.Name)
	switch {
	case told.Stopping:
		n.Phase = "stopping"
	case told.Reloading:
		n.Phase = "reloading"
	}
}

// describe adds what a supervisor has and a process has not.
func describe(n *ipc.Node, f tree.Flags) {
	n.Kind = "supervisor"
	n.Strategy = f.Strategy.String()
	n.Intensity = f.Intensity
	if f.Intensity < 0 {
		n.Intensity = "infinity"
	}
	n.Period = configs.Brief(f.Period)
	n.MaxChildren = f.MaxChildren
	if f.AutoShutdown != tree.Never {
		n.AutoShutdown = f.AutoShutdown.String()
	}
}

// addUsage measures what runs and puts it to the nodes.
func addUsage(t *ipc.Tree, sample *usage.Sample) {
	var nodes []*ipc.Node
	var pids []int
	t.Root.Each(func(n *ipc.Node) {
		if n.PID != 0 {
			nodes, pids = append(nodes, n), append(pids, n.PID)
		}
	})
	measured := sample.Of(pids)
	for i, n := range nodes {
		if u := &measured[i]; u.Processes > 0 {
			n.CPUPercent, n.CPUSeconds, n.Memory = &u.CPUPercent, &u.CPUSeconds, &u.Memory
		}
	}
}
