package configs

import (
	"reflect"
	"strings"
)

// Setup is what is set up for a process between fork and exec: who it runs as, and
// what it may do. Its zero value is what the daemon has itself. The tags are the keys
// of the tree file, and how a journal has them.
type Setup struct {
	// User is who it runs as, a name of /etc/passwd or a number; "" is the daemon's
	// own user. It is looked up anew for each start.
	User string `json:"user,omitempty"`
	// Group is its primary group, a name of /etc/group or a number; "" is the user's.
	Group string `json:"group,omitempty"`
	// Groups are its supplementary groups, exactly; nil are those of the user and the
	// primary one.
	Groups *[]string `json:"groups,omitempty"`

	// Umask, Nice (-20 to 19) and OOMScoreAdj (-1000 to 1000) are nil where the
	// daemon's own holds.
	Umask       *int `json:"umask,omitempty"`
	Nice        *int `json:"nice,omitempty"`
	OOMScoreAdj *int `json:"oom_score_adj,omitempty"`
	// IONice and Sched are its turns at the disk and at the processors.
	IONice *IONice `json:"ionice,omitempty"`
	Sched  *Sched  `json:"sched,omitempty"`
	// CPUAffinity are the numbers of the processors that it may use, sorted.
	CPUAffinity []int `json:"cpu_affinity,omitempty"`
	// Rlimits are in the order of the names.
	Rlimits []Rlimit `json:"rlimits,omitempty"`

	// NoNewPrivs takes from it what setuid bits and file capabilities would give
	// (PR_SET_NO_NEW_PRIVS); nil: if it is another user than the daemon and not root.
	NoNewPrivs *bool `json:"no_new_privs,omitempty"`
	// Capabilities are what it may ever have, with CAP_; nil is what the daemon may.
	Capabilities *[]string `json:"capabilities,omitempty"`
	// Ambient are those that it begins with, also as another user than root. Without any,
	// another user than root, or than the daemon, has none of the daemon's either.
	Ambient []string `json:"ambient,omitempty"`

	// RootDir is the folder that is its /; "" is the host's.
	RootDir string `json:"root_dir,omitempty"`
	// PrivateTmp gives it a /tmp and a /var/tmp of its own.
	PrivateTmp bool `json:"private_tmp,omitempty"`
	// ReadOnly, ReadWrite and Inaccessible are absolute paths, inside of RootDir; one
	// with a - in front may be missing.
	ReadOnly     []string `json:"read_only,omitempty"`
	ReadWrite    []string `json:"read_write,omitempty"`
	Inaccessible []string `json:"inaccessible,omitempty"`

	Syscalls *Syscalls `json:"syscalls,omitempty"`
	Landlock *Landlock `json:"landlock,omitempty"`
	// Secrets are in the order of their names.
	Secrets []Secret `json:"secret,omitempty"`
}

// IONice is a class of ioprio_set(2), "realtime", "best-effort" or "idle", and the
// level in it, 0 (first) to 7.
type IONice struct {
	Class string `json:"class"`
	Level int    `json:"level"`
}

// Sched is a policy of sched(7), "other", "batch", "idle", "fifo" or "rr", and for the
// last two a priority of 1 to 99 (first).
type Sched struct {
	Policy   string `json:"policy"`
	Priority int    `json:"priority"`
}

// Rlimit is a limit of getrlimit(2) by its name in the tree file ("nofile");
// math.MaxUint64 is none.
type Rlimit struct {
	Name string `json:"name"`
	Soft uint64 `json:"soft"`
	Hard uint64 `json:"hard"`
}

// Syscalls are system calls by name: all that it may make, or with Deny those that it
// may not. What it may not make fails with EPERM.
type Syscalls struct {
	Deny  bool     `json:"deny"`
	Names []string `json:"names"`
}

// Landlock are the files, and the TCP ports, that it may use and no others; nil does not
// restrict that kind. Paths are absolute and may be files or folders.
type Landlock struct {
	ReadOnly  *[]string `json:"read_only,omitempty"`
	ReadWrite *[]string `json:"read_write,omitempty"`
	Bind      *[]uint16 `json:"bind,omitempty"`
	Connect   *[]uint16 `json:"connect,omitempty"`
}

// Secret is a file whose content reaches the process and nothing else: it is read for
// each start, by what becomes the process.
type Secret struct {
	Name string `json:"name"` // of the variable
	File string `json:"file"` // absolute, on the host
	// As is "file", "fd" or "env".
	As string `json:"as"`
}

// ByFork says that who it runs as, and no_new_privs, are all of it: that much a fork can
// do, and nothing has to come between it and exec.
func (s *Setup) ByFork() bool {
	return s == nil || reflect.DeepEqual(*s, Setup{User: s.User, Group: s.Group, Groups: s.Groups, NoNewPrivs: s.NoNewPrivs})
}

// OrNone is a set-up that may be asked for its parts: the zero Setup of nil.
func (s *Setup) OrNone() Setup {
	if s == nil {
		return Setup{}
	}
	return *s
}

// Diff are the keys in which two set-ups differ, in the order of the fields.
func (s *Setup) Diff(other *Setup) []string {
	var keys []string
	a, b := reflect.ValueOf(s.OrNone()), reflect.ValueOf(other.OrNone())
	for i := range a.NumField() {
		if !reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()) {
			key, _, _ := strings.Cut(a.Type().Field(i).Tag.Get("json"), ",")
			keys = append(keys, key)
		}
	}
	return keys
}

// setup reads what is set up for a process, and of whose account its environment
// tells; nil: nobody's.
func (t table) setup(e *environment) (*Setup, *Account) {
	var s Setup
	account := t.user(&s, e)
	s.Umask = t.umask()
	s.Nice = t.integer("nice", -20, 19)
	s.OOMScoreAdj = t.integer("oom_score_adj", -1000, 1000)
	s.IONice = t.ioNice()
	s.Sched = t.sched()
	s.CPUAffinity = t.cpuAffinity()
	s.Rlimits = t.rlimits()
	if _, found := t.values["no_new_privs"]; found {
		yes := t.truth("no_new_privs", true)
		s.NoNewPrivs = &yes
	}
	t.capabilities(&s)
	t.paths(&s)
	s.Syscalls = t.syscalls()
	s.Landlock = t.landlock()
	s.Secrets = t.secrets()
	t.sandbox(&s)
	if (s.Syscalls != nil || s.Landlock != nil) && s.NoNewPrivs != nil && !*s.NoNewPrivs {
		t.fault("no_new_privs", nil, "no_new_privs = false with syscalls, landlock or a sandbox: a setuid program would get out of them")
	}
	if reflect.ValueOf(s).IsZero() {
		return nil, account
	}
	return &s, account
}
