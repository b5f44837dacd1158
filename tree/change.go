package tree

// ChangeKind says what Apply does to one node.
type ChangeKind string

// The kinds of changes. Restarted is a change that stops and starts the
// process, Changed one that touches nothing that runs.
const (
	Added     ChangeKind = "added"
	Removed   ChangeKind = "removed"
	Changed   ChangeKind = "changed"
	Restarted ChangeKind = "restarted"
)

// Change is one line of what Apply will do (Diff) or has done (Reply).
type Change struct {
	Kind ChangeKind
	ID   string
	Type ChildType
	// Supervisor is the supervisor under which it stands.
	Supervisor string
	// What names the parts that differ, in the tree file's words ("intensity",
	// "order", "command"); for a process's Start it is "start".
	What []string
	// Refusal and Cause are set when the change could not be completed: a start
	// that failed leaves the child stopped.
	Refusal Refusal
	Cause   string
}
