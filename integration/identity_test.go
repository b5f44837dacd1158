package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// tell is a command that tells all that the kernel says of the process: of its shell,
// which is the main process.
const tell = `cat /proc/$$/status; echo CWD=$(readlink /proc/$$/cwd); ` +
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
		if err := os.Chmod(dir, 0o755); err != nil {
			b.t.Fatal(err)
		}
	}
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
