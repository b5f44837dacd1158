package journal

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"coppice/configs"
	"coppice/tree"
)

// compare compares by what is meant: moments by their place in time, exact
// strings, nil apart from empty.
func compare(a, b any) string { return cmp.Diff(a, b) }

// sample is a small tree: two processes that share an environment, one that has
// its own.
func sample() *configs.Config {
	env := []string{"HOME=/root", "LANG=C", "PATH=/bin"}
	process := func(program string, env []string) *configs.Process {
		return &configs.Process{
			Program: program, Argv: []string{program, "-x"}, Dir: "/srv", Env: env,
			Ready: configs.Ready{Kind: configs.ReadyExec}, Log: configs.Log{MaxSize: 1 << 20, MaxFiles: 3},
		}
	}
	child := func(id string, start *configs.Process) tree.ChildSpec {
		return tree.ChildSpec{
			ID: id, Start: start, Shutdown: tree.Shutdown{Timeout: 5 * tree.Second},
			Success: tree.Success{Codes: [][2]int{{0, 0}}, Signals: []string{"SIGTERM"}},
		}
	}
	return &configs.Config{
		Name: "shop", Path: "/srv/coppice.toml", Dir: "/srv", Source: []byte("name = \"shop\"\n"),
		Spec: tree.ChildSpec{
			ID: "root", Type: tree.Supervisor, Flags: tree.Flags{Intensity: 3, Period: 60 * tree.Second},
			Children: []tree.ChildSpec{
				child("web", process("/bin/web", env)),
				child("api", process("/bin/api", env)),
				child("odd", process("/bin/\xff\xfe", []string{"A=\x80", "HOME=/root", "LANG=C"})),
			},
		},
		Settings: map[string]*configs.Settings{
			"web": {StopSignal: "SIGTERM"}, "api": {StopSignal: "SIGTERM"},
			"odd": {StopSignal: "SIGINT", StopMain: true, Watch: []configs.Glob{{Base: "/srv/\xff", Pattern: "**"}}},
		},
	}
}

// sampleState is a State of a tree that was started.
func sampleState() State {
	config := sample()
	t := tree.New(config.Spec, tree.Options{})
	t.Step(1, tree.Boot{})
	return State{Config: config, Tree: t.Save()}
}

var wall = time.Date(2026, 11, 25, 20, 24, 7, 123456789, time.UTC)

// story is about as many records as n: processes come and go.
func story(from, n int) []Record {
	var records []Record
	seq := uint64(from)
	step := func(events ...tree.Event) {
		seq++
		records = append(records, Step{
			At: tree.Time(seq), Wall: wall, Events: events,
			Reports: []tree.Report{{Seq: seq, Because: seq - 1, Kind: tree.StartDone, Node: "web", PID: 77}},
		})
	}
	for g := tree.Generation(from); len(records) < n; g++ {
		ref := tree.Ref{ID: "web", Generation: g}
		records = append(records, Spawned{ref, Identity{77, 1234, 99, ""}, []Output{{"stdout", 3, 4}}})
		step(tree.Started{Ref: ref, PID: 77})
		records = append(records, Sent{Refs: []tree.Ref{ref}}, Reaped{ref, tree.Exit{Signal: "SIGTERM"}, wall})
		step(tree.Exited{Ref: ref, Exit: tree.Exit{Signal: "SIGTERM"}})
	}
	return records
}

// opened is a journal that was opened, with what it visited.
type opened struct {
	*Journal
	damage  *Damage
	records []Record
}

func open(t testing.TB, dir string) opened {
	t.Helper()
	o, err := tryOpen(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.Close() })
	return o
}

func tryOpen(dir string) (o opened, err error) {
	o.Journal, o.damage, err = Open(dir, func(r Record) error {
		o.records = append(o.records, r)
		return nil
	})
	return o, err
}

// begun is a journal in a new folder with its first two records.
func begun(t testing.TB, dir string) *Journal {
	t.Helper()
	j := open(t, dir)
	if j.damage != nil {
		t.Fatal(j.damage)
	}
	must(t, j.Begin(Begin{Boot: "b", PIDNamespace: 4, Tree: "fe-1", Version: "1", Wall: wall}, sampleState()))
	return j.Journal
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func content(t testing.TB, dir, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	must(t, err)
	return data
}

// seqs are the numbers of all reports that Read shows.
func seqs(t testing.TB, dir string) []uint64 {
	t.Helper()
	var list []uint64
	must(t, Read(dir, 0, func(s Step) error {
		for _, r := range s.Reports {
			list = append(list, r.Seq)
		}
		return nil
	}))
	return list
}

// checkDense fails unless the numbers are all from first to last.
func checkDense(t testing.TB, list []uint64, first, last uint64) {
	t.Helper()
	for i, seq := range list {
		if seq != first+uint64(i) {
			t.Fatalf("%d comes at place %d: %d to %d are expected, once each", seq, i, first, last)
		}
	}
	if want := int(last - first + 1); len(list) != want {
		t.Fatalf("there are %d reports, not %d", len(list), want)
	}
}

// fill gives every field of a value another value than zero, so that a round trip
// shows which of them nobody carries.
func fill(v reflect.Value, n *int) {
	*n++
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fill(v.Field(i), n)
			}
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), n)
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), n)
		}
	case reflect.String:
		v.SetString(fmt.Sprint("s", *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint8:
		v.SetUint(1) // the sets of the core have at least two
	case reflect.Uint, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(*n))
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Float64:
		v.SetFloat(float64(*n) + 0.5)
	default:
		panic(fmt.Sprintf("a %s is new here", v.Type()))
	}
}

// filled is a value of which no field is zero.
func filled[T any]() T {
	var v T
	n := 0
	fill(reflect.ValueOf(&v).Elem(), &n)
	return v
}
