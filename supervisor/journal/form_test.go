package journal

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"coppice/configs"
	"coppice/tree"
)

// trip writes a record and reads it again.
func trip(r Record) (Record, string, error) {
	s := newSheet()
	if err := s.add(7, r); err != nil {
		return nil, "", err
	}
	line := s.String()
	text, err := unseal([]byte(strings.TrimSuffix(line, "\n")))
	if err != nil {
		return nil, line, err
	}
	h, err := behead(text)
	if err != nil {
		return nil, line, err
	}
	back, err := decode(h, text)
	return back, line, err
}

func checkTrip(t interface {
	Helper()
	Fatalf(string, ...any)
}, r Record,
) {
	t.Helper()
	back, line, err := trip(r)
	if err != nil {
		t.Fatalf("%v in %.300s", err, line)
	}
	if diff := compare(r, back); diff != "" {
		t.Fatalf("%s in %.300s", diff, line)
	}
}

// Every field of every record is carried, also one that was added yesterday.
func TestEveryFieldIsCarried(t *testing.T) {
	begin := filled[Begin]()
	begin.Wall = wall
	reaped := filled[Reaped]()
	reaped.At = wall
	for _, r := range []Record{begin, reaped, filled[Spawned](), filled[Sent]()} {
		checkTrip(t, r)
	}
	checkTrip(t, Step{At: 1, Wall: wall, Reports: []tree.Report{filled[tree.Report]()}})

	config := configs.Config{Name: "n", Path: "p", Dir: "d", Source: []byte("s"), LogTotal: 7, Settings: filledSettings()}
	if n := reflect.TypeFor[configs.Config]().NumField(); n != 7 {
		t.Errorf("configs.Config has %d fields", n)
	}
	process := filled[configs.Process]()
	config.Spec = filledSpec(&process)
	saved := tree.Saved{Specs: []tree.SavedSpec{filled[tree.SavedSpec]()}, Nodes: []tree.SavedNode{filled[tree.SavedNode]()}, Starts: []any{&process}}
	checkTrip(t, State{Config: &config, Tree: saved})
}

func filledSettings() map[string]*configs.Settings {
	settings := filled[configs.Settings]()
	return map[string]*configs.Settings{"a": &settings, "b": {}}
}

// filledSpec fills all of a spec but what is an interface or itself.
func filledSpec(process *configs.Process) tree.ChildSpec {
	var spec tree.ChildSpec
	v := reflect.ValueOf(&spec).Elem()
	n := 0
	for i := range v.NumField() {
		switch v.Type().Field(i).Name {
		case "Start", "Children":
		default:
			fill(v.Field(i), &n)
		}
	}
	spec.Start = process
	spec.Children = []tree.ChildSpec{{ID: "child"}, {ID: "empty", Children: []tree.ChildSpec{}}}
	return spec
}

func TestEventsAreCarried(t *testing.T) {
	ref := tree.Ref{ID: "web", Generation: 7}
	config := sample()
	events := []tree.Event{
		tree.Boot{},
		tree.Started{Ref: ref, PID: 8},
		tree.StartFailed{Ref: ref, Cause: "no <such> file & more"},
		tree.StartFailed{Ref: ref, Cause: "no more processes", Shortage: true},
		tree.StartIgnored{Ref: ref},
		tree.Ready{Ref: ref},
		tree.NotReady{Ref: ref, Cause: "port 80 belongs to nginx"},
		tree.Checked{Ref: ref, Passed: true},
		tree.Checked{Ref: ref, Cause: "no answer"},
		tree.Unwell{Ref: ref, Cause: "it is silent"},
		tree.Extended{Ref: ref, Span: 9},
		tree.WatchdogSet{Ref: ref, Span: 9},
		tree.Exited{Ref: ref},
		tree.Exited{Ref: ref, Exit: tree.Exit{Lost: true}},
		tree.Exited{Ref: ref, Exit: tree.Exit{Signal: "SIGKILL"}},
		tree.Exited{Ref: ref, Exit: tree.Exit{Code: 255}},
		tree.Drawn{Ref: ref},
		tree.Drawn{Ref: ref, Number: 0.1 + 0.2},
		tree.Tick{},
		tree.Resumed{},
		tree.Adopted{Ref: ref},
		tree.Dropped{ID: "web", Bytes: 1 << 40},
		tree.Called{ID: 1, Request: filled[tree.TerminateChild]()},
		tree.Called{ID: 2, Request: filled[tree.RestartChild]()},
		tree.Called{ID: 3, Request: filled[tree.CycleChild]()},
		tree.Called{ID: 4, Request: filled[tree.DeleteChild]()},
		tree.Called{ID: 5, Request: filled[tree.SignalChild]()},
		tree.Called{ID: 6, Request: filled[tree.ShutdownTree]()},
		tree.Called{ID: 7, Request: tree.StartChild{Supervisor: "pool", Spec: tree.ChildSpec{ID: "a", Extra: filled[tree.Extra]()}}},
		tree.Called{ID: 8, Request: tree.StartChild{Supervisor: "pool", Spec: tree.ChildSpec{ID: "a"}}},
		tree.Called{ID: 9, Request: tree.Apply{Spec: config.Spec}},
	}
	checkTrip(t, Step{At: 1, Wall: wall, Events: events, Config: config})
	for _, e := range events[:len(events)-1] {
		checkTrip(t, Step{At: 1, Wall: wall, Events: []tree.Event{e}})
	}
}

func TestWhatHasNoFormIsRefused(t *testing.T) {
	apply := tree.Called{Request: tree.Apply{}}
	for name, r := range map[string]Record{
		"start_child":  Step{Events: []tree.Event{tree.Called{Request: tree.StartChild{Spec: tree.ChildSpec{Significant: true}}}}},
		"change":       Step{Events: []tree.Event{tree.Called{Request: tree.ChangeSupervisor{}}}},
		"no request":   Step{Events: []tree.Event{tree.Called{}}},
		"no event":     Step{Events: []tree.Event{nil}},
		"no config":    Step{Events: []tree.Event{apply}},
		"two applies":  Step{Events: []tree.Event{apply, apply}, Config: sample()},
		"start":        State{Config: &configs.Config{Spec: tree.ChildSpec{Start: "x"}}},
		"nil process":  State{Config: &configs.Config{Spec: tree.ChildSpec{Start: (*configs.Process)(nil)}}},
		"strategy":     State{Config: &configs.Config{Spec: tree.ChildSpec{Flags: tree.Flags{Strategy: 99}}}},
		"no record":    nil,
		"a pointer":    &Sent{},
		"a far moment": Step{Wall: wall.AddDate(10000, 0, 0)},
	} {
		if _, line, err := trip(r); err == nil {
			t.Errorf("%s is written as %s", name, line)
		}
	}
}

// A process that was one thing is one again, in Config and in the tree.
func TestProcessesKeepTheirIdentity(t *testing.T) {
	back, line, err := trip(sampleState())
	must(t, err)
	state := back.(State)
	own := map[any]bool{}
	for spec := range state.Config.Processes() {
		own[spec.Start] = true
	}
	if len(own) != 3 || len(state.Tree.Starts) != 3 {
		t.Fatalf("%d processes in the config, %d in the tree: %s", len(own), len(state.Tree.Starts), line)
	}
	for _, start := range state.Tree.Starts {
		if !own[start] {
			t.Error("the tree has a process of its own")
		}
	}
	restored, err := tree.Restore(state.Tree)
	must(t, err)
	if diff := compare(sampleState().Tree, restored.Save()); diff != "" {
		t.Error(diff)
	}
}

// words are texts that are short and alike, so that they are shared.
var words = rapid.SampledFrom([]string{"", "a", "b", "A=1", "\xff", "\x00", "\x00\x00x", "<&>\u2028", "\U0001f333", "\"\\\n"})

func randomRecord(t *rapid.T) Record {
	id := rapid.SampledFrom([]string{"web", "api", "db"}).Draw(t, "id")
	ref := tree.Ref{ID: id, Generation: tree.Generation(rapid.Uint64().Draw(t, "generation"))}
	exit := rapid.SampledFrom([]tree.Exit{{}, {Code: 255}, {Signal: "SIGKILL", OOM: true}, {Lost: true}}).Draw(t, "exit")
	at := time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "sec"), rapid.Int64Range(0, 1e9-1).Draw(t, "nsec")).UTC()
	switch rapid.IntRange(0, 5).Draw(t, "kind") {
	case 0:
		return Reaped{ref, exit, at}
	case 1:
		return Sent{rapid.SliceOfN(rapid.Just(ref), 0, 3).Draw(t, "refs"), rapid.Bool().Draw(t, "kill")}
	case 2:
		return State{Config: randomConfig(t), Tree: tree.Saved{Starts: []any{nil}}}
	case 3:
		return Spawned{ref, Identity{rapid.Int().Draw(t, "pid"), rapid.Uint64().Draw(t, "start"), rapid.Uint64().Draw(t, "inode"), rapid.String().Draw(t, "cgroup")}, nil}
	}
	step := Step{At: tree.Time(rapid.Int64().Draw(t, "at")), Wall: at}
	for range rapid.IntRange(0, 3).Draw(t, "events") {
		step.Events = append(step.Events, rapid.SampledFrom([]tree.Event{
			tree.Tick{},
			tree.Exited{Ref: ref, Exit: exit},
			tree.Ready{Ref: ref},
			tree.StartFailed{Ref: ref, Cause: strings.ToValidUTF8(words.Draw(t, "cause"), "?")},
		}).Draw(t, "event"))
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "reports") {
		step.Reports = append(step.Reports, tree.Report{Seq: rapid.Uint64().Draw(t, "seq"), Kind: tree.ExitSeen, Node: id, Exit: &exit, PID: i})
	}
	if rapid.Bool().Draw(t, "apply") {
		step.Config = randomConfig(t)
		step.Events = append(step.Events, tree.Called{ID: 1, Request: tree.Apply{Spec: step.Config.Spec}})
	}
	return step
}

func randomConfig(t *rapid.T) *configs.Config {
	list := rapid.OneOf(rapid.Just([]string(nil)), rapid.SliceOfN(words, 0, 6))
	var processes []*configs.Process
	shared := list.Draw(t, "env")
	for range rapid.IntRange(1, 4).Draw(t, "processes") {
		env := shared
		if rapid.Bool().Draw(t, "own") {
			env = list.Draw(t, "env")
		}
		processes = append(processes, &configs.Process{
			Program: words.Draw(t, "program"), Argv: list.Draw(t, "argv"), Env: env, Dir: words.Draw(t, "dir"),
			Log: configs.Log{MaxFiles: rapid.IntRange(0, 2).Draw(t, "files")},
		})
	}
	var spec func(depth int) tree.ChildSpec
	spec = func(depth int) tree.ChildSpec {
		s := tree.ChildSpec{ID: words.Draw(t, "id"), Restart: rapid.SampledFrom([]tree.RestartType{0, 1, 2}).Draw(t, "restart")}
		if depth == 0 || rapid.Bool().Draw(t, "process") {
			s.Start = rapid.SampledFrom(processes).Draw(t, "start")
			return s
		}
		s.Type = tree.Supervisor
		for range rapid.IntRange(0, 3).Draw(t, "children") {
			s.Children = append(s.Children, spec(depth-1))
		}
		return s
	}
	return &configs.Config{Name: words.Draw(t, "name"), Source: []byte(words.Draw(t, "source")), Spec: spec(3)}
}

func TestRandomRecordsAreCarried(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { checkTrip(t, randomRecord(t)) })
}

// What is not sound in a sound line is an error, never a panic or a flood.
func TestFormsAreChecked(t *testing.T) {
	for _, text := range []string{
		`{"n":1,"k":"begin"`, `{"n":1,"k":"begin","format":0}`, `{"n":1,"k":"begin","format":1}`,
		`{"n":1,"k":"begin","format":2,"file":{}}`, `{"n":1,"k":"begin","format":1,"file":18446744073709551615}`,
		`{"n":2,"k":"state"}`, `{"n":2,"k":"state","pool":{},"config":{},"tree":{}}`,
		`{"n":2,"k":"state","pool":{"manners":[{}]},"config":{"spec":{"start":1}},"tree":{}}`,
		`{"n":2,"k":"state","pool":{"manners":[{}]},"config":{"spec":{}},"tree":{},"starts":[-1]}`,
		`{"n":2,"k":"state","pool":{"texts":["\u0000!"],"manners":[{}]},"config":{"spec":{}},"tree":{}}`,
		`{"n":2,"k":"state","pool":{"texts":["a"],"envs":[[0]],"manners":[{}]},"config":{"spec":{}},"tree":{}}`,
		`{"n":2,"k":"state","pool":{"texts":["a"],"envs":[[1,1]],"manners":[{}]},"config":{"spec":{}},"tree":{}}`,
		`{"n":2,"k":"state","pool":{"texts":["a"],"envs":[[0,-1]],"manners":[{}]},"config":{"spec":{}},"tree":{}}`,
		`{"n":2,"k":"state","pool":{"texts":["a"],"envs":[[9223372036854775807,9223372036854775807]],"manners":[{}]},"config":{"spec":{}},"tree":{}}`,
		`{"n":2,"k":"state","pool":{"manners":[{"type":"thing"}]},"config":{"spec":{}},"tree":{}}`,
		`{"n":2,"k":"state","pool":{"manners":[{}],"settings":[null]},"config":{"spec":{},"settings":{"a":0}},"tree":{}}`,
		`{"n":2,"k":"state","pool":{"manners":[{}],"processes":[{}]},"config":{"spec":{}},"tree":{}}`,
		`{"n":3,"k":"step","events":[{"e":"called"}]}`, `{"n":3,"k":"step","events":[{"e":"exited"}]}`,
		`{"n":3,"k":"step","events":[{"e":"called","request":{"r":"apply"}}]}`,
		`{"n":3,"k":"step","events":[{"e":"called","request":{"r":"?"}}]}`, `{"n":3,"k":"step","events":[{"e":"?"}]}`,
		`{"n":3,"k":"step","reports":[{"limit":{"strategy":"?"}}]}`, `{"n":3,"k":"step","seq":99999999999999999999}`,
		`{"n":-3,"k":"step"}`, `{"n":3,"k":"step`, `{"n":3,"k":"stop"}`, `{"n":3,"k":"sent",`, ``,
	} {
		h, err := behead([]byte(text))
		if err == nil {
			_, err = decode(h, []byte(text))
		}
		if err == nil {
			t.Errorf("%s is a record", text)
		}
	}
	doubling := `{"n":2,"k":"state","pool":{"texts":["` + strings.Repeat(`a","`, 5000) + `"],"envs":[[` +
		strings.Repeat(`0,5000,`, 5000) + `0,0]],"manners":[{}]},"config":{"spec":{}},"tree":{}}`
	h, err := behead([]byte(doubling))
	must(t, err)
	if _, err := decode(h, []byte(doubling)); err == nil {
		t.Error("25 million variables in 50 kB are believed")
	}
}

// The words in the file are read by later builds: none may change.
func TestLinesAreAsTheyWere(t *testing.T) {
	ref := tree.Ref{ID: "web", Generation: 7}
	for _, tt := range []struct {
		record Record
		want   string
	}{
		{
			Begin{"boot", 4, "fe-1", "0.1.0", wall, 3, 12},
			`{"n":7,"k":"begin","format":1,"file":3,"after":12,"boot":"boot","pid_namespace":4,"tree":"fe-1","version":"0.1.0","wall":"2026-11-25T20:24:07.123456789Z"}`,
		},
		{
			Step{
				At: 5, Wall: wall, Events: []tree.Event{tree.Exited{Ref: ref, Exit: tree.Exit{Code: 3}}, tree.Called{ID: 9, Request: tree.TerminateChild{ID: "api"}}},
				Reports: []tree.Report{{Seq: 13, Because: 12, Kind: tree.ExitSeen, Node: "web", PID: 77, Exit: &tree.Exit{Code: 3}}},
			},
			`{"n":7,"k":"step","seq":13,"at":5,"wall":"2026-11-25T20:24:07.123456789Z","events":[{"e":"exited","id":"web","g":7,"exit":{"code":3}},{"e":"called","call":9,"request":{"r":"terminate_child","id":"api"}}],"reports":[{"seq":13,"because":12,"kind":"exited","node":"web","pid":77,"exit":{"code":3}}]}`,
		},
		{
			Spawned{ref, Identity{77, 1234, 99, ""}, []Output{{"stdout", 3, 4}}},
			`{"n":7,"k":"spawned","id":"web","g":7,"pid":77,"start":1234,"inode":99,"outputs":[{"stream":"stdout","mark":3,"inode":4}]}`,
		},
		{
			Reaped{ref, tree.Exit{Signal: "SIGKILL"}, wall},
			`{"n":7,"k":"reaped","id":"web","g":7,"exit":{"code":0,"signal":"SIGKILL"},"at":"2026-11-25T20:24:07.123456789Z"}`,
		},
		{Sent{[]tree.Ref{ref}, true}, `{"n":7,"k":"sent","refs":[{"id":"web","g":7}],"kill":true}`},
	} {
		_, line, err := trip(tt.record)
		must(t, err)
		if got := line[prefixBytes : len(line)-1]; got != tt.want {
			t.Errorf("%s\nwas\n%s", got, tt.want)
		}
	}
	_, line, err := trip(State{Config: sample(), Tree: tree.Saved{}})
	must(t, err)
	var f struct {
		Pool, Config json.RawMessage
	}
	must(t, json.Unmarshal([]byte(line[prefixBytes:]), &f))
	const pool = `{"texts":["/bin/web","-x","/srv","HOME=/root","LANG=C","PATH=/bin","/bin/api","\u0000L2Jpbi///g==","\u0000QT2A"],"envs":[[3,3],[8,1,3,2]],` +
		`"logs":[{"Direct":false,"Split":false,"MaxSize":1048576,"MaxFiles":3,"MaxAge":0,"Compress":false,"Drop":false}],` +
		`"processes":[{"program":0,"argv":[0,1],"dir":2,"env":1,"ready":{"kind":"exec"},"log":0},{"program":6,"argv":[6,1],"dir":2,"env":1,"ready":{"kind":"exec"},"log":0},{"program":7,"argv":[7,1],"dir":2,"env":2,"ready":{"kind":"exec"},"log":0}],` +
		`"manners":[{"type":"supervisor","flags":{"intensity":3,"period":60000000000}},{"timeout":5000000000,"codes":[[0,0]],"signals":["SIGTERM"]}],` +
		`"settings":[`
	if got := string(f.Pool); !strings.HasPrefix(got, pool) {
		t.Errorf("%s\nwas\n%s", got, pool)
	}
	const config = `{"name":"shop","path":"/srv/coppice.toml","dir":"/srv","source":"name = \"shop\"\n","spec":{"id":"root","as":0,"children":[{"id":"web","as":1,"start":1},{"id":"api","as":1,"start":2},{"id":"odd","as":1,"start":3}]},"settings":{`
	if got := string(f.Config); !strings.HasPrefix(got, config) {
		t.Errorf("%s\nwas\n%s", got, config)
	}
}
