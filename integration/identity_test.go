package integration

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// tell is a command that tells all that the kernel says of the process: of its shell,
// which is the main process. (While a shell starts another program, it blocks signals.)
const tell = `while IFS= read -r l; do echo "$l"; done </proc/$$/status; echo CWD=$(readlink /proc/$$/cwd); echo NS=$(readlink /proc/$$/ns/mnt); ` +
	`ls -l /proc/$$/fd; ` +
	`while IFS= read -r l; do echo "LIMIT=$l"; done </proc/$$/limits; ` +
	`while IFS= read -r l; do echo "MOUNT=$l"; done </proc/$$/mountinfo; ` +
	`tr '\0' '\n' </proc/$$/environ | while IFS= read -r l; do echo "ENV=$l"; done; ` +
	`echo STAT=$(cat /proc/$$/stat); echo OOM=$(cat /proc/$$/oom_score_adj)`

// told is what a process told, by name; of what has many lines, all of them.
type told map[string][]string

// report runs a process with these keys and returns what it tells.
func (b *bed) report(keys string) told {
	b.t.Helper()
	b.open()
	b.write("coppice.toml", "[process.p]\nrestart = \"transient\"\nready = \"exit\"\ncommand = '''"+tell+"'''\n"+keys)
	b.up()
	text := b.must("logs", "--raw", "p")
	b.must("down")
	t := told{}
	for line := range strings.Lines(text) {
		if link, target, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " -> "); ok {
			t["FD"] = append(t["FD"], link[strings.LastIndexByte(link, ' ')+1:]+"="+target)
			continue
		}
		name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ":\t")
		if !ok || strings.Contains(name, "=") {
			name, value, _ = strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		}
		t[name] = append(t[name], value)
	}
	return t
}

// open lets other users into the bed's folder.
func (b *bed) open() {
	b.t.Helper()
	for _, dir := range []string{b.dir, filepath.Dir(b.dir)} {
		if dir == "/var" {
			continue
		}
		if err := os.Chmod(dir, 0o755); err != nil {
			b.t.Fatal(err)
		}
	}
}

// ownReport is what a process would tell that has all of what this test has.
func ownReport(t *testing.T) told {
	t.Helper()
	own := told{}
	for line := range strings.Lines(read(t, "/proc/self/status")) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":\t")
		own[name] = []string{value}
	}
	own["LIMIT"] = strings.Split(strings.TrimSuffix(read(t, "/proc/self/limits"), "\n"), "\n")
	namespace, err := os.Readlink("/proc/self/ns/mnt")
	if own["NS"] = []string{namespace}; err != nil {
		t.Fatal(err)
	}
	return own
}

// one is the value of a name; in status the fields of a line have one space between.
func (t told) one(name string) string {
	return strings.Join(strings.Fields(strings.Join(t[name], " ")), " ")
}

// with is the line of a name that begins so, or nothing.
func (t told) with(name, prefix string) string {
	for _, line := range t[name] {
		if strings.HasPrefix(line, prefix) {
			return line
		}
	}
	return ""
}

// variable is the value of a variable of the environment.
func (t told) variable(name string) string {
	return strings.TrimPrefix(t.with("ENV", name+"="), name+"=")
}

// same compares what was told with what the tree file wants.
func (t told) same(test testing.TB, want map[string]string) {
	test.Helper()
	for name, value := range want {
		if got := t.one(name); got != value {
			test.Errorf("%s is %q: expected %q", name, got, value)
		}
	}
}

// asRoot skips a test that takes root.
func asRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can start a process as somebody else")
	}
}

// A process whose table says nothing has what coppice has, and nothing of coppice's
// own.
func TestPlainProcess(t *testing.T) {
	b := newBed(t, "")
	got := b.report("")
	uid := fmt.Sprint(os.Getuid())
	got.same(t, map[string]string{
		"Uid": strings.Join([]string{uid, uid, uid, uid}, " "), "NoNewPrivs": "0", "Seccomp": "0",
		"SigIgn": "0000000000000000", "SigBlk": "0000000000000000", "CWD": b.dir, "OOM": "0",
	})
	var fds []string
	for _, fd := range got["FD"] {
		name, _, _ := strings.Cut(fd, "=")
		fds = append(fds, name)
	}
	if !slices.Equal(fds, []string{"0", "1", "2"}) {
		t.Errorf("its descriptors are %v", got["FD"])
	}
	own := ownReport(t)
	for _, name := range []string{"Umask", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "Cpus_allowed_list"} {
		if got.one(name) != own.one(name) {
			t.Errorf("%s is %q, and %q of who started coppice", name, got.one(name), own.one(name))
		}
	}
	if got.one("NS") != own.one("NS") {
		t.Errorf("its mounts are in %s, not in %s", got.one("NS"), own.one("NS"))
	}
	for i, limit := range got["LIMIT"] {
		// Of descriptors, Go has raised its own soft limit.
		if !strings.HasPrefix(limit, "Max open files") && limit != own["LIMIT"][i] {
			t.Errorf("a limit is %q, and %q of who started coppice", limit, own["LIMIT"][i])
		}
	}
}

func TestUserAndGroups(t *testing.T) {
	asRoot(t)
	for _, c := range []struct {
		name, keys string
		want       map[string]string
		env        map[string]string
	}{
		{
			"a name", `user = "nobody"`,
			map[string]string{"Uid": "65534 65534 65534 65534", "Gid": "65534 65534 65534 65534", "Groups": "65534", "NoNewPrivs": "1", "CapEff": "0000000000000000"},
			map[string]string{"HOME": "/nonexistent", "USER": "nobody", "LOGNAME": "nobody", "SHELL": "/usr/sbin/nologin"},
		},
		{
			"groups, exactly", "user = \"daemon\"\ngroup = \"bin\"\ngroups = [\"sys\", \"1\"]\nno_new_privs = false\nenv = { HOME = \"/srv\" }",
			map[string]string{"Uid": "1 1 1 1", "Gid": "2 2 2 2", "Groups": "1 3", "NoNewPrivs": "0"},
			map[string]string{"HOME": "/srv", "USER": "daemon"},
		},
		{
			"a number without a name", "user = \"12345\"\ngroup = \"54321\"",
			map[string]string{"Uid": "12345 12345 12345 12345", "Gid": "54321 54321 54321 54321", "Groups": "54321"},
			map[string]string{"HOME": "/", "USER": "12345", "SHELL": "/bin/sh"},
		},
		{
			"none", "user = \"nobody\"\ngroups = []",
			map[string]string{"Gid": "65534 65534 65534 65534", "Groups": ""},
			nil,
		},
		{
			"a group alone", `group = "bin"`,
			map[string]string{"Uid": "0 0 0 0", "Gid": "2 2 2 2", "Groups": "2", "NoNewPrivs": "0"},
			nil,
		},
		{"no_new_privs alone", `no_new_privs = true`, map[string]string{"Uid": "0 0 0 0", "NoNewPrivs": "1"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, "")
			b.env = []string{"HOME=/root", "USER=root", "LOGNAME=root", "SHELL=/bin/bash"}
			got := b.report(c.keys)
			got.same(t, c.want)
			for name, want := range c.env {
				if value := got.variable(name); value != want {
					t.Errorf("%s is %q: expected %q", name, value, want)
				}
			}
		})
	}
}

// Many programs open /dev/stdout again: that is their own pipe, whoever they are.
func TestOutputCanBeOpenedAgain(t *testing.T) {
	asRoot(t)
	b := newBed(t, "[process.p]\nrestart = \"transient\"\nready = \"exit\"\ncommand = \"echo again >/dev/stdout\"\nuser = \"nobody\"\n")
	b.open()
	b.up()
	if said := b.must("logs", "--raw", "p"); said != "again\n" {
		t.Errorf("it said %q", said)
	}
}

func TestClearedEnvironment(t *testing.T) {
	b := newBed(t, "")
	b.env = []string{"LEAKED=1", "PATH=/usr/bin:/bin"}
	b.write("p.env", "FROM=${LEAKED}\n")
	got := b.report("clear_env = true\nenv = { A = \"b\" }\nenv_file = \"p.env\"\n")
	var names []string
	for _, v := range got["ENV"] {
		name, _, _ := strings.Cut(v, "=")
		names = append(names, name)
	}
	if want := []string{"A", "FROM", "PATH", "SUPERVISED_BY"}; !slices.Equal(names, want) {
		t.Errorf("its variables are %v: expected %v", names, want)
	}
}

// Who is wrong never becomes somebody else, root least of all.
func TestWrongUsers(t *testing.T) {
	for _, c := range []struct{ keys, want string }{
		{`user = "0day"`, "coppice.toml:3:8: user is \"0day\": expected the name"},
		{`user = "0x0"`, "coppice.toml:3:8: user is \"0x0\": expected"},
		{`user = "-1"`, "coppice.toml:3:8: user is \"-1\": expected"},
		{`user = "4294967295"`, "coppice.toml:3:8: user is \"4294967295\": expected"},
		{`user = "65535"`, "coppice.toml:3:8: user is \"65535\": expected"},
		{`user = "00"`, "coppice.toml:3:8: user is \"00\": expected"},
		{`user = ""`, "coppice.toml:3:8: user is \"\": expected"},
		{`user = 0`, "coppice.toml:3:8: user is a number, 0: expected"},
		{`user = "nobdy"`, "coppice.toml:3:8: cannot switch to user nobdy: no such user"},
		{`user = "12345"`, "coppice.toml:3:8: user 12345 is not in /etc/passwd"},
		{`group = "nogrup"`, "coppice.toml:3:9: cannot switch to group nogrup: no such group"},
		{`groups = ["bin", "0x0"]`, "coppice.toml:3:18: a group is \"0x0\": expected"},
		{`groups = "bin"`, "coppice.toml:3:10: groups is a string: expected"},
	} {
		b := newBed(t, "[process.p]\ncommand = [\"true\"]\n"+c.keys+"\n")
		for _, command := range [][]string{{"check"}, {"up", "-d"}} {
			if r := b.run(command...); r.code != 2 || !strings.Contains(r.errors, c.want) {
				t.Errorf("%s: %v: exit code %d, %s", c.keys, command, r.code, r.errors)
			}
		}
	}
}

// full is a table that says all of it, but for Landlock and another root.
const full = `user = "nobody"
groups = ["daemon"]
umask = "027"
nice = 5
ionice = { class = "best-effort", level = 6 }
sched = "batch"
cpu_affinity = [0]
oom_score_adj = 321
no_new_privs = true
capabilities = ["CAP_NET_BIND_SERVICE", "chown"]
ambient = ["net_bind_service"]
private_tmp = true
read_only = ["/"]
read_write = ["open"]
inaccessible = ["/root", "/etc/shadow"]
syscalls = { deny = ["@service", "mkdir", "mkdirat"] }
clear_env = true
env = { LANG = "C" }
secret = { PASSWORD = { file = "pw" }, TOKEN = { file = "pw", as = "fd" }, KEY = { file = "pw", as = "env" } }
rlimits = { nofile = { soft = 100, hard = 200 }, core = 0, stack = "4MiB", cpu = "infinity", nproc = 4000, as = "8GiB", data = "4GiB", fsize = "1GiB", locks = 7, memlock = "64KiB", msgqueue = 8192, nice = 0, rss = "1GiB", rtprio = 0, rttime = 1000000, sigpending = 99 }
`

// newBedOutside makes a bed that a private /tmp does not hide.
func newBedOutside(t *testing.T) *bed {
	t.Helper()
	dir, err := os.MkdirTemp("/var", "coppice-test")
	if err != nil {
		t.Skip("no folder outside of /tmp: ", err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	b := newBed(t, "")
	b.dir = dir
	return b
}

// A process that wants everything has all of it, and nothing else.
func TestFullProcess(t *testing.T) {
	asRoot(t)
	b := newBedOutside(t)
	b.env = []string{"LEAKED=1", "PATH=/usr/bin:/bin"}
	b.write("pw", "hunter2\n")
	if err := os.MkdirAll(b.path("open"), 0o777); err != nil {
		t.Fatal(err)
	}
	got := b.report(full + "stop_signal = \"SIGTERM\"\n")
	if host := read(t, "/proc/self/mountinfo"); strings.Contains(host, "/run/credentials") || strings.Contains(host, b.dir) {
		t.Errorf("the host has mounts of it:\n%s", host)
	}
	got.same(t, map[string]string{
		"Uid": "65534 65534 65534 65534", "Gid": "65534 65534 65534 65534", "Groups": "1", "Umask": "0027",
		"NoNewPrivs": "1", "Seccomp": "2", "Cpus_allowed_list": "0", "OOM": "321", "CWD": b.dir,
		"CapInh": "0000000000000400", "CapPrm": "0000000000000400", "CapEff": "0000000000000400",
		"CapBnd": "0000000000000401", "CapAmb": "0000000000000400", "SigIgn": "0000000000000000", "SigBlk": "0000000000000000",
	})
	var variables []string
	for _, v := range got["ENV"] {
		name, _, _ := strings.Cut(v, "=")
		variables = append(variables, name)
	}
	slices.Sort(variables)
	if want := []string{"CREDENTIALS_DIRECTORY", "HOME", "KEY", "LANG", "LOGNAME", "PASSWORD", "PATH", "SHELL", "SUPERVISED_BY", "TOKEN", "USER"}; !slices.Equal(variables, want) {
		t.Errorf("its variables are %v: expected %v", variables, want)
	}
	if got.variable("KEY") != "hunter2" || got.variable("PASSWORD") != "/run/credentials/PASSWORD" {
		t.Errorf("its secrets are %q and %q", got.variable("KEY"), got.variable("PASSWORD"))
	}
	for limit, want := range map[string]string{
		"Max open files": "100 200 files", "Max core file size": "0 0 bytes", "Max stack size": "4194304 4194304 bytes",
		"Max cpu time": "unlimited unlimited seconds", "Max processes": "4000 4000 processes",
		"Max address space": "8589934592 8589934592 bytes", "Max data size": "4294967296 4294967296 bytes",
		"Max file size": "1073741824 1073741824 bytes", "Max file locks": "7 7 locks", "Max locked memory": "65536 65536 bytes",
		"Max msgqueue size": "8192 8192 bytes", "Max nice priority": "0 0", "Max resident set": "1073741824 1073741824 bytes",
		"Max realtime priority": "0 0", "Max realtime timeout": "1000000 1000000 us", "Max pending signals": "99 99 signals",
	} {
		line := strings.Join(strings.Fields(strings.TrimPrefix(got.with("LIMIT", limit), limit)), " ")
		if line != want {
			t.Errorf("%s is %q: expected %q", limit, line, want)
		}
	}
	stat := strings.Fields(got.one("STAT"))
	if nice, policy := stat[18], stat[40]; nice != "5" || policy != "3" {
		t.Errorf("nice is %s, the policy %s", nice, policy)
	}
	for _, mount := range []string{" / / ro,", " /tmp rw,", " /run/credentials ro,", " " + b.path("open") + " rw,", " /root ro,", " /etc/shadow ro,"} {
		if !slices.ContainsFunc(got["MOUNT"], func(line string) bool { return strings.Contains(line, mount) }) {
			t.Errorf("there is no mount%s:\n%s", mount, strings.Join(got["MOUNT"], "\n"))
		}
	}
	var fds []string
	for _, fd := range got["FD"] {
		name, target, _ := strings.Cut(fd, "=")
		if fds = append(fds, name); name > "2" && !strings.HasPrefix(target, "/memfd:TOKEN") {
			t.Errorf("descriptor %s", fd)
		}
	}
	if len(fds) != 4 {
		t.Errorf("its descriptors are %v", got["FD"])
	}
}

// job runs a shell command to its end under these keys and returns what it says.
func (b *bed) job(command, keys string) string {
	b.t.Helper()
	b.open()
	b.write("coppice.toml", "[process.p]\nrestart = \"transient\"\nready = \"exit\"\nsuccess = [\"0-255\"]\ncommand = '''"+command+"'''\n"+keys+"\n")
	b.up()
	said := b.must("logs", "--raw", "p")
	b.must("down")
	return said
}

func TestSandboxes(t *testing.T) {
	asRoot(t)
	const probe = `for p in /etc/x /tmp/x $PWD/x $PWD/open/x /dev/shm/coppice-x; do (true >$p) 2>/dev/null && echo wrote $p; done; ` +
		`mount -t tmpfs none /mnt 2>&1 | tail -n 1; cat /root/.profile >/dev/null 2>&1 || echo no root; ls /proc/sys/kernel >/dev/null && echo proc; ` +
		`(true >/proc/sys/kernel/domainname) 2>/dev/null || echo no sysctl; grep CapEff /proc/self/status; cat /etc/hostname >/dev/null && echo etc`
	for _, c := range []struct {
		name, command, keys string
		want, not           []string
	}{
		{
			"strict", probe, "sandbox = \"strict\"\nread_write = [\"open\"]",
			[]string{"wrote /tmp/x", "/open/x", "no root", "no sysctl", "proc", "etc", "CapEff:\t0000000000000000"},
			[]string{"wrote /etc/x", "PWD/x", "mounted"},
		},
		{
			"strict for a user", "id -u; touch /tmp/y && ls /tmp", "user = \"nobody\"\nsandbox = \"strict\"",
			[]string{"65534\ny\n"},
			nil,
		},
		{"denied", "mkdir new || echo refused", `syscalls = { deny = ["mkdir", "mkdirat"] }`, []string{"Operation not permitted", "refused"}, nil},
		{
			"allowed", "echo said; mkdir new || echo fails", `syscalls = { allow = ["read", "close", "fstat", "newfstatat", "openat", "mmap", "mprotect", "munmap", "brk",
			"arch_prctl", "set_tid_address", "set_robust_list", "rseq", "pread64", "access", "getrandom", "getuid", "geteuid", "getgid", "getegid",
			"getpid", "getppid", "rt_sigaction", "rt_sigprocmask", "clone", "vfork", "wait4", "fcntl", "dup2", "getcwd", "stat", "uname", "statfs"] }`,
			[]string{"said\n", "fails"},
			nil,
		},
		{
			"landlock", "cat /etc/hostname && echo read; cat coppice.toml >/dev/null || echo hidden; touch open/z && echo wrote",
			`landlock = { read_only = ["/usr", "/bin", "/lib", "/lib64", "/etc"], read_write = ["open", "/dev"] }`,
			[]string{"read", "hidden", "wrote"},
			nil,
		},
		{
			"links", "touch open/z || echo read-only; cat pw; cat link/there", "private_tmp = true\nread_only = [\"link\"]\ninaccessible = [\"shut\", \"-dangling\"]",
			[]string{"read-only", "is there"},
			[]string{"hunter2"},
		},
		{
			"landlock and a secret", "cat $A", "user = \"nobody\"\ndir = \"/\"\nsecret = { A = { file = \"pw\" } }\n" +
				`landlock = { read_only = ["/usr", "/bin", "/lib", "/lib64", "/etc"], read_write = ["/dev"] }`,
			[]string{"hunter2"},
			nil,
		},
		{
			"capabilities", "grep -E 'CapBnd|CapEff' /proc/self/status", `capabilities = ["CAP_CHOWN"]`,
			[]string{"CapBnd:\t0000000000000001", "CapEff:\t0000000000000001"},
			nil,
		},
		{
			"secrets of a user", "cat $A; cat <&3; echo $C; stat -c %a:%u $A; ls $CREDENTIALS_DIRECTORY; env",
			"user = \"nobody\"\nsecret = { A = { file = \"pw\" }, B = { file = \"pw\", as = \"fd\" }, C = { file = \"pw\", as = \"env\" } }",
			[]string{"hunter2\nhunter2\nhunter2\n400:65534\nA\n", "B=/proc/self/fd/3"},
			nil,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBedOutside(t)
			b.write("pw", "hunter2\n")
			if err := os.MkdirAll(b.path("open"), 0o777); err != nil {
				t.Fatal(err)
			}
			b.write("open/there", "is there")
			for link, target := range map[string]string{"link": "open", "shut": "pw", "dangling": "nowhere"} {
				if err := os.Symlink(target, b.path(link)); err != nil {
					t.Fatal(err)
				}
			}
			said := b.job(c.command, c.keys)
			for _, want := range c.want {
				if !strings.Contains(said, want) {
					t.Errorf("it did not say %q:\n%s", want, said)
				}
			}
			for _, not := range c.not {
				if strings.Contains(said, not) {
					t.Errorf("it said %q:\n%s", not, said)
				}
			}
		})
	}
}

// Its own root has what is in there, and nothing else.
func TestRootDir(t *testing.T) {
	asRoot(t)
	b := newBed(t, "")
	if err := os.MkdirAll(b.path("root/bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(binary) // which needs nothing beside itself
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(b.path("root/bin/witness"), program, 0o755); err != nil {
		t.Fatal(err)
	}
	b.write("coppice.toml", "[process.p]\nrestart = \"transient\"\nready = \"exit\"\nsuccess = [\"0-255\"]\ncommand = [\"witness\", \"version\"]\nroot_dir = \"root\"\nuser = \"12345\"\ngroup = \"12345\"\nclear_env = true\nenv = { PATH = \"/bin\" }\n")
	b.open()
	b.up()
	if said := b.must("logs", "--raw", "p"); !strings.Contains(said, "coppice") {
		t.Errorf("it said %q", said)
	}
	b.must("down")
	// The folder for secrets is for its user, whatever umask coppice has.
	b.write("pw", "hunter2")
	b.write("coppice.toml", "[process.p]\nrestart = \"transient\"\nready = \"exit\"\ncommand = [\"witness\", \"version\"]\nroot_dir = \"root\"\nsecret = { A = { file = \"pw\" } }\nclear_env = true\nenv = { PATH = \"/bin\" }\n")
	strict := b.command("up", "-d")
	strict.Path, strict.Args = "/bin/sh", append([]string{"sh", "-c", `umask 077; exec "$0" "$@"`}, strict.Args...)
	if out, err := strict.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if info, err := os.Stat(b.path("root/run/credentials")); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("the folder for secrets: %v, %v", info, err)
	}
	b.must("down")
	b.write("coppice.toml", "[process.p]\ncommand = [\"/bin/none\"]\nroot_dir = \"root\"\n")
	if r := b.run("up", "-d"); r.code != 1 || !strings.Contains(r.errors, `cannot execute "/bin/none" in `+b.path("root")+`: no such file or directory (coppice.toml:2)`) {
		t.Errorf("exit code %d: %s", r.code, r.errors)
	}
}

// What cannot be set up is a start that failed, with the line of the key.
func TestFailedSetupsNameThingAndLine(t *testing.T) {
	asRoot(t)
	for _, c := range []struct {
		keys string
		want []string
	}{
		{"rlimits = {\n  core = 0,\n  nofile = 2000000000 }", []string{"cannot set RLIMIT_NOFILE to 2000000000: operation not permitted (the hard limit is", "(coppice.toml:5)"}},
		{"umask = \"077\"\nlimits = { pids_max = 5 }", []string{"cannot set limits.pids_max: there is no cgroup v2 to set it in: they were switched off (COPPICE_CGROUP=off) (coppice.toml:4)"}},
		{"cpu_affinity = [1000]", []string{"cannot set cpu_affinity to [1000]", "(coppice.toml:3)"}},
		{"private_tmp = true\nread_only = [\"nowhere\"]", []string{"/nowhere\" read-only: no such file or directory (coppice.toml:4)"}},
		{"root_dir = \"nowhere\"", []string{"nowhere\" its root: no such file or directory (coppice.toml:3)"}},
		{"landlock = { read_only = [\"/nowhere\"] }", []string{`cannot allow it "/nowhere" by Landlock: no such file or directory (coppice.toml:3)`}},
		{"[process.p.secret]\nA = { file = \"nowhere\" }", []string{"cannot read the secret A from", "nowhere: no such file or directory (coppice.toml:4)"}},
		{"landlock = { read_only = [\"/etc\"] }", []string{`cannot execute "sleep"`, "no permission", "(coppice.toml:2)"}},
		{"syscalls = { deny = [\"execve\"] }", []string{`cannot execute "sleep"`, "operation not permitted", "(coppice.toml:2)"}},
		{"dir = \"/root/nowhere\"\numask = \"077\"", []string{`cannot enter the directory "/root/nowhere": it does not exist (coppice.toml:3)`}},
	} {
		b := newBed(t, "[process.p]\ncommand = [\"sleep\", \"1000\"]\n"+c.keys+"\n")
		b.env = []string{"COPPICE_CGROUP=off"}
		r := b.run("up", "-d")
		for _, want := range c.want {
			if r.code != 1 || !strings.Contains(r.errors, want) {
				t.Errorf("%s: exit code %d, not %q: %s", c.keys, r.code, want, r.errors)
			}
		}
	}
}

// What a sandbox hides is not said to be missing.
func TestHiddenProgramsAreToldAsSuch(t *testing.T) {
	asRoot(t)
	for keys, want := range map[string]string{
		"private_tmp = true":                "coppice.toml:3",
		"dir = \"/\"\nprivate_tmp = true":   "coppice.toml:4",
		"sandbox = \"strict\"":              "coppice.toml:3",
		"dir = \"/\"\nsandbox = \"strict\"": "coppice.toml:4",
	} {
		b := newBed(t, "[process.p]\ncommand = [\"./prog\"]\n"+keys+"\n")
		b.write("prog", "#!/bin/sh\nsleep 1000\n")
		if err := os.Chmod(b.path("prog"), 0o755); err != nil {
			t.Fatal(err)
		}
		if r := b.run("up", "-d"); r.code != 1 || !strings.Contains(r.errors, "it is hidden by private_tmp (or by sandbox, which sets it) ("+want+")") {
			t.Errorf("%s: exit code %d: %s", keys, r.code, r.errors)
		}
	}
}

// A program whose file wants capabilities that are out of reach is no fault of its user's.
func TestProgramWithCapabilities(t *testing.T) {
	asRoot(t)
	for _, keys := range []string{"capabilities = []", "no_new_privs = false\ncapabilities = [\"CAP_CHOWN\"]"} {
		b := newBedOutside(t)
		b.write("coppice.toml", "[process.p]\ncommand = [\"./prog\", \"1000\"]\nuser = \"nobody\"\n"+keys+"\n")
		b.open()
		b.write("prog", read(t, "/bin/sleep"))
		// CAP_NET_BIND_SERVICE, permitted and effective: struct vfs_cap_data.
		capability := append([]byte{1, 0, 0, 2, 0, 4}, make([]byte, 14)...)
		if err := errors.Join(os.Chmod(b.path("prog"), 0o755), unix.Setxattr(b.path("prog"), "security.capability", capability, 0)); err != nil {
			t.Skip(err)
		}
		r := b.run("up", "-d")
		if r.code != 1 || !strings.Contains(r.errors, `cannot execute "`+b.path("prog")+`": operation not permitted: its file has capabilities`) || !strings.Contains(r.errors, "(coppice.toml:2)") {
			t.Errorf("%s: exit code %d: %s", keys, r.code, r.errors)
		}
	}
}

// A change of what is set up restarts a process, and is told by its keys.
func TestReloadOfSetups(t *testing.T) {
	b := newBed(t, "[process.p]\ncommand = [\"sleep\", \"1000\"]\numask = \"022\"\n")
	b.up()
	before := b.node("p").PID
	b.write("coppice.toml", "\n\n[process.p]\ncommand = [\"sleep\", \"1000\"]\n\numask = \"0022\"\n")
	if said := b.must("reload"); b.node("p").PID != before {
		t.Errorf("a line that moved restarts it: %s", said)
	}
	b.write("coppice.toml", "[process.p]\ncommand = [\"sleep\", \"1000\"]\numask = \"077\"\nrlimits = { core = 0 }\n")
	if said := b.must("reload"); b.node("p").PID == before || !strings.Contains(said, "umask, rlimits") {
		t.Errorf("reload says %s", said)
	}
}

// Nothing that coppice shows or writes down has a secret in it.
func TestSecretsAreNowhere(t *testing.T) {
	b := newBed(t, "[process.p]\ncommand = [\"sleep\", \"1000\"]\nsecret = { A = { file = \"pw\", as = \"env\" }, B = { file = \"pw\", as = \"fd\" } }\n")
	b.write("pw", "canary-of-a-secret")
	b.up()
	environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", b.node("p").PID))
	if err != nil || !strings.Contains(string(environ), "A=canary-of-a-secret") {
		t.Errorf("the process has not got it: %q, %v", environ, err)
	}
	b.write("coppice.toml", "[process.p]\ncommand = [\"./nowhere\"]\nsecret = { A = { file = \"pw\", as = \"env\" } }\n")
	shown := b.run("reload", "--dry-run").out + b.run("reload", "--json").out + b.run("start", "p").errors
	for _, command := range [][]string{{"status", "--json"}, {"events", "--json"}, {"why", "p"}, {"check"}, {"logs", "p"}} {
		r := b.run(command...)
		shown += r.out + r.errors
	}
	if _, tree := b.get("/v1/tree"); strings.Contains(shown+tree, "canary") {
		t.Errorf("it is shown: %s%s", shown, tree)
	}
	err = filepath.WalkDir(b.path(".coppice"), func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		if content, err := os.ReadFile(path); err != nil || strings.Contains(string(content), "canary") {
			t.Errorf("%s has it, %v", path, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// What is told of a command beside a process has none of its secrets in it.
func TestSecretsAreNotTold(t *testing.T) {
	b := newBed(t, `[process.p]
command = ["sleep", "1000"]
secret = { A = { file = "pw", as = "env" }, B = { file = "pw", as = "fd" } }
health = { command = "echo health $A; false", interval = "100ms", failures = 2 }
reload_command = "cat $B; echo reload $A; false"
after_exit = "echo after $A; false"
`)
	b.write("pw", "canary-of-a-secret\n")
	b.up()
	r := b.run("reload", "p")
	shown := r.out + r.errors
	b.awaitKind(0, "p", "hook_failed")
	b.must("down")
	shown += b.run("events", "--json").out + b.read(".coppice/daemon.log")
	for _, want := range []string{"reload ***", "health ***", "after ***"} {
		if !strings.Contains(shown, want) {
			t.Errorf("%q is not told: %s", want, shown)
		}
	}
	if strings.Contains(shown, "canary") {
		t.Errorf("it is told: %s", shown)
	}
	b.write("coppice.toml", "[process.p]\ncommand = \"x\"\nsecret = { A = \"canary\", B = { value = 4711, file = 1 } }\n")
	if r := b.run("check"); r.code != 2 || strings.Contains(r.errors, "canary") || strings.Contains(r.errors, "4711") {
		t.Errorf("check: exit code %d: %s", r.code, r.errors)
	}
}

// A question that cannot be set up any more is no bad answer of who is asked.
func TestProbeThatCannotBeSetUp(t *testing.T) {
	b := newBed(t, `[process.p]
command = ["sleep", "1000"]
secret = { A = { file = "pw", as = "fd" } }
health = { command = "echo > told", interval = "20ms", failures = 1 }
`)
	told := b.fifo("told")
	b.write("pw", "hunter2")
	b.up()
	heard(t, told)
	pid := b.node("p").PID
	if err := os.Rename(b.path("pw"), b.path("away")); err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(patience); !strings.Contains(b.read(".coppice/daemon.log"), "cannot ask p how it is: cannot read the secret A"); {
		if time.Now().After(until) {
			t.Fatal(b.read(".coppice/daemon.log"))
		}
		time.Sleep(time.Millisecond)
	}
	if err := os.Rename(b.path("away"), b.path("pw")); err != nil {
		t.Fatal(err)
	}
	heard(t, told)
	if now := b.node("p").PID; now != pid {
		t.Errorf("it was restarted: %v", b.events())
	}
}

// Without root, what takes no right works, and what takes one is a failed start.
func TestSetupsWithoutRoot(t *testing.T) {
	asRoot(t)
	own := func(keys string) *bed {
		b := newBedOutside(t)
		b.write("pw", "hunter2\n")
		if err := os.Chmod(b.path("pw"), 0o644); err != nil {
			t.Fatal(err)
		}
		b.user = &syscall.Credential{Uid: 65534, Gid: 65534, NoSetGroups: true}
		b.write("coppice.toml", "[process.p]\nrestart = \"transient\"\nready = \"exit\"\ncommand = \"cat <&3; ulimit -n; grep -E 'Seccomp:|NoNewPrivs|Uid' /proc/self/status; cat /etc/hostname && echo open\"\n"+keys+"\n")
		if err := os.Chmod(b.path("coppice.toml"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(b.dir, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		return b
	}
	b := own("user = \"nobody\"\nrlimits = { nofile = 64 }\nsyscalls = \"@service\"\nsuccess = [\"0-255\"]\n" +
		"landlock = { read_only = [\"/usr\", \"/bin\", \"/lib\", \"/lib64\", \"/proc\", \"/etc/ld.so.cache\"] }\nsecret = { A = { file = \"pw\", as = \"fd\" } }")
	b.up()
	said := strings.Join(strings.Fields(b.must("logs", "--raw", "p")), " ")
	for _, want := range []string{"hunter2 64 Uid: 65534 65534 65534 65534 NoNewPrivs: 1 Seccomp: 2", "Permission denied"} {
		if !strings.Contains(said, want) {
			t.Errorf("it did not say %q: %s", want, said)
		}
	}
	for keys, want := range map[string]string{
		"sandbox = \"strict\"":                      "cannot make a mount namespace: operation not permitted (that takes root, or CAP_SYS_ADMIN) (coppice.toml:",
		"user = \"daemon\"":                         "cannot switch to user daemon: operation not permitted (that takes root, or CAP_SETUID and CAP_SETGID) (coppice.toml:5)",
		"user = \"daemon\"\numask = \"077\"":        "cannot switch to user daemon: operation not permitted (that takes root, or CAP_SETUID and CAP_SETGID) (coppice.toml:5)",
		"nice = -20":                                "cannot set nice to -20: permission denied (coppice.toml:5)",
		"capabilities = []":                         "cannot take CAP_CHOWN from it: operation not permitted (coppice.toml:5)",
		"ambient = [\"CAP_NET_ADMIN\"]":             "cannot give it CAP_NET_ADMIN: coppice has not got it itself (coppice.toml:5)",
		"sched = { policy = \"rr\", priority = 1 }": "cannot set sched to rr: operation not permitted (coppice.toml:5)",
		"secret = { A = { file = \"pw\" } }":        "cannot make a mount namespace: operation not permitted",
	} {
		b := own(keys)
		if r := b.run("up", "-d"); r.code != 1 || !strings.Contains(r.errors, want) {
			t.Errorf("%s: exit code %d: %s", keys, r.code, r.errors)
		}
	}
}

// A daemon that is not root has what lets it switch users as ambient capabilities. What
// it starts does not: it would be root by them.
func TestAmbientCapabilitiesAreNotHandedOn(t *testing.T) {
	asRoot(t)
	for _, keys := range []string{
		"", "umask = \"022\"\n", "user = \"daemon\"\n", "user = \"daemon\"\numask = \"022\"\n",
		"user = \"daemon\"\nno_new_privs = false\n", "ambient = [\"CAP_KILL\"]\n",
	} {
		b := newBedOutside(t)
		b.write("coppice.toml", "")
		if err := errors.Join(os.Chown(b.dir, 65534, 65534), os.Chmod(b.path("coppice.toml"), 0o644)); err != nil {
			t.Fatal(err)
		}
		b.user = &syscall.Credential{Uid: 65534, Gid: 65534}
		b.ambient = []uintptr{unix.CAP_SETUID, unix.CAP_SETGID, unix.CAP_KILL}
		got := b.report(keys)
		capabilities, privs := "0000000000000000", "0"
		if strings.HasPrefix(keys, "ambient") {
			capabilities = "0000000000000020"
		}
		if strings.HasPrefix(keys, "user") && !strings.Contains(keys, "false") {
			privs = "1"
		}
		for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapAmb"} {
			if got.one(set) != capabilities {
				t.Errorf("%q: %s is %s", keys, set, got.one(set))
			}
		}
		if got.one("NoNewPrivs") != privs {
			t.Errorf("%q: no_new_privs is %s", keys, got.one("NoNewPrivs"))
		}
	}
}
