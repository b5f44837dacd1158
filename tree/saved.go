package tree

// Saved is a tree written down: all that its later behaviour depends on, as plain
// values that encoding/json carries without a loss (names and causes as UTF-8,
// factors of a backoff as numbers). Save makes it and Restore reads it. Nodes and
// specs refer to each other by their place in a list; where there may be nothing
// to refer to, the place is -1.
//
// The fields mean what those of Tree, node, message, operation and application
// mean. The words and numbers are read by later builds too: they may be added
// to, and none may get another meaning.
type Saved struct {
	Options    Options
	Seq        uint64
	Generation Generation
	LastCall   uint64
	Resumed    uint64
	// Specs are all specs, each after those of its children. Equal ones are
	// there once.
	Specs []SavedSpec
	// Starts are the values of ChildSpec.Start. The core does not know how to
	// write them down: who encodes a Saved encodes them beside it and puts them
	// back, in their order, before Restore.
	Starts []any `json:"-"`
	// Nodes are the root and then all others, each after its supervisor, those of
	// one supervisor in their order.
	Nodes []SavedNode
	// Queue are the nodes that wait for the budget of the root's Rate, the first one
	// first; Whole is when all of it is there again.
	Queue    []int         `json:",omitzero"`
	Whole    Time          `json:",omitzero"`
	Change   *SavedChange  `json:",omitzero"`
	Changes  []SavedCall   `json:",omitzero"` // of Apply
	Shutdown *ShutdownTree `json:",omitzero"`
	Waiting  []uint64      `json:",omitzero"`
	Halt     *Halt         `json:",omitzero"`
}

// SavedSpec is a ChildSpec; Start and Children are places.
type SavedSpec struct {
	ID           string
	Type         ChildType   `json:",omitzero"`
	Restart      RestartType `json:",omitzero"`
	Shutdown     Shutdown    `json:",omitzero"`
	Significant  bool        `json:",omitzero"`
	Start        int         // -1: nil
	Ready        Readiness   `json:",omitzero"`
	StartTimeout Time        `json:",omitzero"`
	Success      Success     `json:",omitzero"`
	OnExit       []Verdict   `json:",omitzero"`
	Backoff      Backoff     `json:",omitzero"`
	Health       Health      `json:",omitzero"`
	BeforeStart  bool        `json:",omitzero"`
	AfterExit    bool        `json:",omitzero"`
	Flags        Flags       `json:",omitzero"`
	Rate         Rate        `json:",omitzero"`
	Children     []int       `json:",omitzero"`
	Extra        Extra       `json:",omitzero"`
}

// SavedLeft is what is known of a process that has ended while the command after its
// end runs.
type SavedLeft struct {
	Exit Exit
	At   Time
	PID  int
}

// SavedNode is a node.
type SavedNode struct {
	Spec       int
	Supervisor int       // -1: the root
	Place      NodePlace `json:",omitzero"`
	// Shadowed says that its name finds another node, or none.
	Shadowed   bool `json:",omitzero"`
	State      State
	Generation Generation  `json:",omitzero"`
	Since      Time        `json:",omitzero"`
	Cause      uint64      `json:",omitzero"`
	Deadline   Time        `json:",omitzero"`
	Restarts   int         `json:",omitzero"`
	Held       bool        `json:",omitzero"`
	Alive      bool        `json:",omitzero"`
	End        SavedEnding `json:",omitzero"`
	Killing    bool        `json:",omitzero"`
	Asked      bool        `json:",omitzero"`
	Counted    bool        `json:",omitzero"`

	// Of a process.
	PID       int        `json:",omitzero"`
	Left      *SavedLeft `json:",omitzero"`
	LastEnd   *End       `json:",omitzero"`
	Begun     *int       `json:",omitzero"` // a Start
	Overdue   bool       `json:",omitzero"`
	Signalled uint64     `json:",omitzero"`
	Ran       Generation `json:",omitzero"`
	UpAt      Time       `json:",omitzero"`
	Undrawn   Time       `json:",omitzero"`
	Tries     int        `json:",omitzero"`
	Tried     Time       `json:",omitzero"`
	Waits     string     `json:",omitzero"`
	Level     int        `json:",omitzero"`
	Adopted   bool       `json:",omitzero"`
	Chosen    *Strategy  `json:",omitzero"`
	Condition Condition  `json:",omitzero"`
	Passed    int        `json:",omitzero"`
	Failed    int        `json:",omitzero"`
	Trouble   string     `json:",omitzero"`
	Ailing    bool       `json:",omitzero"`
	Watchdog  Time       `json:",omitzero"`
	Frozen    bool       `json:",omitzero"`
	Stuck     string     `json:",omitzero"`

	// Of a supervisor.
	Inbox     []SavedMessage  `json:",omitzero"`
	Operation *SavedOperation `json:",omitzero"`
	Window    []Time          `json:",omitzero"`
	Pending   *int            `json:",omitzero"` // a spec
}

// NodePlace says in which list of its supervisor a node is.
type NodePlace string

// The places of a node.
const (
	PlaceChild     NodePlace = ""          // the children
	PlaceForgotten NodePlace = "forgotten" // those that are only shown
	PlaceAdding    NodePlace = "adding"    // none yet: StartChild is starting it
)

// SavedEnding is how the last incarnation of a node ended.
type SavedEnding struct {
	Seq    uint64     `json:",omitzero"`
	Normal bool       `json:",omitzero"`
	GaveUp bool       `json:",omitzero"`
	Blame  SavedBlame `json:",omitzero"`
}

// SavedBlame is the process behind an end.
type SavedBlame struct {
	Process string `json:",omitzero"`
	Exit    *Exit  `json:",omitzero"`
}

// SavedMessage is an entry of an inbox.
type SavedMessage struct {
	Kind       string
	Child      int        // a node, or -1
	Generation Generation `json:",omitzero"`
	Cause      uint64     `json:",omitzero"`
	Call       *SavedCall `json:",omitzero"`
}

// SavedOperation is what a supervisor is in the middle of. The first of Steps is
// in progress.
type SavedOperation struct {
	Kind    string
	Steps   []SavedStep
	Child   int        // a node, or -1
	Cause   uint64     `json:",omitzero"`
	Counted bool       `json:",omitzero"`
	Call    uint64     `json:",omitzero"`
	Ignored bool       `json:",omitzero"`
	Cut     bool       `json:",omitzero"`
	Reason  string     `json:",omitzero"`
	By      string     `json:",omitzero"`
	Blame   SavedBlame `json:",omitzero"`
	Why     string     `json:",omitzero"`
}

// SavedStep is one step of an operation.
type SavedStep struct {
	Verb  string
	Child int    // a node, or -1
	Call  uint64 `json:",omitzero"`
}

// SavedChange is an Apply in progress.
type SavedChange struct {
	Call    uint64
	Cause   uint64
	Changes []Change    `json:",omitzero"`
	Parts   []SavedPart `json:",omitzero"`
	At      SavedPart
}

// SavedPart is what an Apply asks of one supervisor.
type SavedPart struct {
	Supervisor string
	Moving     []string `json:",omitzero"`
}

// SavedCall is a Called that waits. Verb says which request it is, and that which
// of the fields it has.
type SavedCall struct {
	ID         uint64
	Verb       string
	Supervisor string     `json:",omitzero"`
	Child      string     `json:",omitzero"`
	Generation Generation `json:",omitzero"`
	By         string     `json:",omitzero"`
	Spec       *int       `json:",omitzero"`
	Flags      *Flags     `json:",omitzero"`
	Specs      []int      `json:",omitzero"`
}

// The words of messages, operations, reasons, steps and requests, in the order
// of the constants.
var (
	messageWords = []string{"exit", "try_again", "resume", "stop", "call", "apply", "start"}
	opWords      = []string{"boot", "restart", "end", "terminate", "start", "cycle", "add", "change", "again"}
	reasonWords  = []string{"asked", "gave_up", "auto_shutdown", "init_failed"}
	verbWords    = []string{"start", "stop", "pause", "discard", "restart", "adopt"}
)
