package configs

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// accountBytesMax bounds what is read of /etc/passwd and /etc/group.
const accountBytesMax = 64 << 20

// numberMax is the highest number of a user or group: the kernel takes the next
// one, 2^32-1, for "leave it as it is". accountOld is the same of 16 bits.
const (
	numberMax  = 1<<32 - 2
	accountOld = 1<<16 - 1
)

// ErrNoUser and ErrNoGroup say that nobody is called so.
var (
	ErrNoUser  = errors.New("no such user")
	ErrNoGroup = errors.New("no such group")
)

// Account is a line of passwd(5).
type Account struct {
	Name        string
	UID, GID    uint32
	Home, Shell string
}

// Accounts are the users and groups of the host as passwd(5) and group(5) have them.
// They are read from the files alone: a name service that is reached by a network has
// no say in who a process becomes.
type Accounts struct {
	users  []Account
	groups []group
}

type group struct {
	name    string
	number  uint32
	members []string
}

// ReadAccounts reads passwd and group in a folder, /etc mostly. A file that is
// missing has nobody in it; a line that is malformed is left out.
func ReadAccounts(folder string) (*Accounts, error) {
	users, err := readAccountFile(filepath.Join(folder, "passwd"))
	if err != nil {
		return nil, err
	}
	groups, err := readAccountFile(filepath.Join(folder, "group"))
	if err != nil {
		return nil, err
	}
	a := &Accounts{}
	for line := range strings.Lines(users) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), ":")
		if len(f) != 7 || !accountName(f[0]) {
			continue
		}
		uid, ok1 := accountNumber(f[2])
		gid, ok2 := accountNumber(f[3])
		if ok1 && ok2 {
			a.users = append(a.users, Account{f[0], uid, gid, f[5], f[6]})
		}
	}
	for line := range strings.Lines(groups) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), ":")
		if len(f) != 4 || !accountName(f[0]) {
			continue
		}
		if number, ok := accountNumber(f[2]); ok {
			a.groups = append(a.groups, group{f[0], number, strings.Split(f[3], ",")})
		}
	}
	return a, nil
}

func readAccountFile(path string) (string, error) {
	data, err := readFile(path, accountBytesMax)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", errors.New("cannot read " + path + ": " + cause(err))
	}
	return string(data), nil
}

// User finds a user by name or, if the word is a number, by that; a number without a
// line in passwd is an Account without a Name. A word that is neither a name nor a
// number is nobody: "0day" is not 0.
func (a *Accounts) User(word string) (Account, error) {
	number, isNumber := accountNumber(word)
	for _, u := range a.users {
		if isNumber && u.UID == number || !isNumber && u.Name == word && accountName(word) {
			return u, nil
		}
	}
	if isNumber {
		return Account{UID: number}, nil
	}
	return Account{}, ErrNoUser
}

// Group finds the number of a group by its name or number.
func (a *Accounts) Group(word string) (uint32, error) {
	if number, ok := accountNumber(word); ok {
		return number, nil
	}
	for _, g := range a.groups {
		if g.name == word && accountName(word) {
			return g.number, nil
		}
	}
	return 0, ErrNoGroup
}

// GroupsOf are the groups of a user, as initgroups(3) gives them: the primary one,
// and those that list the user, sorted.
func (a *Accounts) GroupsOf(user string, primary uint32) []uint32 {
	numbers := []uint32{primary}
	for _, g := range a.groups {
		if user != "" && slices.Contains(g.members, user) {
			numbers = append(numbers, g.number)
		}
	}
	slices.Sort(numbers)
	return slices.Compact(numbers)
}

// names are those that a misspelt one may have meant.
func (a *Accounts) userNames() (names []string) {
	for _, u := range a.users {
		names = append(names, u.Name)
	}
	return names
}

func (a *Accounts) groupNames() (names []string) {
	for _, g := range a.groups {
		names = append(names, g.name)
	}
	return names
}

// accountName says whether a word can be a name: letters, digits, _ . - and, at its
// end, $; not beginning with a digit or a dash, so that it is no number and no flag.
func accountName(word string) bool {
	word = strings.TrimSuffix(word, "$")
	if word == "" || len(word) > nameBytesMax {
		return false
	}
	for i := range len(word) {
		c := word[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
		if !letter && (i == 0 || (c < '0' || c > '9') && c != '.' && c != '-') {
			return false
		}
	}
	return true
}

// accountNumber reads a number as people write it: no sign, no 0x, no leading zero.
func accountNumber(word string) (uint32, bool) {
	number, err := strconv.ParseUint(word, 10, 32)
	ok := err == nil && strconv.FormatUint(number, 10) == word && number <= numberMax && number != accountOld
	return uint32(number), ok
}
