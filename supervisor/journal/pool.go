package journal

import (
	"encoding/json"
	"fmt"

	"coppice/configs"
	"coppice/tree"
)

// pool holds what a state would else repeat ten thousand times: everything that
// is equal is there once, and others refer to it by its place.
type pool struct {
	Texts     []string        `json:"texts,omitempty"`
	Envs      [][]int         `json:"envs,omitempty"` // runs of texts
	Logs      []configs.Log   `json:"logs,omitempty"`
	Processes []processForm   `json:"processes,omitempty"`
	Manners   []manner        `json:"manners,omitempty"`
	Settings  []*settingsForm `json:"settings,omitempty"`
}

// poolWriter fills a pool.
type poolWriter struct {
	pool     pool
	texts    map[string]int
	envs     map[envKey]int
	places   map[*configs.Process]int
	logs     distinct[configs.Log]
	manners  distinct[manner]
	settings distinct[*settingsForm]
}

func newPoolWriter() *poolWriter {
	return &poolWriter{texts: map[string]int{}, envs: map[envKey]int{}, places: map[*configs.Process]int{}}
}

// text is the place of a text.
func (p *poolWriter) text(s string) int {
	place, known := p.texts[s]
	if !known {
		place = len(p.pool.Texts)
		p.texts[s] = place
		p.pool.Texts = append(p.pool.Texts, formText(s))
	}
	return place
}

// done is the pool with all that was put into it.
func (p *poolWriter) done() *pool {
	p.pool.Logs, p.pool.Manners, p.pool.Settings = p.logs.list, p.manners.list, p.settings.list
	return &p.pool
}

// distinct is a list of values none of which is there twice.
type distinct[T any] struct {
	list   []T
	places map[string]int
}

// place is the place of a value. What is written alike is equal.
func (d *distinct[T]) place(v T) (int, error) {
	key, err := json.Marshal(v)
	if err != nil {
		return 0, err
	}
	place, known := d.places[string(key)]
	if !known {
		if d.places == nil {
			d.places = map[string]int{}
		}
		place = len(d.list)
		d.places[string(key)] = place
		d.list = append(d.list, v)
	}
	return place, nil
}

// poolReader is a pool that was read.
type poolReader struct {
	pool      *pool
	texts     []string
	envs      [][]string
	processes []*configs.Process
	manners   []tree.ChildSpec
	settings  []*configs.Settings
	// variablesLeft bounds what a few runs can grow to.
	variablesLeft int
}

// variablesMax are the variables of all environments of a state of so many
// bytes, counted as often as they occur: far above what occurs, and not above
// what there is memory for.
func variablesMax(size int) int { return max(1<<24, 64*size) }

// read is the pool with all its texts, environments and processes; size is the
// length of what it was read from.
func (p *pool) read(size int) (*poolReader, error) {
	r := &poolReader{pool: p, variablesLeft: variablesMax(size)}
	var err error
	if r.texts, err = tried(p.Texts, text); err != nil {
		return nil, err
	}
	if r.envs, err = tried(p.Envs, r.environment); err != nil {
		return nil, err
	}
	if r.processes, err = tried(p.Processes, r.process); err != nil {
		return nil, err
	}
	if r.manners, err = tried(p.Manners, func(m manner) (tree.ChildSpec, error) { return m.spec() }); err != nil {
		return nil, err
	}
	r.settings, err = tried(p.Settings, (*settingsForm).read)
	return r, err
}

// at is the value at a place that was read.
func at[T any](list []T, place int) (T, error) {
	if place < 0 || place >= len(list) {
		var none T
		return none, fmt.Errorf("there is no %T at place %d of %d", none, place, len(list))
	}
	return list[place], nil
}
