package tree

// Options choose between OTP's letter and coppice's two deviations from it.
type Options struct {
	// OTP counts restart windows in whole seconds (floored, as
	// erlang:monotonic_time(1)) and lets a shutdown wait its turn behind a
	// start. Without it durations are exact, and a shutdown overtakes a start
	// that is not complete.
	OTP bool
}

// Output is what one Step makes of its events: Reports tell what happened, in
// order, and are recorded before Actions are carried out, in order.
type Output struct {
	Reports []Report
	Actions []Action
}

func New(spec ChildSpec, opts Options) *Tree { return &Tree{} }

type Tree struct{}

// Step hears events, in order, at time now, and does all that follows.
func (t *Tree) Step(now Time, events ...Event) Output { return Output{} }

// Deadline is when the next Step is due without an event; false: never.
func (t *Tree) Deadline() (Time, bool) { return 0, false }

// Status is a snapshot of the whole tree.
func (t *Tree) Status() Status { return Status{} }

// Node is a snapshot of one node without its children; false: no such name.
func (t *Tree) Node(id string) (Status, bool) { return Status{}, false }

// WhichChildren lists a running supervisor's children as OTP knows them, in start order: forgotten ones are absent.
func (t *Tree) WhichChildren(id string) ([]Status, bool) { return nil, false }

// CountChildren is supervisor:count_children/1; false: no such running supervisor.
func (t *Tree) CountChildren(id string) (Counts, bool) { return Counts{}, false }

// Diff lists what Apply would do to this tree.
func (t *Tree) Diff(spec ChildSpec) []Change { return nil }
