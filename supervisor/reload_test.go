package supervisor

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"coppice/configs"
	"coppice/tree"
)

// Whatever a start depends on has a word for a change of it.
func TestEveryChangeHasAWord(t *testing.T) {
	for _, field := range reflect.VisibleFields(reflect.TypeFor[configs.Process]()) {
		for _, inner := range leaves(field) {
			changed := configs.Process{Setup: &configs.Setup{}}
			touch(reflect.ValueOf(&changed).Elem().FieldByIndex(inner))
			if what := processDiff(&configs.Process{}, &changed); len(what) == 0 {
				t.Errorf("a change of %v has no word", reflect.TypeFor[configs.Process]().FieldByIndex(inner).Name)
			}
		}
	}
}

// leaves are the places of a field, or of the fields of the structure that it is, or of a
// set-up.
func leaves(f reflect.StructField) [][]int {
	structure := f.Type
	if structure == reflect.TypeFor[*configs.Setup]() {
		structure = structure.Elem()
	}
	if structure.Kind() != reflect.Struct {
		return [][]int{f.Index}
	}
	var found [][]int
	for i := range structure.NumField() {
		inner := structure.Field(i)
		inner.Index = append(append([]int{}, f.Index...), i)
		found = append(found, leaves(inner)...)
	}
	return found
}

// touch makes a value differ from its zero.
func touch(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64, reflect.Int32:
		v.SetInt(1)
	case reflect.Uint, reflect.Uint32, reflect.Uint64:
		v.SetUint(1)
	case reflect.Float64:
		v.SetFloat(1)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
	default:
		panic("a field of the kind " + v.Kind().String())
	}
}

// A change is told by the keys that were changed, and by no others.
func TestChangeIsToldByItsKeys(t *testing.T) {
	const process = "[process.a]\ncommand = [\"true\"]\n"
	for _, c := range []struct{ before, after, told string }{
		{process, "name = \"new\"\n" + process, "tree new [name]"},
		{process, "[log]\nmax_total = \"1GiB\"\n" + process, "tree shop [log.max_total]"},
		{process + "before_start = \"x\"\nafter_exit = \"x\"\n", process + "before_start = \"x\"\nafter_exit = \"x\"\nhook_timeout = \"3s\"\n", "process a [hook_timeout]"},
		{process + "before_start = \"x\"\nafter_exit = \"x\"\n", process + "before_start = \"x\"\nafter_exit = \"y\"\n", "process a [after_exit]"},
		{process + "reload_command = \"x\"\n", process + "reload_command = \"x\"\nhook_timeout = \"3s\"\n", "process a [hook_timeout]"},
		{process, process + "reload_command = \"x\"\n", "process a [reload_command]"},
		{process, process + "user = \"nobody\"\n", "process a [user]"},
		{process, process + "user = \"nobody\"\nenv = { A = \"1\" }\n", "process a [env user]"},
		{process, process + "env = { HOME = \"/\" }\n", "process a [env]"},
	} {
		from, to := loaded(t, c.before), loaded(t, c.after)
		told := ""
		for _, change := range changes(tree.New(from.Spec, tree.Options{}).Diff(to.Spec), from, to) {
			told += fmt.Sprint(change.Type, " ", change.Name, " ", change.What)
		}
		if told != c.told {
			t.Errorf("%s\nis told as %q, not %q", c.after, told, c.told)
		}
	}
}

func loaded(t *testing.T, file string) *configs.Config {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "shop")
	path := filepath.Join(dir, "coppice.toml")
	if err := cmp.Or(os.Mkdir(dir, 0o700), os.WriteFile(path, []byte(file), 0o600)); err != nil {
		t.Fatal(err)
	}
	config, err := configs.Load(path, []string{"PATH=/bin"})
	if err != nil {
		t.Fatal(err)
	}
	config.Dir = "/" // the folder of a test is another one each time
	for s := range config.Processes() {
		s.Start.(*configs.Process).Dir = "/"
	}
	return config
}
