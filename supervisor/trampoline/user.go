package trampoline

import (
	"slices"
	"strings"
	"syscall"

	"github.com/moby/sys/capability"
	"golang.org/x/sys/unix"
)

// become gives privileges up, in the one order that works, and believes only what it
// reads back: a process that went on as root would be worse than none.
func (t *trampoline) become() *Failure {
	if t.User == nil {
		return nil
	}
	cannot := func(err error) *Failure {
		f := fail("user", err, "cannot switch to %s", t.UserName)
		if errnoOf(err) == syscall.EPERM {
			f.Cause += " (that takes root, or CAP_SETUID and CAP_SETGID)"
		}
		if errnoOf(err) == syscall.EINVAL {
			f.Cause += " (this user namespace does not have it)"
		}
		return f
	}
	if len(t.Ambient) > 0 && t.User.UID != 0 {
		if err := unix.Prctl(unix.PR_SET_KEEPCAPS, 1, 0, 0, 0); err != nil {
			return fail("ambient", err, "cannot keep capabilities")
		}
	}
	if err := syscall.Setgroups(t.User.Groups); err != nil {
		return cannot(err)
	}
	if err := syscall.Setresgid(t.User.GID, t.User.GID, t.User.GID); err != nil {
		return cannot(err)
	}
	if err := syscall.Setresuid(t.User.UID, t.User.UID, t.User.UID); err != nil {
		return cannot(err)
	}
	if !t.isUser() {
		return fail("user", nil, "cannot switch to %s: the system says that it was done, and it was not", t.UserName)
	}
	return nil
}

// isUser says whether the process is who it is to be.
func (t *trampoline) isUser() bool {
	ruid, euid, suid := unix.Getresuid()
	rgid, egid, sgid := unix.Getresgid()
	groups, err := unix.Getgroups()
	wanted := slices.Sorted(slices.Values(t.User.Groups))
	slices.Sort(groups)
	return err == nil && ruid == t.User.UID && euid == ruid && suid == ruid &&
		rgid == t.User.GID && egid == rgid && sgid == rgid && slices.Equal(groups, wanted)
}

// bound takes what the child may not have at all out of the bounding set, while that is
// permitted.
func (t *trampoline) bound() *Failure {
	if t.Capabilities == nil {
		return nil
	}
	last, err := capability.LastCap()
	if err != nil {
		return fail("capabilities", err, "cannot set capabilities")
	}
	for c := capability.Cap(0); c <= last; c++ {
		if slices.Contains(*t.Capabilities, int(c)) {
			continue
		}
		if has, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(c), 0, 0, 0); err != nil || has == 0 {
			continue // it is not there, or there is no such capability
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0); err != nil {
			return fail("capabilities", err, "cannot take CAP_%s from it", upper(c))
		}
	}
	return nil
}

// setCapabilities sets the other sets: the inheritable and the ambient one are exactly
// what the tree file says. Root gets what is left in the bounding set by exec.
func (t *trampoline) setCapabilities() *Failure {
	if t.Capabilities == nil && t.Ambient == nil {
		return t.giveUpAmbient()
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var now [2]unix.CapUserData
	if err := unix.Capget(&header, &now[0]); err != nil {
		return fail("capabilities", err, "cannot read capabilities")
	}
	permitted := func(c capability.Cap) bool { return now[c/32].Permitted&(1<<(c%32)) != 0 }
	caps, err := capability.NewPid2(0) // all of its sets are empty
	if err != nil {
		return fail("capabilities", err, "cannot set capabilities")
	}
	root := t.User == nil || t.User.UID == 0
	for c := capability.Cap(0); int(c) < 32*len(now); c++ {
		if permitted(c) && root {
			caps.Set(capability.EFFECTIVE|capability.PERMITTED, c)
		}
	}
	for _, number := range t.Ambient {
		c := capability.Cap(number)
		if !permitted(c) {
			return fail("ambient", nil, "cannot give it CAP_%s: coppice has not got it itself", upper(c))
		}
		caps.Set(capability.CAPS|capability.AMBIENT, c)
	}
	if err := caps.Apply(capability.CAPS | capability.AMBS); err != nil {
		return fail("ambient", err, "cannot set ambient capabilities")
	}
	return nil
}

// giveUpAmbient empties the inheritable set, and so the ambient one, which is never
// more.
func (t *trampoline) giveUpAmbient() *Failure {
	if !t.NoAmbient {
		return nil
	}
	if err := DropInheritable(); err != nil {
		return fail("ambient", err, "cannot give up coppice's own capabilities")
	}
	return nil
}

// DropInheritable takes the inheritable capabilities from this thread, and with them the
// ambient ones, which are never more (capabilities(7)).
func DropInheritable() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return err
	}
	sets[0].Inheritable, sets[1].Inheritable = 0, 0
	return unix.Capset(&header, &sets[0])
}

// Capability is the number of a capability by its name in capabilities(7), CAP_CHOWN.
func Capability(name string) (int, bool) {
	for _, c := range capability.ListKnown() {
		if "CAP_"+upper(c) == name {
			return int(c), true
		}
	}
	return 0, false
}

// upper is the name of a capability as capabilities(7) has it, without its CAP_.
func upper(c capability.Cap) string { return strings.ToUpper(c.String()) }
