package trampoline

// Spec is what a trampoline sets up, and what it executes then. It is what the daemon
// has looked up already: numbers, not names. What is nil or empty is left as it is.
type Spec struct {
	// Argv is the program and its arguments. A program without a slash is looked up
	// in the PATH of Env, by the user and in the root directory that it will have.
	Argv []string `json:"argv"`
	// Env is the whole environment, NAME=value each.
	Env []string `json:"env"`
	// PIDVariables are the variables that get its number.
	PIDVariables []string `json:"pid_variables,omitempty"`
	// Dir is the working directory; empty is the one that the trampoline was started in.
	Dir string `json:"dir"`

	// UserName is what failures call User.
	UserName string `json:"user_name,omitempty"`
	User     *User  `json:"user,omitempty"`

	Umask *int `json:"umask,omitempty"`
	// Nice is from -20 to 19, see setpriority(2).
	Nice *int `json:"nice,omitempty"`
	// IOPriority is class and level as of ioprio_set(2).
	IOPriority *int       `json:"io_priority,omitempty"`
	Scheduler  *Scheduler `json:"scheduler,omitempty"`
	// CPUs are the numbers of those that it may use, see sched_setaffinity(2).
	CPUs []int `json:"cpus,omitempty"`
	// OOMScoreAdj is from -1000 to 1000, see proc(5).
	OOMScoreAdj *int    `json:"oom_score_adj,omitempty"`
	Limits      []Limit `json:"limits,omitempty"`

	NoNewPrivs bool `json:"no_new_privs,omitempty"`
	// Capabilities are what it may have at most, the bounding set, by number.
	Capabilities *[]int `json:"capabilities,omitempty"`
	// NoAmbient takes all inheritable capabilities from it, and so the ambient ones, but
	// for those of Ambient.
	NoAmbient bool `json:"no_ambient,omitempty"`
	// Ambient are those that it begins with, also as another user than root.
	Ambient []int `json:"ambient,omitempty"`

	// Root is its root directory, PrivateTmp gives it /tmp and /var/tmp of its own,
	// and Views change what it sees of the rest. Any of them takes a mount namespace.
	Root       string   `json:"root,omitempty"`
	PrivateTmp bool     `json:"private_tmp,omitempty"`
	Views      []View   `json:"views,omitempty"`
	Secrets    []Secret `json:"secrets,omitempty"`

	Landlock *Landlock `json:"landlock,omitempty"`
	// Filter is a program of seccomp(2), assembled.
	Filter []Instruction `json:"filter,omitempty"`
}

// User is who it becomes, see setresuid(2).
type User struct {
	UID    int   `json:"uid"`
	GID    int   `json:"gid"`
	Groups []int `json:"groups"`
}

// Scheduler is a policy and its priority, see sched_setscheduler(2).
type Scheduler struct {
	Name     string `json:"name"`
	Policy   int    `json:"policy"`
	Priority int    `json:"priority"`
}

// Limit is one of getrlimit(2); Name is its RLIMIT_ name, Key the tree file's.
type Limit struct {
	Name     string `json:"name"`
	Key      string `json:"key"`
	Resource int    `json:"resource"`
	Soft     uint64 `json:"soft"`
	Hard     uint64 `json:"hard"`
}

// View is how a path looks like to the child.
type View struct {
	// Kind is "read_only", "read_write" or "inaccessible", as the tree file has it.
	Kind string `json:"kind"`
	Path string `json:"path"`
	// Optional is no failure if there is no such path.
	Optional bool `json:"optional,omitempty"`
}

// Secret is a file that is read before anything is given up, and reaches the child as
// something else. The daemon never reads it.
type Secret struct {
	Name string `json:"name"`
	File string `json:"file"`
	// As is "file", "fd" or "env".
	As string `json:"as"`
}

// Landlock are the files and ports that the child may use, see landlock(7).
type Landlock struct {
	ReadOnly  []string `json:"read_only,omitempty"`
	ReadWrite []string `json:"read_write,omitempty"`
	Files     bool     `json:"files,omitempty"` // files are restricted
	Net       bool     `json:"net,omitempty"`   // TCP ports are restricted
	Bind      []uint16 `json:"bind,omitempty"`
	Connect   []uint16 `json:"connect,omitempty"`
}

// Instruction is struct sock_filter.
type Instruction struct {
	Code uint16 `json:"c"`
	Jt   uint8  `json:"t"`
	Jf   uint8  `json:"f"`
	K    uint32 `json:"k"`
}

// Failure is why the program was not executed.
type Failure struct {
	// Key is the key of the tree file that could not be met.
	Key string `json:"key"`
	// Cause is a sentence for a person. It is empty where exec or chdir failed: the
	// daemon looks at the files to tell why.
	Cause string `json:"cause,omitempty"`
	// Errno is the system's reason, 0 where it was not asked.
	Errno int `json:"errno"`
	// File is the one that could not be executed.
	File string `json:"file,omitempty"`
}
