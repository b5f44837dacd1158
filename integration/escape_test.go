package integration

import (
	"fmt"
	"strings"
	"testing"

	"coppice/ipc"
)

// An artist is a program that tries to get away from its supervisor. All of its
// processes have a number in their command lines by which they are found.
type artist struct {
	name   string
	script string // %s is the number
	least  int    // how many of its processes there are before it is stopped
	// onlyAtEnd: without cgroups it gets away, until the whole tree ends.
	onlyAtEnd bool
}

// rest is a process that does nothing, with the number in its command line.
const rest = "sleep %s"

var artists = []artist{
	{name: "plain", script: "exec " + rest, least: 1},
	{name: "deaf", script: `trap "" TERM INT HUP QUIT; while :; do ` + rest + `; done`, least: 2},
	{name: "stopped", script: rest + ` & kill -STOP $$; wait`, least: 2},
	{name: "sessions", script: `for i in 1 2 3; do setsid ` + rest + ` & done; exec ` + rest, least: 4},
	{name: "nohup", script: `nohup setsid sh -c 'trap "" TERM HUP; ` + rest + `; :' >/dev/null 2>&1 & exec ` + rest, least: 3},
	{name: "double", script: `(setsid sh -c '(` + rest + ` & ) ; (` + rest + ` &)' &) ; exec ` + rest, least: 3},
	{name: "scrubbed", script: `env -i setsid -w /bin/sleep %[1]s & exec ` + rest, least: 2},
	{name: "vanished", script: `(env -i setsid /bin/sh -c '/bin/sleep %[1]s >/dev/null 2>&1 & exit' ); exec ` + rest, least: 2, onlyAtEnd: true},
	{name: "bomb", script: `f() { if [ $1 = 0 ]; then exec setsid ` + rest + `; fi; f $(($1-1)) & f $(($1-1)) & wait; }; f 6 %[1]s`, least: 64},
}

// troupe is a tree of artists.
func troupe(t *testing.T, env ...string) (*bed, map[string]string) {
	b := newBed(t, "")
	b.env = env
	numbers := map[string]string{}
	var text strings.Builder
	for i, a := range artists {
		numbers[a.name] = fmt.Sprintf("%d.%09d", 100000+i, unique(t)+i)
		script := a.script
		if !strings.Contains(script, "%[1]s") {
			script = strings.ReplaceAll(script, "%s", "%[1]s")
		} else {
			script = strings.ReplaceAll(script, " %s", " %[1]s")
		}
		fmt.Fprintf(&text, "[process.%s]\ncommand = ['sh', '-c', '''%s''']\nshutdown = \"300ms\"\n", a.name, fmt.Sprintf(script, numbers[a.name]))
	}
	b.write("coppice.toml", text.String())
	b.up()
	for _, a := range artists {
		until(t, a.name+" is all there", func() bool { return len(carriers(numbers[a.name])) >= a.least })
	}
	return b, numbers
}

// carriers are the processes that have a text in their command lines and have not
// ended.
func carriers(text string) []int {
	var pids []int
	for _, pid := range allPIDs() {
		if strings.Contains(cmdline(pid), text) && isAlive(pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// unique is a number of this test's own.
func unique(t *testing.T) int {
	sum := 0
	for _, r := range t.TempDir() {
		sum = (sum*31 + int(r)) % 900_000_000
	}
	return sum
}

// Whatever a process does to get away, nothing of it is left when its stop returns.
func TestEscapeArtists(t *testing.T) {
	for _, how := range []string{"with cgroups", "without"} {
		t.Run(how, func(t *testing.T) {
			env := []string{}
			if how == "without" {
				env = append(env, "COPPICE_CGROUP=off")
			}
			b, numbers := troupe(t, env...)
			daemon := b.tree().Daemon
			if how == "with cgroups" && daemon.Cgroup == "" {
				t.Skip("no cgroup v2 may be written to: ", daemon.NoCgroup)
			}
			for _, a := range artists {
				b.must("stop", a.name)
				left := carriers(numbers[a.name])
				if a.onlyAtEnd && how == "without" {
					continue
				}
				if len(left) > 0 {
					t.Errorf("%s has left %d processes behind, %s", a.name, len(left), cmdline(left[0]))
				}
			}
			b.must("down")
			for _, a := range artists {
				if left := carriers(numbers[a.name]); len(left) > 0 {
					t.Errorf("%s has outlived the tree", a.name)
				}
			}
		})
	}
}

// An adopted artist has no more luck.
func TestEscapeArtistsAdopted(t *testing.T) {
	for _, how := range []string{"", "COPPICE_CGROUP=off"} {
		b, numbers := troupe(t, how)
		g := &grove{bed: b, t: t}
		g.kill(true, false)
		for _, a := range artists {
			b.must("stop", a.name)
			if left := carriers(numbers[a.name]); len(left) > 0 && !a.onlyAtEnd {
				t.Errorf("%s: %s has left %d processes behind, %s", how, a.name, len(left), cmdline(left[0]))
			}
		}
		b.must("down")
		for _, a := range artists {
			if left := carriers(numbers[a.name]); len(left) > 0 {
				t.Errorf("%s: %s has outlived the tree", how, a.name)
			}
		}
	}
}

// A program that becomes a daemon has ended for its supervisor, and what it leaves
// behind is ended with it: no second incarnation runs beside it.
func TestDaemonisingProgram(t *testing.T) {
	for _, how := range []string{"", "COPPICE_CGROUP=off"} {
		b := newBed(t, "")
		b.env = []string{how}
		number := fmt.Sprintf("200000.%09d", unique(t))
		b.write("coppice.toml", fmt.Sprintf(`[process.d]
command = '''(setsid sh -c "sleep %s & sleep %s" &) ; while [ $(pgrep -fc "^sleep %s") -lt 2 ]; do sleep 0.01; done; exit 7'''
restart = "temporary"
`, number, number, number))
		b.up()
		e := b.await(0, "the end of d", func(e ipc.Event) bool { return e.Node == "d" && e.Kind == "exited" })
		if e.Code == nil || *e.Code != 7 {
			t.Errorf("%s: it ended with %+v", how, e)
		}
		if left := carriers("sleep " + number); len(left) > 0 {
			t.Errorf("%s: %d processes are left when its end is told", how, len(left))
		}
		b.must("down")
	}
}
