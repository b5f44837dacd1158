package configs

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/elastic/go-seccomp-bpf/arch"
	"github.com/moby/sys/capability"
)

// presets are the keys that a sandbox sets.
var presets = []string{"no_new_privs", "capabilities", "private_tmp", "read_only", "inaccessible", "syscalls"}

// What sandbox = "strict" stands for, where a key does not say otherwise.
var (
	strictReadOnly = []string{
		"/", "-/sys", "-/proc/sys", "-/proc/irq", "-/proc/bus", "-/proc/acpi", "-/proc/sysrq-trigger", "-/sys/fs/cgroup",
	}
	strictInaccessible = []string{"-/proc/kcore", "-/proc/kallsyms", "-/proc/keys", "-/proc/timer_list", "-/boot", "-/root", "-/home"}
)

// sandbox reads a preset and fills in what the other keys have not said.
func (t table) sandbox(s *Setup) {
	if !oneOf(t, "sandbox", []choice[bool]{{"strict", true}, {"none", false}}, false) {
		return
	}
	says := func(key string) bool { _, found := t.values[key]; return found }
	if !says("no_new_privs") {
		yes := true
		s.NoNewPrivs = &yes
	}
	if !says("capabilities") {
		none := append([]string{}, s.Ambient...)
		s.Capabilities = &none
	}
	if !says("private_tmp") {
		s.PrivateTmp = true
	}
	if !says("read_only") {
		s.ReadOnly = slices.Clone(strictReadOnly)
	}
	if !says("inaccessible") {
		s.Inaccessible = slices.Clone(strictInaccessible)
	}
	if !says("syscalls") {
		s.Syscalls = &Syscalls{Deny: true, Names: slices.Clone(SyscallSet("@service"))}
	}
}

// capabilities reads the bounding and the ambient set.
func (t table) capabilities(s *Setup) {
	if names, _, found := t.capabilityList("capabilities"); found {
		s.Capabilities = &names
	}
	ambient, places, _ := t.capabilityList("ambient")
	for i, name := range ambient {
		if s.Capabilities != nil && !slices.Contains(*s.Capabilities, name) {
			t.faultAt(places[i], say("add it to capabilities"), "ambient has %s, and capabilities has not", name)
		}
	}
	if len(ambient) > 0 {
		s.Ambient = ambient
	}
}

// capabilityList reads names of capabilities(7), with or without CAP_, in any case.
func (t table) capabilityList(key string) (names []string, places []span, found bool) {
	if _, found = t.values[key]; !found {
		return nil, nil, false
	}
	var known []string
	for _, c := range capability.ListKnown() {
		known = append(known, "CAP_"+strings.ToUpper(c.String()))
	}
	words, at := t.texts(key, "names of capabilities")
	names = []string{}
	for i, word := range words {
		name := "CAP_" + strings.TrimPrefix(strings.ToUpper(word), "CAP_")
		switch {
		case !slices.Contains(known, name):
			t.faultAt(at[i], nearest(name, known, ""), "unknown capability %s", show(word))
		case !slices.Contains(names, name):
			names, places = append(names, name), append(places, at[i])
		}
	}
	return names, places, true
}

// paths reads what a process sees of the file system.
func (t table) paths(s *Setup) {
	if text, ok := t.text("root_dir", "the path of a folder"); ok {
		if path, ok := t.path("root_dir", text); ok {
			s.RootDir = path
		}
	}
	s.PrivateTmp = t.truth("private_tmp", false)
	seen := map[string]string{}
	s.ReadOnly = t.pathList("read_only", s.RootDir, seen)
	s.ReadWrite = t.pathList("read_write", s.RootDir, seen)
	s.Inaccessible = t.pathList("inaccessible", s.RootDir, seen)
	if _, strict := t.values["sandbox"]; s.ReadWrite != nil && s.ReadOnly == nil && !strict {
		t.fault("read_write", nil, "read_write without read_only: nothing is read-only that could be made writable again")
	}
}

// inRoot makes the places of a process ones in its own root.
func (t table) inRoot(p *Process) {
	if dir, ok := t.values["dir"].(string); !ok {
		p.Dir = "/"
	} else if !filepath.IsAbs(dir) {
		t.fault("dir", nil, "dir is %s: with root_dir, expected a path from /, in there", show(dir))
	}
	if list, ok := t.values["command"].([]any); ok && len(list) > 0 {
		if word, _ := list[0].(string); strings.Contains(word, "/") && !filepath.IsAbs(word) {
			t.faultAt(t.item("command", 0), nil, "the program is %s: with root_dir, expected a name, or a path from /, in there", show(word))
		}
	}
}

// pathList reads paths; a - in front says that one may be missing.
func (t table) pathList(key, root string, seen map[string]string) []string {
	words, places := t.texts(key, "paths")
	var paths []string
	for i, word := range words {
		word, optional := strings.CutPrefix(word, "-")
		path := word
		switch {
		case word == "" || strings.HasPrefix(word, "~"):
			t.faultAt(places[i], nil, "%s has the path %s: expected one from / or from the file's folder", key, show(word))
			continue
		case root != "" && !filepath.IsAbs(word):
			t.faultAt(places[i], nil, "%s has the path %s: with root_dir, expected one from /, in there", key, show(word))
			continue
		default:
			path = t.absolute(word)
		}
		switch {
		case seen[path] != "":
			t.faultAt(places[i], nil, "%s is in %s already", show(path), seen[path])
			continue
		case path == "/" && key != "read_only":
			t.faultAt(places[i], nil, "%s has the path \"/\": only read_only takes it", key)
			continue
		}
		seen[path] = key
		if optional {
			path = "-" + path
		}
		paths = append(paths, path)
	}
	return paths
}

const syscallsForm = `"@service", { deny = […] } or { allow = […] }`

// syscalls reads the system calls that a process may make.
func (t table) syscalls() *Syscalls {
	switch value := t.values["syscalls"].(type) {
	case nil:
		return nil
	case string:
		if names := SyscallSet(value); names != nil {
			return &Syscalls{Deny: true, Names: names}
		}
		t.fault("syscalls", nearest(value, []string{"@service"}, ""), "syscalls is %s: expected %s", show(value), syscallsForm)
	case map[string]any:
		sub := t.below("syscalls", "syscalls", value)
		sub.unknown([]string{"allow", "deny"}, nil)
		_, allow := value["allow"]
		_, deny := value["deny"]
		if allow == deny {
			sub.faultAt(sub.at.value, nil, "syscalls has both or neither of allow and deny: expected %s", syscallsForm)
			return nil
		}
		key := "deny"
		if allow {
			key = "allow"
		}
		return &Syscalls{Deny: deny, Names: sub.syscallNames(key)}
	default:
		t.fault("syscalls", nil, "syscalls is %s: expected %s", describe(value), syscallsForm)
	}
	return nil
}

// syscallNames reads names and sets of them; they are sorted.
func (t table) syscallNames(key string) []string {
	info, err := arch.GetInfo("")
	if err != nil {
		t.fault(key, nil, "system calls of this machine are not known by name: %v", err)
		return nil
	}
	words, places := t.texts(key, "names of system calls")
	names := []string{}
	for i, word := range words {
		if set := SyscallSet(word); set != nil {
			names = append(names, set...)
			continue
		}
		if _, known := info.SyscallNames[word]; !known {
			all := make([]string, 0, len(info.SyscallNames))
			for name := range info.SyscallNames {
				all = append(all, name)
			}
			slices.Sort(all)
			t.faultAt(places[i], nearest(word, all, ""), "unknown system call %s", show(word))
			continue
		}
		names = append(names, word)
	}
	if len(words) == 0 {
		t.fault(key, nil, "%s is empty: expected names of system calls", key)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// service are system calls that no service needs and that attacks on a kernel begin
// with: mounts, namespaces, modules, debugging, clocks, raw devices, keys, BPF.
var service = []string{
	"acct", "add_key", "adjtimex", "bpf", "clock_adjtime", "clock_settime", "create_module", "delete_module",
	"finit_module", "fsconfig", "fsmount", "fsopen", "fspick", "get_kernel_syms", "init_module", "io_uring_enter",
	"io_uring_register", "io_uring_setup", "ioperm", "iopl", "kcmp", "kexec_file_load", "kexec_load", "keyctl",
	"lookup_dcookie", "mount", "mount_setattr", "move_mount", "move_pages", "name_to_handle_at", "nfsservctl",
	"open_by_handle_at", "open_tree", "pciconfig_iobase", "pciconfig_read", "pciconfig_write", "perf_event_open",
	"personality", "pivot_root", "process_madvise", "process_vm_readv", "process_vm_writev", "ptrace",
	"query_module", "quotactl", "quotactl_fd", "reboot", "request_key", "setdomainname", "sethostname", "setns",
	"settimeofday", "stime", "swapoff", "swapon", "sysfs", "syslog", "_sysctl", "umount", "umount2", "unshare",
	"uselib", "userfaultfd", "ustat", "vhangup", "vm86", "vm86old", "vmsplice",
}

// SyscallSet are the system calls of a set, "@service", as far as this machine has them;
// nil: there is no such set.
func SyscallSet(name string) []string {
	if name != "@service" {
		return nil
	}
	info, err := arch.GetInfo("")
	if err != nil {
		return slices.Clone(service)
	}
	return slices.DeleteFunc(slices.Clone(service), func(name string) bool { _, known := info.SyscallNames[name]; return !known })
}

// landlock reads what a process may use.
func (t table) landlock() *Landlock {
	value, found := t.values["landlock"]
	if !found {
		return nil
	}
	const form = `a table like { read_only = ["/usr"], read_write = ["data"], bind = [8080], connect = [] }`
	values, ok := value.(map[string]any)
	if !ok {
		t.fault("landlock", nil, "landlock is %s: expected %s", describe(value), form)
		return nil
	}
	sub := t.below("landlock", "landlock", values)
	sub.unknown([]string{"read_only", "read_write", "bind", "connect"}, nil)
	if len(values) == 0 {
		t.fault("landlock", nil, "landlock is empty: expected %s", form)
	}
	l := &Landlock{Bind: sub.ports("bind"), Connect: sub.ports("connect")}
	seen := map[string]string{}
	for key, list := range map[string]**[]string{"read_only": &l.ReadOnly, "read_write": &l.ReadWrite} {
		if _, found := values[key]; found {
			paths := sub.landlockPaths(key, seen)
			*list = &paths
		}
	}
	return l
}

func (t table) landlockPaths(key string, seen map[string]string) []string {
	words, places := t.texts(key, "paths")
	paths := []string{}
	for i, word := range words {
		if word == "" || strings.HasPrefix(word, "~") || strings.HasPrefix(word, "-") {
			t.faultAt(places[i], nil, "%s has the path %s: expected one from / or from the file's folder", key, show(word))
			continue
		}
		path := t.absolute(word)
		if seen[path] == "" {
			seen[path] = key
			paths = append(paths, path)
		}
	}
	return paths
}

func (t table) ports(key string) *[]uint16 {
	list, found := t.list(key, "a list of ports")
	if !found {
		return nil
	}
	ports := []uint16{}
	for i, value := range list {
		port, ok := value.(int64)
		if !ok || port < 0 || port > 65535 {
			t.faultAt(t.item(key, i), nil, "%s holds %s: expected ports from 0 to 65535", key, shown(value))
			continue
		}
		ports = append(ports, uint16(port))
	}
	return &ports
}
