package ipc

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestFields holds the fields of the documents to their struct tags: every field, alone
// and all of them together, is written as encoding/json writes it, and read back.
func TestFields(t *testing.T) {
	whole := &Tree{}
	fill(reflect.ValueOf(whole).Elem(), 1)
	sameCoding(t, whole)
	sameCoding(t, &Tree{})
	eachField(reflect.TypeFor[Tree](), nil, func(path []int) {
		tree := &Tree{}
		field := reflect.ValueOf(tree).Elem().FieldByIndex(path)
		fill(field, 0)
		sameCoding(t, tree)
	})
	for _, sample := range []any{LastExit{}, UpgradeResult{}} {
		kind := reflect.TypeOf(sample)
		for i := range kind.NumField() {
			tree := &Tree{}
			tree.Root.LastExit, tree.Daemon.Upgrade = &LastExit{}, &UpgradeResult{}
			for _, part := range []reflect.Value{reflect.ValueOf(tree.Root.LastExit).Elem(), reflect.ValueOf(tree.Daemon.Upgrade).Elem()} {
				if part.Type() == kind {
					fill(part.Field(i), 0)
				}
			}
			sameCoding(t, tree)
		}
	}
}

// eachField calls visit with the path of every field, those of structs within too.
func eachField(kind reflect.Type, above []int, visit func(path []int)) {
	for i := range kind.NumField() {
		path := append(append([]int{}, above...), i)
		visit(path)
		if f := kind.Field(i).Type; f.Kind() == reflect.Struct && f != reflect.TypeFor[time.Time]() {
			eachField(f, path, visit)
		}
	}
}

// fill gives a field a value that is not empty; children have children to a depth.
func fill(v reflect.Value, depth int) {
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Date(2026, 11, 22, 6, 0, 0, 123456000, time.UTC)))
	case v.Kind() == reflect.String:
		v.SetString("text")
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.CanInt():
		v.SetInt(4711)
	case v.CanUint():
		v.SetUint(math.MaxUint64)
	case v.CanFloat():
		v.SetFloat(12.345)
	case v.Kind() == reflect.Interface:
		v.Set(reflect.ValueOf(3.0)) // what encoding/json makes of a number
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), depth)
	case v.Type() == reflect.TypeFor[[]Node]() && depth < 0:
		v.Set(reflect.ValueOf([]Node{}))
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), depth-1)
		fill(v.Index(1), depth-1)
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), depth)
		}
	default:
		panic(fmt.Sprintf("no sample of %v", v.Type()))
	}
}

// sameCoding writes a tree in both ways, and reads that in both ways, quickly.
func sameCoding(t *testing.T, tree *Tree) {
	t.Helper()
	want, wrong := json.Marshal(tree)
	got, err := EncodeTree(tree)
	if (err == nil) != (wrong == nil) {
		t.Fatalf("EncodeTree says %v, encoding/json %v", err, wrong)
	}
	if err != nil {
		return
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Fatalf("written as encoding/json does, and not (-want +got):\n%s", diff)
	}
	var read Tree
	if err := json.Unmarshal(want, &read); err != nil {
		t.Fatal(err)
	}
	quick, ok := decodeQuickly(string(want))
	if !ok && !strings.Contains(string(want), "-") && !strings.Contains(string(want), "e") {
		t.Fatalf("not read quickly: %s", want)
	}
	if ok {
		if diff := cmp.Diff(&read, quick); diff != "" {
			t.Fatalf("read as encoding/json does, and not (-want +got):\n%s", diff)
		}
	}
}

// Values at the edges are written and read as ever, whichever way is taken.
func TestEdgesOfFields(t *testing.T) {
	texts := []string{"", "plain", `"`, `\`, "a\nb", "\x1b[2J", "<&>", "ü", "\u2028", "\xff", "\x7f", "a\x00", `\u0041`, `{"name":"x"`, `"children":[`, `]}`}
	for _, text := range texts {
		tree := &Tree{Name: text, Root: Node{Name: text, Status: text, Args: []string{text, "", text}, Intensity: text, Children: []Node{{Name: text}}}}
		tree.Root.LastExit = &LastExit{Signal: &text}
		sameCoding(t, tree)
	}
	for _, rate := range []float64{0, math.Copysign(0, -1), 1e-7, 1e-6, 0.1, 100, 1e20, 1e21, 1e300, -3, math.Inf(1), math.NaN()} {
		sameCoding(t, &Tree{Root: Node{CPUPercent: &rate, CPUSeconds: &rate}})
	}
	for _, n := range []int{0, -1, 1, math.MaxInt64, math.MinInt64} {
		count := uint64(n)
		sameCoding(t, &Tree{Root: Node{PID: n, Restarts: n, Intensity: n, Memory: &count, Cause: count, LastExit: &LastExit{Code: &n}}})
	}
	for _, at := range []time.Time{{}, time.Unix(0, 0), time.Unix(1<<40, 1), time.Now(), time.Now().UTC(), time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)} {
		sameCoding(t, &Tree{Root: Node{Since: at, Until: &at}})
	}
	sameCoding(t, &Tree{Root: Node{Args: []string{}, Children: []Node{}}})
}

// What another daemon writes is read all the same: what is new in it, and another order.
func TestForeignTreesAreRead(t *testing.T) {
	for _, text := range []string{
		`{"name":"shop","new":[1,{"a":2}],"root":{"name":"root","state":"running","newer":null,"restarts":3}}`,
		` { "root" : { "restarts" : 3 , "name" : "root" } , "name" : "shop" } ` + "\n",
		`{"name":"shop","root":{"name":"root","restarts":3,"until":null,"children":null,"memory":null}}`,
		`{"name":"shop","root":{"name":"other","name":"root","restarts":3}}`,
	} {
		tree, err := decodeTree(text)
		if err != nil || tree.Name != "shop" || tree.Root.Name != "root" || tree.Root.Restarts != 3 {
			t.Errorf("decodeTree(%s) = %+v, %v", text, tree, err)
		}
	}
	for _, text := range []string{"", "{", "[]", `{"name":}`, `{"name":"a"`, `{"name":"a","root":{"pid":01}}`, `{"name":"a",}`} {
		if tree, err := decodeTree(text); err == nil {
			t.Errorf("decodeTree(%s) = %+v, want an error", text, tree)
		}
	}
}

// FuzzDecodeTree: what is read quickly is what encoding/json reads, of any text.
func FuzzDecodeTree(f *testing.F) {
	whole := &Tree{}
	fill(reflect.ValueOf(whole).Elem(), 1)
	text, _ := EncodeTree(whole)
	f.Add(string(text))
	f.Add(`{"name":"a\u0062","daemon":{"pid":1},"root":{"intensity":"infinity","args":["x"],"children":[{},{"name":""}]}}`)
	f.Fuzz(func(t *testing.T, text string) {
		quick, ok := decodeQuickly(text)
		if !ok {
			return
		}
		var want Tree
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Fatalf("read quickly, and wrong: %v", err)
		}
		if diff := cmp.Diff(&want, quick); diff != "" {
			t.Fatalf("read as encoding/json does, and not (-want +got):\n%s", diff)
		}
	})
}

// thousands is a tree of flat processes, as a daemon tells them.
func thousands(n int) *Tree {
	tree := &Tree{Name: "bench", Daemon: Daemon{PID: 1, Version: "0.1.0", StartedAt: time.Now().UTC()}}
	tree.Root = Node{Name: "root", Kind: "supervisor", State: "running", Strategy: "one_for_one", Intensity: 3, Period: "5s", Since: time.Now().UTC()}
	for i := range n {
		percent, seconds, memory, code := 0.125, 3.141592, uint64(12<<20), 1
		child := Node{
			Name: fmt.Sprint("child", i), Kind: "process", State: "running", PID: 4711 + i, Restart: "permanent", Ready: "exec",
			CPUPercent: &percent, CPUSeconds: &seconds, Memory: &memory, Since: time.Now().UTC(), Cause: uint64(i),
		}
		if i%2 == 0 {
			child.LastExit = &LastExit{Code: &code, Reason: "exit", At: time.Now().UTC()}
		}
		tree.Root.Children = append(tree.Root.Children, child)
	}
	return tree
}

func BenchmarkEncodeTree(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		tree := thousands(n)
		b.Run(fmt.Sprint("nodes=", n), func(b *testing.B) {
			for b.Loop() {
				EncodeTree(tree)
			}
		})
		b.Run(fmt.Sprint("encoding-json/nodes=", n), func(b *testing.B) {
			for b.Loop() {
				json.Marshal(tree)
			}
		})
	}
}

func BenchmarkDecodeTree(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		text, _ := EncodeTree(thousands(n))
		b.Run(fmt.Sprint("nodes=", n), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if _, ok := decodeQuickly(string(text)); !ok {
					b.Fatal("not read quickly")
				}
			}
		})
		b.Run(fmt.Sprint("encoding-json/nodes=", n), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				var tree Tree
				json.Unmarshal(text, &tree)
			}
		})
	}
}
