package journal

import (
	"errors"

	"coppice/configs"
	"coppice/tree"
)

// configForm is a Config as it is written.
type configForm struct {
	Name     string   `json:"name"`
	Path     string   `json:"path"`
	Dir      string   `json:"dir"`
	Source   *string  `json:"source,omitempty"`
	Spec     specForm `json:"spec"`
	LogTotal int64    `json:"log_total,omitempty"`
	// Settings are places in the pool, by the name of the process.
	Settings map[string]int `json:"settings,omitzero"`
}

// settingsForm are Settings as they are written.
type settingsForm struct {
	StopSignal string      `json:"stop_signal,omitempty"`
	StopMain   bool        `json:"stop_main,omitempty"`
	Watch      [][2]string `json:"watch,omitzero"` // base and pattern
	Check      *checkForm  `json:"check,omitempty"`
	besideForm
}

func formSettings(s *configs.Settings) *settingsForm {
	watch := mapped(s.Watch, func(g configs.Glob) [2]string {
		return [2]string{formText(g.Base), formText(g.Pattern)}
	})
	return &settingsForm{s.StopSignal, s.StopMain, watch, formCheck(s.Check), formBeside(s)}
}

var errNoSettings = errors.New("there are no settings at a place")

func (f *settingsForm) read() (*configs.Settings, error) {
	if f == nil {
		return nil, errNoSettings
	}
	watch, err := tried(f.Watch, func(glob [2]string) (configs.Glob, error) {
		base, err1 := text(glob[0])
		pattern, err2 := text(glob[1])
		return configs.Glob{Base: base, Pattern: pattern}, errors.Join(err1, err2)
	})
	check, checkErr := f.Check.check()
	s := &configs.Settings{StopSignal: f.StopSignal, StopMain: f.StopMain, Watch: watch, Check: check}
	return s, errors.Join(err, checkErr, f.besideForm.read(s))
}

func (p *poolWriter) formConfig(c *configs.Config) (*configForm, error) {
	if c == nil {
		return nil, nil
	}
	form := &configForm{Name: formText(c.Name), Path: formText(c.Path), Dir: formText(c.Dir), LogTotal: c.LogTotal}
	if c.Source != nil {
		source := formText(string(c.Source))
		form.Source = &source
	}
	if c.Settings != nil {
		form.Settings = make(map[string]int, len(c.Settings))
	}
	for name, settings := range c.Settings {
		place, err := p.settings.place(formSettings(settings))
		if err != nil {
			return nil, err
		}
		form.Settings[formText(name)] = place
	}
	var err error
	form.Spec, err = p.formSpec(&c.Spec)
	return form, err
}

func (p *poolReader) config(f *configForm) (*configs.Config, error) {
	if f == nil {
		return nil, nil
	}
	c := &configs.Config{LogTotal: f.LogTotal}
	var errs [4]error
	c.Name, errs[0] = text(f.Name)
	c.Path, errs[1] = text(f.Path)
	c.Dir, errs[2] = text(f.Dir)
	if f.Source != nil {
		source, err := text(*f.Source)
		c.Source, errs[3] = []byte(source), err
	}
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	if f.Settings != nil {
		c.Settings = make(map[string]*configs.Settings, len(f.Settings))
	}
	for form, place := range f.Settings {
		name, err1 := text(form)
		settings, err2 := at(p.settings, place)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		c.Settings[name] = settings
	}
	var err error
	c.Spec, err = p.spec(&f.Spec)
	return c, err
}

// stateForm is a State as it is written. Starts are those of Tree: places of
// processes + 1.
type stateForm struct {
	head
	Pool   *pool       `json:"pool"`
	Config *configForm `json:"config"`
	Tree   *tree.Saved `json:"tree"`
	Starts []int       `json:"starts"`
}

func formState(h head, s State) (*stateForm, error) {
	p := newPoolWriter()
	config, err := p.formConfig(s.Config)
	if err != nil {
		return nil, err
	}
	starts, err := tried(s.Tree.Starts, p.start)
	return &stateForm{head: h, Pool: p.done(), Config: config, Tree: &s.Tree, Starts: starts}, err
}

var errNoState = errors.New("it lacks a part of the state")

// state is what a form of so many bytes stands for.
func (f *stateForm) state(size int) (State, error) {
	if f.Pool == nil || f.Config == nil || f.Tree == nil {
		return State{}, errNoState
	}
	p, err := f.Pool.read(size)
	if err != nil {
		return State{}, err
	}
	config, err := p.config(f.Config)
	if err != nil {
		return State{}, err
	}
	f.Tree.Starts, err = tried(f.Starts, p.start)
	return State{Config: config, Tree: *f.Tree}, err
}
