package tree_test

import (
	"fmt"
	"slices"

	"pgregory.net/rapid"

	"coppice/tree"
)

// specs draws specs of whole trees, and variants of them.
type specs struct {
	*rapid.T
	first tree.ChildSpec
	nodes int
	names int
	// restless trees may restart for ever: without a limit, or with a backoff
	// that lets the window pass.
	restless bool
}

var decent = tree.Success{Codes: [][2]int{{0, 0}}, Signals: []string{"SIGTERM"}}

// clone copies a spec with everything below it.
func clone(s tree.ChildSpec) tree.ChildSpec {
	s.Children = slices.Clone(s.Children)
	for i, c := range s.Children {
		s.Children[i] = clone(c)
	}
	return s
}

func cloneEvent(e tree.Event) tree.Event {
	called, ok := e.(tree.Called)
	if !ok {
		return e
	}
	switch r := called.Request.(type) {
	case tree.StartChild:
		r.Spec = clone(r.Spec)
		called.Request = r
	case tree.ChangeSupervisor:
		r.Children = clone(tree.ChildSpec{Children: r.Children}).Children
		called.Request = r
	case tree.Apply:
		r.Spec = clone(r.Spec)
		called.Request = r
	}
	return called
}

// brief is an event without the parts of specs that are seldom to blame.
func brief(e tree.Event) any {
	called, ok := e.(tree.Called)
	if !ok {
		return e
	}
	switch r := called.Request.(type) {
	case tree.StartChild:
		return fmt.Sprintf("StartChild %s under %s", outline(r.Spec), r.Supervisor)
	case tree.ChangeSupervisor:
		return "ChangeSupervisor " + outline(tree.ChildSpec{ID: r.ID, Flags: r.Flags, Type: tree.Supervisor, Children: r.Children})
	case tree.Apply:
		return "Apply " + outline(r.Spec)
	}
	return fmt.Sprintf("%T%+v", called.Request, called.Request)
}

// outline is a spec in one line.
func outline(s tree.ChildSpec) string {
	text := fmt.Sprintf("%s %v", s.ID, s.Restart)
	if s.Significant {
		text += " significant"
	}
	if s.Type == tree.Process {
		return fmt.Sprintf("%s ready %v start %v", text, s.Ready, s.Start)
	}
	text += fmt.Sprintf(" %v %d/%v %v [", s.Flags.Strategy, s.Flags.Intensity, s.Flags.Period, s.Flags.AutoShutdown)
	for i, c := range s.Children {
		if i > 0 {
			text += ", "
		}
		text += outline(c)
	}
	return text + "]"
}

func (s *specs) number(name string, most int) int { return rapid.IntRange(0, most).Draw(s.T, name) }

// seldom is true once in n times.
func (s *specs) seldom(name string, n int) bool { return s.number(name, n-1) == n-1 }

func (s *specs) fresh(prefix string) string {
	s.names++
	return fmt.Sprintf("%s%d", prefix, s.names)
}

func (s *specs) root() tree.ChildSpec {
	root := tree.ChildSpec{ID: "root", Type: tree.Supervisor, Flags: s.flags()}
	root.Rate = s.rate()
	s.nodes = 10
	root.Children = s.children(root.Flags, 2)
	s.first = clone(root)
	return root
}

func (s *specs) rate() tree.Rate {
	if !s.seldom("rate", 3) {
		return tree.Rate{}
	}
	s.restless = true
	return tree.Rate{PerSecond: rapid.SampledFrom([]float64{0.5, 3, 1e6}).Draw(s.T, "per_second"), Burst: 1 + s.number("burst", 3)}
}

func (s *specs) flags() tree.Flags {
	intensity := rapid.SampledFrom([]int{0, 1, 2, 3, 5, -1}).Draw(s.T, "intensity")
	s.restless = s.restless || intensity < 0
	return tree.Flags{
		Strategy:     tree.Strategy(s.number("strategy", 2)),
		Intensity:    intensity,
		Period:       rapid.SampledFrom([]tree.Time{1, tree.Second, 5 * tree.Second}).Draw(s.T, "period"),
		AutoShutdown: tree.AutoShutdown(max(0, s.number("auto", 4)-2)),
	}
}

// children are those of a supervisor that may have depth levels below it.
func (s *specs) children(flags tree.Flags, depth int) []tree.ChildSpec {
	var list []tree.ChildSpec
	for range 1 + s.number("children", 3) {
		if s.nodes--; s.nodes < 0 {
			break
		}
		list = append(list, s.child(flags, depth))
	}
	return list
}

func (s *specs) child(flags tree.Flags, depth int) tree.ChildSpec {
	if depth == 0 || !s.seldom("supervisor", 3) {
		return s.process(s.fresh("p"), flags)
	}
	c := tree.ChildSpec{ID: s.fresh("s"), Type: tree.Supervisor, Flags: s.flags()}
	s.common(&c, flags)
	c.Shutdown = tree.Shutdown{Timeout: tree.Infinity}
	if s.seldom("impatient", 6) {
		c.Shutdown = s.shutdown()
	}
	if s.seldom("simple", 5) {
		s.simple(&c)
		return c
	}
	c.Children = s.children(c.Flags, depth-1)
	return c
}

// simple makes a supervisor one that has a template.
func (s *specs) simple(c *tree.ChildSpec) {
	c.Flags.Strategy, c.Flags.AutoShutdown = tree.SimpleOneForOne, tree.Never
	c.Flags.MaxChildren = max(0, s.number("max_children", 6)-3)
	c.Children = []tree.ChildSpec{s.process(c.ID+"_template", c.Flags)}
}

func (s *specs) common(c *tree.ChildSpec, above tree.Flags) {
	c.Restart = tree.RestartType(s.number("restart", 2))
	if c.Restart != tree.Permanent && above.AutoShutdown != tree.Never {
		c.Significant = s.seldom("significant", 2)
	}
}

func (s *specs) shutdown() tree.Shutdown {
	times := []tree.Time{0, tree.Second, 5 * tree.Second, tree.Infinity}
	return tree.Shutdown{
		Brutal:  s.seldom("brutal", 5),
		Timeout: rapid.SampledFrom(times).Draw(s.T, "timeout"),
	}
}

func (s *specs) process(id string, above tree.Flags) tree.ChildSpec {
	c := tree.ChildSpec{ID: id, Shutdown: s.shutdown(), Success: decent, Start: s.number("start", 2)}
	s.common(&c, above)
	c.Ready = tree.Readiness(max(0, s.number("ready", 5)-3))
	if c.Ready == tree.AtExit && c.Restart == tree.Permanent {
		c.Ready = tree.AtNotice
	}
	if c.Ready != tree.AtExec {
		c.StartTimeout = rapid.SampledFrom([]tree.Time{0, tree.Second, tree.Infinity}).Draw(s.T, "start_timeout")
	}
	if above.Strategy != tree.SimpleOneForOne && s.seldom("on_exit", 4) {
		c.OnExit = []tree.Verdict{
			{Codes: [2]int{1, 2}, Strategy: tree.Strategy(s.number("verdict", 2))},
			{Signal: "SIGKILL", Strategy: tree.Strategy(s.number("verdict", 2))},
		}
	}
	if s.seldom("health", 3) {
		c.Health = tree.Health{Failures: 1 + s.number("failures", 1), Successes: 1 + s.number("successes", 1), StartPeriod: tree.Time(s.number("start_period", 1)) * tree.Second}
	}
	c.BeforeStart, c.AfterExit = s.seldom("before_start", 6), s.seldom("after_exit", 4)
	if s.seldom("backoff", 4) {
		s.restless = true
		c.Backoff = tree.Backoff{Initial: tree.Second / 4, Max: tree.Second, Factor: 2}
		if s.seldom("jitter", 2) {
			c.Backoff.Jitter = 0.5
			c.Backoff.Decay = tree.Second / 2
		}
	}
	return c
}

// variant is a spec that differs here and there: what it says of some nodes, in
// what order, which of them there are, and where they stand.
func (s *specs) variant(old tree.ChildSpec) tree.ChildSpec {
	s.nodes = 4
	v := clone(old)
	moving := s.vary(&v)
	if s.seldom("other rate", 4) {
		v.Rate = s.rate()
	}
	if moving != nil {
		fit(moving, v.Flags)
		v.Children = append(v.Children, *moving)
	}
	if s.seldom("dynamic", 6) && !has(v, "y1") {
		v.Children = append(v.Children, s.process("y1", v.Flags))
	}
	if len(tree.Check(v)) > 0 {
		s.Fatalf("the generator made a variant with %v", tree.Check(v))
	}
	return v
}

// vary changes one supervisor and those below it. It may give away a child that
// is to move to the root.
func (s *specs) vary(v *tree.ChildSpec) (moving *tree.ChildSpec) {
	if v.Flags.Strategy == tree.SimpleOneForOne {
		if s.seldom("template", 3) {
			v.Flags = s.flags()
			s.simple(v)
		}
		return nil
	}
	if s.seldom("flags", 3) {
		v.Flags = s.flags()
	}
	if len(v.Children) > 0 && s.seldom("less", 3) {
		i := s.number("which", len(v.Children)-1)
		if s.seldom("move", 3) {
			gone := v.Children[i]
			moving = &gone
		}
		v.Children = slices.Delete(v.Children, i, i+1)
	}
	if s.seldom("more", 3) {
		v.Children = slices.Insert(v.Children, s.number("where", len(v.Children)), s.child(v.Flags, 1))
	}
	if len(v.Children) > 1 && s.seldom("order", 3) {
		v.Children = rapid.Permutation(v.Children).Draw(s.T, "order")
	}
	for i := range v.Children {
		c := &v.Children[i]
		switch {
		case c.Type == tree.Supervisor:
			if m := s.vary(c); m != nil && moving == nil {
				moving = m
			}
		case s.seldom("spec", 3):
			*c = s.process(c.ID, v.Flags)
		}
		fit(c, v.Flags)
	}
	return moving
}

// has says whether a name is taken below v.
func has(v tree.ChildSpec, id string) bool {
	return v.ID == id || slices.ContainsFunc(v.Children, func(c tree.ChildSpec) bool { return has(c, id) })
}

// fit makes a child valid under other flags.
func fit(c *tree.ChildSpec, above tree.Flags) {
	if above.AutoShutdown == tree.Never {
		c.Significant = false
	}
}
