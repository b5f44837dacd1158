package tree

import "strconv"

// Time is a point or a span of monotonic time in nanoseconds. The core has no
// clock: every Step is told what time it is, and asks through Deadline when it
// wants to be told again. Only differences have a meaning, so any monotonic
// origin serves (the runtime uses CLOCK_MONOTONIC, as Erlang does on Linux).
type Time int64

// String is a span in seconds: "1.5s".
func (t Time) String() string {
	if t == Infinity {
		return "infinity"
	}
	return strconv.FormatFloat(float64(t)/float64(Second), 'f', -1, 64) + "s"
}

// Infinity as a Timeout or StartTimeout never passes.
const Infinity Time = -1

// Second is one second of Time.
const Second Time = 1e9

const millisecond = Second / 1000

// Strategy says which children are restarted when one of them dies
// (supervisor(3), sup_flags).
type Strategy uint8

const (
	// OneForOne restarts the child that died and touches no sibling.
	OneForOne Strategy = iota
	// OneForAll stops all children in reverse order and starts all of them.
	OneForAll
	// RestForOne does the same with the child that died and those after it.
	RestForOne
	// SimpleOneForOne has no static children: instances of one template are
	// started by StartChild and restarted one by one. They are stopped all at
	// once and are lost when their supervisor ends.
	SimpleOneForOne
)

// RestartType says which ends of a child are followed by a restart
// (supervisor(3), child_spec).
type RestartType uint8

const (
	// Permanent children are always restarted.
	Permanent RestartType = iota
	// Transient children are restarted after an abnormal end only.
	Transient
	// Temporary children are never restarted; once their process is gone, for
	// whatever reason, their supervisor has forgotten them.
	Temporary
)

// AutoShutdown says when a supervisor ends because its significant children
// have (supervisor(3), sup_flags, since OTP 24).
type AutoShutdown uint8

const (
	// Never ignores significant children.
	Never AutoShutdown = iota
	// AnySignificant ends the supervisor with the first significant child that
	// ends by itself and is not restarted.
	AnySignificant
	// AllSignificant ends it with the last of them.
	AllSignificant
)

// ChildType tells a process from a supervisor (OTP: worker, supervisor).
type ChildType uint8

const (
	// Process is a child that the runtime starts and watches.
	Process ChildType = iota
	// Supervisor is a child that lives in this tree.
	Supervisor
)

// Shutdown says how a child is stopped (supervisor(3), child_spec).
type Shutdown struct {
	// Brutal sends no stop request: the child is killed at once (brutal_kill).
	Brutal bool
	// Timeout is the time a child has between the stop request and the kill;
	// 0 is a request with the kill on its heels, Infinity never kills.
	Timeout Time
}

// Readiness says when the start of a process is complete. OTP's children say it
// by returning from their init function; a program needs another way.
type Readiness uint8

const (
	// AtExec completes a start once the program was executed.
	AtExec Readiness = iota
	// AtNotice completes it when the runtime reports Ready: a notification or
	// a probe that succeeded.
	AtNotice
	// AtExit completes it when the process has ended as Success says; then it
	// has started, and ended normally.
	AtExit
)

// Backoff delays the automatic restart of a child. OTP has nothing like it: the
// zero value restarts at once.
type Backoff struct {
	// Initial is the first delay; 0 is no backoff at all.
	Initial Time
	// Max is the cap of a delay, and the running time after which the next
	// delay is Initial again.
	Max Time
	// Factor, at least 1, multiplies the delay from one restart to the next.
	Factor float64
	// Jitter, from 0 to 1, is the greatest part of a delay that chance takes off it:
	// children that died together do not all come back together.
	Jitter float64 `json:",omitzero"`
	// Decay is the running time that takes one multiplication back, at most Max; 0
	// takes them back evenly, the last after Max.
	Decay Time `json:",omitzero"`
}

// Success says which ends of a process are normal. The zero value accepts
// nothing.
type Success struct {
	// Codes are ranges of exit codes, both ends included.
	Codes [][2]int
	// Signals are full names: "SIGTERM".
	Signals []string
}

// Flags are a supervisor's own settings (supervisor(3), sup_flags).
type Flags struct {
	Strategy Strategy
	// Intensity is the number of restarts allowed in Period; one more and the
	// supervisor gives up. Negative never gives up (not in OTP).
	Intensity int
	// Period is the length of the restart window, above 0.
	Period       Time
	AutoShutdown AutoShutdown
	// MaxChildren is how many instances a SimpleOneForOne supervisor has at most,
	// those that wait for a restart included (Elixir's max_children); 0: no limit.
	MaxChildren int `json:",omitzero"`
}

// Extra is what StartChild gives one instance of a template beside the template
// (OTP: the extra arguments). The core carries it for the runtime, through every
// restart, and never reads it.
type Extra struct {
	// Args come behind the command of the template, or are the command.
	Args []string
	// Env is set over the environment of the template: NAME=value.
	Env []string
}

// ChildSpec is the wanted state of one child (supervisor(3), child_spec). The
// root of a tree is a ChildSpec of type Supervisor whose Restart, Shutdown and
// Significant mean nothing.
type ChildSpec struct {
	// ID is the child's name, unique in the whole tree.
	ID          string
	Type        ChildType
	Restart     RestartType
	Shutdown    Shutdown
	Significant bool

	// Start is carried for the runtime, compared (reflect.DeepEqual) when a
	// running tree changes, and never read. Processes only.
	Start any
	// Extra is set in instances of a template alone.
	Extra        Extra
	Ready        Readiness
	StartTimeout Time // 0 and Infinity: no limit
	Success      Success
	// OnExit are ends that choose a strategy of their own; no end has two.
	OnExit  []Verdict
	Backoff Backoff
	Health  Health
	// BeforeStart says that a start begins with a command of its own, which may
	// take a while, and AfterExit that each end is followed by one.
	BeforeStart, AfterExit bool

	// Flags and Children are a supervisor's; Children in start order. Under
	// SimpleOneForOne Children holds exactly one entry, the template.
	Flags    Flags
	Children []ChildSpec
	// Rate is the root's, and for the whole tree.
	Rate Rate
}

// String is the name that OTP and the tree file have for it, as everywhere
// below.
func (s Strategy) String() string {
	return name(int(s), "one_for_one", "one_for_all", "rest_for_one", "simple_one_for_one")
}

func (r RestartType) String() string { return name(int(r), "permanent", "transient", "temporary") }

func (a AutoShutdown) String() string {
	return name(int(a), "never", "any_significant", "all_significant")
}

func (c ChildType) String() string { return name(int(c), "process", "supervisor") }

func (r Readiness) String() string { return name(int(r), "exec", "notice", "exit") }

func name(i int, names ...string) string {
	if i >= len(names) {
		return "unknown"
	}
	return names[i]
}
