package supervisor

import (
	"reflect"
	"testing"

	"coppice/configs"
)

// Whatever a start depends on has a word for a change of it.
func TestEveryChangeHasAWord(t *testing.T) {
	for _, field := range reflect.VisibleFields(reflect.TypeFor[configs.Process]()) {
		for _, inner := range leaves(field) {
			changed := configs.Process{}
			touch(reflect.ValueOf(&changed).Elem().FieldByIndex(inner))
			if what := processDiff(&configs.Process{}, &changed); len(what) == 0 {
				t.Errorf("a change of %v has no word", reflect.TypeFor[configs.Process]().FieldByIndex(inner).Name)
			}
		}
	}
}

// leaves are the places of a field, or of the fields of the structure that it is.
func leaves(f reflect.StructField) [][]int {
	if f.Type.Kind() != reflect.Struct {
		return [][]int{f.Index}
	}
	var found [][]int
	for i := range f.Type.NumField() {
		inner := f.Type.Field(i)
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
