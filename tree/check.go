package tree

import (
	"fmt"
	"math"
)

// Fault is one thing that is wrong with a spec.
type Fault struct {
	// ID is the node, Key the setting of the tree file that is wrong.
	ID, Key string
	// Text says what is wrong and what would be right.
	Text string
}

// Check finds every fault of a tree's spec (supervisor.erl check_childspecs/2,
// check_flags/1), and names that are not unique in the whole tree.
func Check(spec ChildSpec) []Fault {
	c := checker{seen: map[string]bool{spec.ID: true}}
	if !spec.Rate.valid() {
		c.fault(spec.ID, "restart_rate", "per_second must be above 0, burst at least 1")
	}
	c.supervisor(&spec)
	return c.faults
}

// invalid is the first fault of a supervisor's own settings and of its list.
func invalid(flags Flags, children []ChildSpec) *Fault {
	c := checker{seen: map[string]bool{}}
	c.flags("", flags)
	for i := range children {
		c.child(flags, &children[i])
	}
	if len(c.faults) == 0 {
		return nil
	}
	return &c.faults[0]
}

type checker struct {
	seen   map[string]bool
	faults []Fault
}

func (c *checker) fault(id, key, format string, args ...any) {
	c.faults = append(c.faults, Fault{id, key, fmt.Sprintf(format, args...)})
}

func (c *checker) supervisor(s *ChildSpec) {
	c.flags(s.ID, s.Flags)
	if s.Flags.Strategy == SimpleOneForOne && len(s.Children) != 1 {
		c.fault(s.ID, "children", "simple_one_for_one takes exactly one template, not %d", len(s.Children))
	}
	for i := range s.Children {
		child := &s.Children[i]
		c.child(s.Flags, child)
		if child.Type == Supervisor {
			c.supervisor(child)
		}
	}
}

func (c *checker) flags(id string, f Flags) {
	if f.Strategy > SimpleOneForOne {
		c.fault(id, "strategy", "unknown strategy %d", f.Strategy)
	}
	if f.Period <= 0 {
		c.fault(id, "period", "the period must be above 0")
	}
	if f.AutoShutdown > AllSignificant {
		c.fault(id, "auto_shutdown", "unknown mode %d", f.AutoShutdown)
	}
	if f.Strategy == SimpleOneForOne && f.AutoShutdown != Never {
		c.fault(id, "auto_shutdown", "simple_one_for_one takes only never")
	}
	if f.MaxChildren < 0 {
		c.fault(id, "max_children", "the number of children must not be negative")
	}
}

func (c *checker) child(above Flags, s *ChildSpec) {
	if c.seen[s.ID] {
		c.fault(s.ID, "", "the name %q is taken already", s.ID)
	}
	c.seen[s.ID] = true
	if s.ID == "" {
		c.fault(s.ID, "", "a child needs a name")
	}
	if s.Restart > Temporary {
		c.fault(s.ID, "restart", "unknown restart type %d", s.Restart)
	}
	if s.Shutdown.Timeout < Infinity {
		c.fault(s.ID, "shutdown", "the time must not be negative")
	}
	switch {
	case !s.Significant:
	case s.Restart == Permanent:
		c.fault(s.ID, "significant", "a permanent child cannot be significant: it never ends for good")
	case above.AutoShutdown == Never:
		c.fault(s.ID, "significant", "a significant child needs a supervisor with auto_shutdown")
	}
	if s.Type == Process {
		c.process(s)
	}
	if s.Rate != (Rate{}) {
		c.fault(s.ID, "restart_rate", "the restart rate is the whole tree's")
	}
	c.verdicts(above, s)
}

// verdicts looks at what ends of a child choose.
func (c *checker) verdicts(above Flags, s *ChildSpec) {
	if len(s.OnExit) > 0 && (s.Type == Supervisor || above.Strategy == SimpleOneForOne) {
		c.fault(s.ID, "on_exit", "only a process chooses a strategy, and no instance of a template")
	}
	for i, v := range s.OnExit {
		if v.Strategy >= SimpleOneForOne {
			c.fault(s.ID, "on_exit", "an end cannot choose the strategy %v", v.Strategy)
		}
		for _, other := range s.OnExit[:i] {
			if v.Overlaps(other) {
				c.fault(s.ID, "on_exit", "an end chooses two strategies")
			}
		}
	}
}

func (c *checker) process(s *ChildSpec) {
	if s.Ready > AtExit {
		c.fault(s.ID, "ready", "unknown readiness %d", s.Ready)
	}
	if s.Ready == AtExit && s.Restart == Permanent {
		c.fault(s.ID, "ready", "a permanent child that is ready when it ends would be restarted for ever")
	}
	if h := s.Health; h.Failures < 0 || h.Successes < 0 || h.StartPeriod < 0 || h.Failures > 0 && h.Successes < 1 {
		c.fault(s.ID, "health", "failures and successes must be at least 1, the start period not negative")
	}
	c.backoff(s)
}

func (c *checker) backoff(s *ChildSpec) {
	if b := s.Backoff; math.IsNaN(b.Factor) || math.IsInf(b.Factor, 0) || b.Initial < 0 || b.Initial > 0 && (b.Max < b.Initial || !(b.Factor >= 1)) {
		c.fault(s.ID, "backoff", "initial must be above 0, max at least initial, factor a number of at least 1")
	}
	if !(s.Backoff.Jitter >= 0 && s.Backoff.Jitter <= 1) {
		c.fault(s.ID, "backoff", "jitter must be a number from 0 to 1")
	}
	if s.Backoff.Decay < 0 || s.Backoff.Decay > s.Backoff.Max {
		c.fault(s.ID, "backoff", "decay must not be longer than max")
	}
}
