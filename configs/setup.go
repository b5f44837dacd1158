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
	// NoNewPrivs takes from it what setuid bits and file capabilities would give
	// (PR_SET_NO_NEW_PRIVS); nil: if root starts it as another user.
	NoNewPrivs *bool `json:"no_new_privs,omitempty"`
}

// IsZero says that nothing is to be set up.
func (s Setup) IsZero() bool { return reflect.ValueOf(s).IsZero() }

// Diff are the keys in which two set-ups differ, in the order of the fields.
func (s Setup) Diff(other Setup) []string {
	var keys []string
	a, b := reflect.ValueOf(s), reflect.ValueOf(other)
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
func (t table) setup(e *environment) (Setup, *Account) {
	var s Setup
	account := t.user(&s, e)
	if _, found := t.values["no_new_privs"]; found {
		yes := t.truth("no_new_privs", true)
		s.NoNewPrivs = &yes
	}
	return s, account
}
