package configs

import (
	"fmt"
	"slices"
	"strconv"
)

const (
	userForm  = `the name of a user in /etc/passwd, or a number from 0 to 4294967294 in quotes`
	groupForm = `the name of a group in /etc/group, or a number from 0 to 4294967294 in quotes`
)

// accountFolder has passwd and group.
const accountFolder = "/etc"

// hostAccounts reads the accounts of the host once for a file; nil: they cannot be
// read, which was told at the key that needs them.
func (t table) hostAccounts(key string) *Accounts {
	if t.accounts == nil && t.accountsErr == nil {
		t.accounts, t.accountsErr = ReadAccounts(accountFolder)
	}
	if t.accountsErr != nil {
		t.fault(key, nil, "%v", t.accountsErr)
		return nil
	}
	return t.accounts
}

// user reads who a process runs as, and returns the account if the file names one.
func (t table) user(s *Setup, e *environment) *Account {
	group, hasGroup := t.accountWord("group", groupForm)
	if hasGroup && t.knownGroup(group, t.span("group")) {
		s.Group = group
	}
	s.Groups = t.groups()
	word, found := t.text("user", userForm)
	if found {
		word, found = t.expand(word, e, t.span("user"))
	}
	if !found || !t.accountForm(word, userForm, "user", t.span("user")) {
		return nil
	}
	accounts := t.hostAccounts("user")
	if accounts == nil {
		return nil
	}
	account, err := accounts.User(word)
	switch {
	case err != nil:
		t.fault("user", nearest(word, accounts.userNames(), ""), "cannot switch to user %s: %v", word, err)
		return nil
	case account.Name == "" && !hasGroup:
		t.fault("user", say(`say which group: group = "`+word+`"`), "user %s is not in /etc/passwd, so its group is not known", word)
	}
	s.User = word
	return &account
}

// accountWord reads a name or number of a user or group.
func (t table) accountWord(key, form string) (string, bool) {
	word, ok := t.text(key, form)
	return word, ok && t.accountForm(word, form, key, t.span(key))
}

// accountForm says whether a word is a name or a number; it never means somebody
// else than it says.
func (t table) accountForm(word, form, key string, at span) bool {
	_, number := accountNumber(word)
	if !number && !accountName(word) {
		t.faultAt(at, nil, "%s is %s: expected %s", key, show(word), form)
		return false
	}
	return true
}

func (t table) knownGroup(word string, at span) bool {
	accounts := t.hostAccounts("group")
	if accounts == nil {
		return false
	}
	if _, err := accounts.Group(word); err != nil {
		t.faultAt(at, nearest(word, accounts.groupNames(), ""), "cannot switch to group %s: %v", word, err)
		return false
	}
	return true
}

// groups reads the supplementary groups.
func (t table) groups() *[]string {
	if _, found := t.values["groups"]; !found {
		return nil
	}
	words, places := t.texts("groups", "names of groups")
	list := make([]string, 0, len(words))
	for i, word := range words {
		if t.accountForm(word, groupForm, "a group", places[i]) && t.knownGroup(word, places[i]) && !slices.Contains(list, word) {
			list = append(list, word)
		}
	}
	if len(list) > groupsMax {
		t.fault("groups", nil, "groups are %d: the system takes %d", len(list), groupsMax)
	}
	return &list
}

// groupsMax is NGROUPS_MAX of Linux.
const groupsMax = 65536

// begin is the environment that a process begins with, before its own env: what is
// inherited, or with clear_env the PATH alone; of whom it runs as; and the env_file.
func (t table) begin(e *environment, account *Account) []string {
	clear := t.truth("clear_env", false)
	if !clear && account == nil {
		return e.base
	}
	base := t.inherited.base
	if clear {
		base = []string{"PATH=" + t.inherited.path()}
	}
	if account != nil {
		base = overlaid(base, account.variables())
	}
	t.spend(16*(len(base)+len(e.file)), t.at.value)
	return overlaid(base, e.file)
}

// path is the PATH of the caller.
func (e *environment) path() string {
	if path, found := e.outer["PATH"]; found {
		return path
	}
	return defaultPath
}

// defaultPath is the PATH of a process whose caller has none.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// variables are what login(1) sets for a user.
func (a *Account) variables() map[string]string {
	name := a.Name
	if name == "" {
		name = strconv.FormatUint(uint64(a.UID), 10)
	}
	or := func(text, other string) string {
		if text == "" {
			return other
		}
		return text
	}
	return map[string]string{"HOME": or(a.Home, "/"), "USER": name, "LOGNAME": name, "SHELL": or(a.Shell, "/bin/sh")}
}

// String is how messages call an account: "user www" or "user 1000".
func (a *Account) String() string {
	if a.Name != "" {
		return "user " + a.Name
	}
	return fmt.Sprintf("user %d", a.UID)
}
