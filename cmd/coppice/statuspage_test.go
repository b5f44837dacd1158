package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"coppice/ipc"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func before(d time.Duration) time.Time { return noon.Add(-d) }

func after(d time.Duration) *time.Time {
	at := noon.Add(d)
	return &at
}

func ptr[T any](v T) *T { return &v }

func exitOf(code int, ago time.Duration) *ipc.LastExit {
	return &ipc.LastExit{Code: &code, Reason: "exit", At: before(ago)}
}

// shop is a tree with one node in every state that there is.
func shop() *ipc.Tree {
	return &ipc.Tree{
		Name:   "shop",
		Daemon: ipc.Daemon{PID: 4711, StartedAt: before(26 * time.Hour)},
		Root: ipc.Node{
			Name: "root", Kind: "supervisor", State: "running", Strategy: "rest_for_one", Intensity: 3.0, Period: "5s", Since: before(26 * time.Hour),
			Children: []ipc.Node{
				{
					Name: "db", Kind: "process", State: "running", PID: 4712, Restart: "permanent", Restarts: 2, Since: before(3*time.Hour + 120*time.Second),
					CPUPercent: ptr(12.34), Memory: ptr(uint64(734003200)),
					LastExit: &ipc.LastExit{Signal: ptr("SIGKILL"), Reason: "signal", At: before(3*time.Hour + 121*time.Second)},
				},
				{Name: "migrate", Kind: "process", State: "finished", Restart: "transient", Since: before(26 * time.Hour), LastExit: exitOf(0, 26*time.Hour)},
				{
					Name: "backend", Kind: "supervisor", State: "running", Strategy: "one_for_all", Intensity: "infinity", Period: "5s", Restarts: 1, Since: before(time.Hour), AutoShutdown: "any_significant",
					Children: []ipc.Node{
						{Name: "api-with-a-name-that-goes-on", Kind: "process", State: "starting", PID: 4720, Restarts: 1, Since: before(3 * time.Second), Until: after(57 * time.Second), CPUPercent: ptr(0.0), Memory: ptr(uint64(900))},
						{Name: "worker", Kind: "process", State: "backoff", Restarts: 14, Since: before(time.Second), Until: after(4 * time.Second), LastExit: exitOf(3, time.Second)},
						{Name: "mailer", Kind: "process", State: "stopping", PID: 4722, Since: before(2 * time.Second), Until: after(3 * time.Second)},
					},
				},
				{
					Name: "legacy", Kind: "supervisor", State: "failed", Strategy: "one_for_one", Intensity: 3.0, Period: "5s", Since: before(10 * time.Minute),
					Children: []ipc.Node{
						{Name: "old", Kind: "process", State: "failed", Since: before(10 * time.Minute), LastExit: exitOf(70, 10*time.Minute)},
					},
				},
				{Name: "cache", Kind: "process", State: "stopped", Held: true, Since: before(time.Minute), LastExit: &ipc.LastExit{Signal: ptr("SIGTERM"), Reason: "stopped", At: before(time.Minute)}},
				{Name: "flaky", Kind: "process", State: "restarting", Restarts: 3, Since: noon, LastExit: &ipc.LastExit{Reason: "start_failed", At: noon}},
				{Name: "byhand", Kind: "process", State: "stopped", Since: before(time.Hour), LastExit: &ipc.LastExit{Code: ptr(1), Reason: "start_failed", At: before(time.Hour)}},
			},
		},
	}
}

func TestStatusPage(t *testing.T) {
	for name, p := range map[string]page{
		"status-wide":   {width: wideEnough, now: noon},
		"status-80":     {width: 80, now: noon},
		"status-60":     {width: 60, now: noon},
		"status-200":    {width: 200, now: noon},
		"status-colour": {width: 200, now: noon, brush: true},
	} {
		golden(t, name, p.statusPage(shop()))
	}
	down := shop()
	down.Daemon.Stopping = true
	down.Root.Children = down.Root.Children[:1]
	golden(t, "status-small", page{width: 80, now: noon}.statusPage(down))
	golden(t, "status-names", page{width: 80, now: noon}.statusOf(shop().Root.Children[2:4]))
}

// How processes are, and what they say of themselves, stands beside them.
func TestStatusPageOfHealth(t *testing.T) {
	process := func(name, state string, edit func(*ipc.Node)) ipc.Node {
		n := ipc.Node{Name: name, Kind: "process", State: state, PID: 7, Since: before(time.Minute)}
		edit(&n)
		return n
	}
	golden(t, "status-health", page{width: 120, now: noon}.statusOf([]ipc.Node{
		process("well", "running", func(n *ipc.Node) { n.Health = "healthy" }),
		process("failing", "running", func(n *ipc.Node) { n.Health, n.Trouble = "healthy", "http://[::1]/: it answers 503" }),
		process("ill", "stopping", func(n *ipc.Node) {
			n.Health, n.Until = "unhealthy", after(4*time.Second)
			n.Trouble = "3 checks in a row have failed: no answer within 1s"
		}),
		process("again", "running", func(n *ipc.Node) {
			n.LastExit = &ipc.LastExit{Signal: ptr("SIGTERM"), Reason: "unhealthy", At: before(time.Minute)}
		}),
		process("late", "starting", func(n *ipc.Node) {
			n.Until, n.Trouble = after(9*time.Second), "port 80 is listened on by nginx (pid 9), which is not its own process"
		}),
		process("talks", "running", func(n *ipc.Node) { n.Status, n.Phase = "\x1b[2Jserving \"you\"", "reloading" }),
	}))
}

func TestFrozenNeedsAttention(t *testing.T) {
	tree := shop()
	tree.Root.Children[0].State = "frozen"
	if head := (page{width: 200, now: noon}).headline(tree); !strings.Contains(head, "attention: db (frozen)") {
		t.Error(head)
	}
}

func TestStatusPageNeverWraps(t *testing.T) {
	for width := 40; width < 220; width++ {
		for line := range strings.Lines(page{width: width, now: noon}.statusOf([]ipc.Node{shop().Root})) {
			if got := utf8.RuneCountInString(strings.TrimRight(line, "\n")); got > width {
				t.Errorf("at width %d a line has %d: %s", width, got, line)
			}
		}
	}
}

func TestStatusPageObeysNobody(t *testing.T) {
	evil := shop()
	evil.Name = "sh\x1b]0;x\x07op"
	evil.Root.Children[0].Name = "d\x1b[2Jb\u202e"
	text := page{width: 80, now: noon, brush: false}.statusPage(evil)
	if strings.ContainsAny(text, "\x1b\x07\u202e") {
		t.Errorf("%q", text)
	}
}

func TestASmallTreeHasNoEmptyColumns(t *testing.T) {
	tree := &ipc.Tree{Name: "t", Daemon: ipc.Daemon{PID: 1, StartedAt: noon}, Root: ipc.Node{
		Name: "root", Kind: "supervisor", State: "running",
		Strategy: "one_for_one", Intensity: 3.0, Period: "5s", Since: noon, Children: []ipc.Node{{Name: "a", Kind: "process", State: "stopped", Held: true}},
	}}
	golden(t, "status-tiny", page{width: 80, now: noon}.statusPage(tree))
}

// The document of a tree is what encoding/json makes of it, fit for a terminal.
func TestStatusDocument(t *testing.T) {
	tree := shop()
	tree.Root.Children[0].Status = "a\u009bb"
	var out strings.Builder
	a := &app{world: world{out: &out}}
	if err := a.document(tree); err != nil {
		t.Fatal(err)
	}
	want, _ := json.MarshalIndent(tree, "", "  ")
	if got := out.String(); got != strings.ReplaceAll(string(want), "\u009b", `\u009b`)+"\n" {
		t.Errorf("document = %s, want %s", got, want)
	}
}

func BenchmarkStatusPage(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		t := shop()
		root := &t.Root
		for len(root.Children) < n {
			root.Children = append(root.Children, root.Children[0])
		}
		b.Run(fmt.Sprint("nodes=", n), func(b *testing.B) {
			for b.Loop() {
				page{width: wideEnough, now: noon}.statusPage(t)
			}
		})
	}
}
