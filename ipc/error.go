package ipc

// Code says what kind of refusal an Error is; the client turns it into an exit
// code.
type Code string

// The codes of errors.
const (
	CodeRefused  Code = "refused"   // exit 1
	CodeBadTree  Code = "bad_tree"  // exit 2: Faults has the tree file's faults as text
	CodeBadInput Code = "bad_input" // exit 2: the request itself is wrong
	CodeNoNode   Code = "no_node"   // exit 4
	CodeInternal Code = "internal"  // exit 1
)

// Error is a refusal, sent as application/problem+json (RFC 9457).
type Error struct {
	Code Code `json:"code"`
	// Title says in one line what was refused and what to do.
	Title string `json:"title"`
	// Faults is the text of a wrong tree file's faults, ready to print.
	Faults string `json:"faults,omitempty"`
}

func (e *Error) Error() string { return e.Title }
