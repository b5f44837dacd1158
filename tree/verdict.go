package tree

// Verdict lets one kind of end choose the strategy of the restart that follows it,
// in the place of the supervisor's own. Whether there is a restart is still for the
// restart type and the intensity to say. OTP has nothing like it.
type Verdict struct {
	// Codes is a range of exit codes, both ends included; it means nothing where
	// Signal is set.
	Codes [2]int
	// Signal is a full name: "SIGSEGV".
	Signal string
	// Strategy is any but SimpleOneForOne.
	Strategy Strategy
}

// covers says whether the verdict is about an end. Nobody saw one that is Lost.
func (v Verdict) covers(e Exit) bool {
	switch {
	case e.Lost:
		return false
	case v.Signal != "" || e.Signal != "":
		return v.Signal == e.Signal
	}
	return v.Codes[0] <= e.Code && e.Code <= v.Codes[1]
}

// Overlaps says whether there is an end that both are about.
func (v Verdict) Overlaps(other Verdict) bool {
	if v.Signal != "" || other.Signal != "" {
		return v.Signal == other.Signal
	}
	return v.Codes[0] <= other.Codes[1] && other.Codes[0] <= v.Codes[1]
}

// verdict is the strategy that an end of n chooses; nil: its supervisor's own. How
// an unhealthy one ended says nothing, nor one that was late to be ready: they were
// stopped.
func (n *node) verdict(e *Exit) *Strategy {
	if n.overdue || n.lastEnd != nil && n.lastEnd.Reason == EndUnhealthy {
		return nil
	}
	if n.lastEnd != nil && n.lastEnd.Reason == EndUnhealthy {
		return nil // it ended as it was asked to, which says nothing of what was wrong
	}
	for _, v := range n.spec.OnExit {
		if e != nil && v.covers(*e) {
			return &v.Strategy
		}
	}
	return nil
}

// strategy is how s restarts c after its last failure.
func (s *node) strategy(c *node) Strategy {
	if c.chosen != nil {
		return *c.chosen
	}
	return s.spec.Flags.Strategy
}

// chooseAgain chooses the strategy with which s tries a restart again in which the
// start of c has failed. It has at least the reach of the restart that failed: what
// that one has stopped must not be left behind.
func (s *node) chooseAgain(c *node, op *operation) {
	var before *Strategy
	if op.kind == opRestart {
		before = op.child.chosen // which may be c
	}
	c.chosen = c.verdict(c.end.blame.exit)
	if before != nil && before.reach() > s.strategy(c).reach() {
		c.chosen = before
	}
}

// reach orders strategies by how many siblings they stop.
func (s Strategy) reach() int {
	switch s {
	case OneForAll:
		return 2
	case RestForOne:
		return 1
	}
	return 0
}
