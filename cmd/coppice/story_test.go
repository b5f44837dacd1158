package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"coppice/ipc"
)

// record writes events as one line each: NODE KIND BECAUSE [KEY=VALUE...]. Their
// numbers are their lines, their times a second apart, the last one at noon.
func record(t *testing.T, text string) []ipc.Event {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(text), "\n")
	var events []ipc.Event
	for i, line := range lines {
		fields := strings.Fields(line)
		e := ipc.Event{Seq: uint64(i + 1), Time: before(time.Duration(len(lines)-1-i) * time.Second), Node: fields[0], Kind: fields[1]}
		if _, err := fmt.Sscan(fields[2], &e.Because); err != nil {
			t.Fatal(err)
		}
		for _, field := range fields[3:] {
			key, value, _ := strings.Cut(field, "=")
			value = strings.ReplaceAll(value, "_", " ")
			switch key {
			case "code":
				e.Code = new(int)
				fmt.Sscan(value, e.Code)
			case "signal":
				e.Signal = &value
			case "request":
				e.Request = value
			case "cause":
				e.Cause = value
			case "child":
				e.Child = value
			case "strategy":
				e.Strategy = strings.ReplaceAll(value, " ", "_")
			case "delay":
				e.Delay = value
			case "limit":
				e.Intensity = new(int)
				fmt.Sscan(value, e.Intensity)
				e.Period = "5s"
			default:
				t.Fatalf("unknown key in %q", line)
			}
		}
		events = append(events, e)
	}
	return events
}

// family is root (one_for_one) over db and backend, backend over api and worker;
// the states are given by name, running unless set.
func family(strategy string, cause map[string]uint64, states map[string]string) *ipc.Tree {
	node := func(name, kind string, children ...ipc.Node) ipc.Node {
		n := ipc.Node{Name: name, Kind: kind, State: "running", Restart: "permanent", Since: noon, Cause: cause[name], Children: children}
		if state, ok := states[name]; ok {
			n.State, n.Held = strings.CutSuffix(state, "!")
		}
		return n
	}
	backend := node("backend", "supervisor", node("api", "process"), node("worker", "process"))
	backend.Strategy = strategy
	root := node("root", "supervisor", node("db", "process"), backend)
	root.Strategy = "one_for_one"
	return &ipc.Tree{Name: "shop", Root: root}
}

func TestWhy(t *testing.T) {
	const boot = "root daemon_started 0\nroot starting 1\n"
	tests := []struct {
		name     string
		of       string
		strategy string
		states   map[string]string
		edit     func(*ipc.Node)
		record   string // the state's cause is the last event
	}{
		{name: "running since the boot", of: "db", record: boot + "db starting 2\ndb started 3"},
		{name: "running after a crash", of: "db", record: "db exited 0 code=3\ndb restarting 1\ndb starting 2\ndb started 3"},
		{name: "running after a signal by hand", of: "db", record: "db requested 0 request=kill_SIGUSR1\ndb exited 1 signal=SIGUSR1\ndb restarting 2\ndb starting 3\ndb started 4"},
		{name: "swept by one_for_all", of: "worker", strategy: "one_for_all", record: "api exited 0 signal=SIGSEGV\napi restarting 1\nworker starting 2\nworker started 3"},
		{name: "swept by rest_for_one", of: "worker", strategy: "rest_for_one", record: "api exited 0 code=1\napi restarting 1\nworker starting 2\nworker started 3"},
		{name: "restarted by hand", of: "db", record: "db requested 0 request=restart\ndb starting 1\ndb ready 2\ndb started 3"},
		{name: "reloaded", of: "db", record: "root requested 0 request=reload\nroot changed 1\ndb added 1\ndb starting 1\ndb started 4"},
		{name: "a watched file", of: "db", record: "db requested 0 request=watch\ndb starting 1\ndb started 2"},
		{name: "starting", of: "db", states: map[string]string{"db": "starting"}, record: boot + "db starting 2"},
		{name: "stopping", of: "db", states: map[string]string{"db": "stopping"}, record: "db requested 0 request=stop\ndb stopping 1"},
		{name: "stopping with the tree", of: "db", states: map[string]string{"db": "stopping", "root": "stopping"}, record: "root daemon_stopping 0 request=down\nroot stopping 1\ndb stopping 2"},
		{name: "too slow to start", of: "db", states: map[string]string{"db": "stopping"}, record: boot + "db starting 2\ndb stopping 3 cause=its_start_timeout_has_passed"},
		{name: "stopped by hand", of: "db", states: map[string]string{"db": "stopped!"}, record: "db requested 0 request=stop\ndb stopping 1\ndb stopped 2 signal=SIGTERM"},
		{name: "stopped with its supervisor by hand", of: "api", states: map[string]string{"api": "stopped", "backend": "stopped!", "worker": "stopped"}, record: "backend requested 0 request=stop\nbackend stopping 1\napi stopping 2\napi stopped 3 code=0"},
		{name: "a start by hand that failed", of: "db", states: map[string]string{"db": "stopped"}, record: "db requested 0 request=start\ndb starting 1\ndb start_failed 2 cause=cannot_execute_./db:_no_such_file"},
		{
			name: "its supervisor gave up", of: "worker", strategy: "one_for_all", states: map[string]string{"backend": "stopped", "api": "stopped", "worker": "stopped"},
			record: "api exited 0 signal=SIGKILL\napi restarting 1\napi starting 2\napi start_failed 3 cause=cannot_execute_./bin/api:_no_such_file\napi restarting 4\napi starting 5\napi start_failed 6 cause=cannot_execute_./bin/api:_no_such_file\napi restarting 7\napi starting 8\napi start_failed 9 cause=cannot_execute_./bin/api:_no_such_file\nbackend gave_up 10 child=api limit=3\nbackend stopping 11\nworker stopping 12\nworker stopped 13 signal=SIGTERM",
		},
		{
			name: "two gave up", of: "root", states: map[string]string{"root": "stopping"},
			record: "api exited 0 code=1\nbackend gave_up 1 child=api limit=1\nbackend stopping 2\nbackend stopped 3\nroot gave_up 4 child=backend limit=0\nroot stopping 5",
		},
		{name: "its supervisor was restarted", of: "api", record: "worker exited 0 code=1\nbackend gave_up 1 child=worker limit=1\nbackend stopping 2\nbackend stopped 3\nbackend restarting 4\nbackend starting 5\napi starting 6\napi started 7"},
		{name: "shut down by auto_shutdown", of: "worker", states: map[string]string{"backend": "finished", "worker": "stopped"}, record: "api exited 0 code=0\nbackend stopping 1 child=api\nworker stopping 2\nworker stopped 3 code=0"},
		{name: "restarting", of: "db", states: map[string]string{"db": "restarting"}, record: "db exited 0 code=1\ndb restarting 1\ndb starting 2\ndb start_failed 3 cause=it_ended_before_it_was_ready:_exit_code_1"},
		{name: "restarting behind one that cannot be killed", of: "db", states: map[string]string{"db": "restarting"}, edit: func(n *ipc.Node) { n.Waits = "the end of api, which cannot be killed" }, record: "db exited 0 code=1\ndb restarting 1"},
		{name: "unkillable", of: "db", states: map[string]string{"db": "unkillable"}, edit: func(n *ipc.Node) { n.Trouble = "pid 7 (db, state D)" }, record: "db requested 0 request=stop\ndb stopping 1\ndb unkillable 2 cause=pid_7_(db,_state_D)"},
		{name: "unkillable by itself", of: "db", states: map[string]string{"db": "unkillable"}, edit: func(n *ipc.Node) { n.Trouble = "pid 7 (db, state D)" }, record: "db starting 0\ndb started 1\ndb unkillable 2 cause=pid_7_(db,_state_D)"},
		{name: "backoff", of: "db", states: map[string]string{"db": "backoff"}, edit: func(n *ipc.Node) { n.Until = after(4 * time.Second) }, record: "db exited 0 code=1\ndb restarting 1\ndb backoff 2 delay=4s"},
		{name: "put off", of: "db", states: map[string]string{"db": "backoff"}, edit: func(n *ipc.Node) { n.Until = after(4 * time.Second) }, record: "db exited 0 code=1\ndb restarting 1\ndb starting 2\ndb backoff 3 delay=100ms cause=cannot_execute_x:_no_more_processes_are_allowed\ndb starting 4\ndb backoff 5 delay=200ms cause=cannot_execute_x:_no_more_processes_are_allowed"},
		{name: "waits for its turn", of: "db", states: map[string]string{"db": "backoff"}, edit: func(n *ipc.Node) { n.Until = after(4 * time.Second) }, record: "db exited 0 code=1\ndb restarting 1\ndb backoff 2 delay=1s\ndb backoff 3 cause=the_tree_restarts_at_most_2_processes_a_second"},
		{name: "in the middle of a sweep", of: "worker", strategy: "one_for_all", states: map[string]string{"api": "backoff", "worker": "stopped"}, record: "api exited 0 code=1\napi restarting 1\nworker stopping 2\nworker stopped 3 signal=SIGTERM"},
		{name: "its end chose one_for_all", of: "worker", record: "api exited 0 code=42\napi restarting 1 strategy=one_for_all\nworker starting 2\nworker started 3"},
		{name: "its end chose one_for_one", of: "api", strategy: "one_for_all", record: "api exited 0 code=42\napi restarting 1 strategy=one_for_one\napi starting 2\napi started 3"},
		{name: "finished", of: "db", states: map[string]string{"db": "finished"}, edit: func(n *ipc.Node) { n.Restart = "transient" }, record: "db exited 0 code=0"},
		{name: "finished for good", of: "db", states: map[string]string{"db": "finished"}, edit: func(n *ipc.Node) { n.Restart = "temporary" }, record: "db exited 0 code=9"},
		{name: "failed", of: "backend", states: map[string]string{"backend": "failed"}, record: "api exited 0 code=1\nbackend gave_up 1 child=api limit=2\nbackend stopping 2\nbackend stopped 3"},
		{name: "unhealthy", of: "db", record: "db unhealthy 0 cause=GET_/health:_503\ndb stopping 1\ndb stopped 2\ndb restarting 3\ndb starting 4\ndb started 5"},
		{name: "its end was that of an unhealthy one", of: "db", record: "db unhealthy 0 cause=3_checks_in_a_row_have_failed:_no_answer_within_1s\ndb stopping 1\ndb exited 2 signal=SIGTERM\ndb restarting 3\ndb starting 4\ndb started 5"},
		{name: "not ready yet", of: "db", states: map[string]string{"db": "starting"}, edit: func(n *ipc.Node) { n.Trouble = "127.0.0.1:80: connection refused" }, record: "root requested 0 request=reload\ndb starting 1"},
		{name: "a check has failed", of: "db", edit: func(n *ipc.Node) { n.Trouble = "127.0.0.1:80: connection refused" }, record: "db requested 0 request=start\ndb starting 1\ndb started 2"},
		{name: "healthy", of: "db", record: "db healthy 0"},
		{name: "adopted", of: "db", record: "db adopted 0"},
		{name: "removed from the record", of: "db", record: "db removed 99"},
		{name: "from a template", of: "db", record: "db requested 0 request=start-child\ndb added 1\ndb starting 2\ndb started 3"},
		{name: "gone by itself", of: "job", record: "job exited 0 code=3\njob removed 1"},
		{name: "gone by hand", of: "job", record: "job requested 0 request=delete-child\njob stopping 1\njob stopped 2\njob removed 3"},
		{name: "gone with its supervisor", of: "job", record: "w exited 0 code=1\npool gave_up 1 child=w limit=2\npool stopping 2\njob stopping 3\njob stopped 4\njob removed 5"},
		{name: "gone over its supervisor's end", of: "job", record: "job exited 0 code=1\npool gave_up 1 child=job limit=1\njob removed 1"},
		{name: "frozen", of: "db", states: map[string]string{"db": "frozen"}, record: "db starting 0\ndb started 1\ndb requested 0 request=freeze\ndb frozen 3\ndb healthy 2"},
		{name: "something new", of: "db", record: "db oom_killed 0\ndb exited 1 signal=SIGKILL\ndb restarting 2\ndb starting 3\ndb started 4"},
		{name: "nothing known", of: "db", record: "api started 0"},
	}
	var text strings.Builder
	for _, tt := range tests {
		events := record(t, tt.record)
		cause := map[string]uint64{tt.of: uint64(len(events))}
		if tt.name == "nothing known" {
			cause[tt.of] = 0
		}
		tree := family(tt.strategy, cause, tt.states)
		if tt.edit != nil {
			tt.edit(findNode(tree, tt.of))
		}
		got, ok := why(tt.of, tree, events, noon)
		if !ok {
			t.Errorf("%s: no answer", tt.name)
		}
		fmt.Fprintf(&text, "-- %s\n%s\n", tt.name, got.Text)
		got, ok = why(tt.of, nil, events, noon.Add(8*time.Minute))
		if ok {
			fmt.Fprintf(&text, "   without a daemon:\n%s\n", got.Text)
		}
	}
	golden(t, "why", text.String())
}

func TestWhyOfNobody(t *testing.T) {
	events := record(t, "db started 0")
	if _, ok := why("dbb", family("", nil, nil), events, noon); ok {
		t.Error("a name that is not in the tree was explained")
	}
	if _, ok := why("dbb", nil, events, noon); ok {
		t.Error("a name that is not in the record was explained")
	}
}

// Numbers that begin anew with a new tree do not mislead the chain.
func TestACauseIsLookedForBackwards(t *testing.T) {
	events := append(record(t, "old exited 0 code=1\nold restarting 1"), record(t, "db exited 0 code=2\ndb restarting 1")...)
	chain, torn := causes(events, 3)
	if len(chain) != 2 || chain[0].Node != "db" || torn {
		t.Errorf("got %+v, torn %v", chain, torn)
	}
}
