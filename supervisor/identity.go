package supervisor

import (
	"fmt"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"coppice/configs"
	"coppice/supervisor/logs"
)

// accountFolder has passwd and group.
const accountFolder = "/etc"

// identity is who a process runs as.
type identity struct {
	// credential is nil for the daemon's own user, who needs no switch.
	credential *syscall.Credential
	// name is what messages call the user; "" is the daemon's own.
	name string
	uid  int
	// noNewPrivs says that setuid bits give it nothing.
	noNewPrivs bool
	// noAmbient says that it gets no capabilities of the daemon's beside those of root.
	noAmbient bool
}

// setupFault is what cannot be set up, and the key of the tree file that wants it.
type setupFault struct{ key, cause string }

// identify finds who a process runs as. It is asked for each start, for accounts come
// and go; who is not there now is nobody, and never root.
func identify(s *configs.Setup) (identity, *setupFault) {
	who := identity{uid: os.Geteuid(), noAmbient: os.Geteuid() != 0}
	if s == nil {
		return who, nil
	}
	if s.User == "" && s.Group == "" && s.Groups == nil {
		who.noNewPrivs = s.NoNewPrivs != nil && *s.NoNewPrivs
		return who, nil
	}
	accounts, err := configs.ReadAccounts(accountFolder)
	if err != nil {
		return who, &setupFault{"user", fmt.Sprintf("cannot switch to user %s: %v", s.User, err)}
	}
	account, fault := accountOf(s, accounts)
	if fault != nil {
		return who, fault
	}
	wanted := syscall.Credential{Uid: account.UID, Gid: account.GID, Groups: accounts.GroupsOf(account.Name, account.GID)}
	if s.Groups != nil {
		if wanted.Groups, fault = groupNumbers(*s.Groups, accounts); fault != nil {
			return who, fault
		}
	}
	who.uid, who.name = int(account.UID), account.String()
	other := who.uid != os.Geteuid()
	who.noAmbient = other || who.uid != 0
	who.noNewPrivs = other && who.uid != 0
	if s.NoNewPrivs != nil {
		who.noNewPrivs = *s.NoNewPrivs
	}
	if os.Geteuid() == 0 || s.Groups != nil || other || wanted.Gid != uint32(os.Getegid()) {
		who.credential = &wanted
	}
	return who, nil
}

// accountOf finds the user, and the primary group if the tree file has another.
func accountOf(s *configs.Setup, accounts *configs.Accounts) (configs.Account, *setupFault) {
	account := configs.Account{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}
	var err error
	if s.User != "" {
		if account, err = accounts.User(s.User); err != nil {
			return account, &setupFault{"user", fmt.Sprintf("cannot switch to user %s: %v", s.User, err)}
		}
		if account.Name == "" && s.Group == "" {
			return account, &setupFault{"user", fmt.Sprintf("cannot switch to user %s: it is not in /etc/passwd, so its group is not known", s.User)}
		}
	}
	if s.Group != "" {
		if account.GID, err = accounts.Group(s.Group); err != nil {
			return account, &setupFault{"group", fmt.Sprintf("cannot switch to group %s: %v", s.Group, err)}
		}
	}
	return account, nil
}

func groupNumbers(words []string, accounts *configs.Accounts) ([]uint32, *setupFault) {
	numbers := make([]uint32, 0, len(words))
	for _, word := range words {
		number, err := accounts.Group(word)
		if err != nil {
			return nil, &setupFault{"groups", fmt.Sprintf("cannot switch to group %s: %v", word, err)}
		}
		numbers = append(numbers, number)
	}
	slices.Sort(numbers)
	return slices.Compact(numbers), nil
}

// outputs makes the outputs of a process of somebody.
func (r *runtime) outputs(name string, how configs.Log, who identity) (*logs.Outputs, error) {
	out, err := r.store.Begin(name, how)
	if err != nil {
		return nil, err
	}
	if err := who.own(out.Stdout, out.Stderr); err != nil {
		out.Close()
		return nil, err
	}
	return out, nil
}

// own makes the pipes that a process writes to its user's, so that the process can
// open /dev/stdout again, as many programs do. A log file stays the daemon's.
func (who identity) own(outputs ...*os.File) error {
	if os.Geteuid() != 0 {
		return nil // nobody else's process is started
	}
	for i, file := range outputs {
		if file == nil || slices.Contains(outputs[:i], file) {
			continue
		}
		info, err := file.Stat()
		if err == nil && info.Mode()&os.ModeNamedPipe != 0 {
			err = unix.Fchown(int(file.Fd()), who.uid, -1)
		}
		if err != nil {
			return fmt.Errorf("cannot give the pipe of its output to user %d: %w", who.uid, err)
		}
	}
	return nil
}
