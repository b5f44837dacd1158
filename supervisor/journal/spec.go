package journal

import (
	"cmp"
	"errors"

	"coppice/tree"
)

// flagsForm is a supervisor's flags as they are written.
type flagsForm struct {
	Strategy     string    `json:"strategy,omitempty"`
	Intensity    int       `json:"intensity,omitempty"`
	Period       tree.Time `json:"period,omitempty"`
	AutoShutdown string    `json:"auto_shutdown,omitempty"`
	MaxChildren  int       `json:"max_children,omitempty"`
}

func formFlags(f tree.Flags) (flagsForm, error) {
	strategy, err1 := formWord(f.Strategy)
	auto, err2 := formWord(f.AutoShutdown)
	return flagsForm{strategy, f.Intensity, f.Period, auto, f.MaxChildren}, errors.Join(err1, err2)
}

func (f *flagsForm) flags() (tree.Flags, error) {
	strategy, err1 := word[tree.Strategy](f.Strategy)
	auto, err2 := word[tree.AutoShutdown](f.AutoShutdown)
	return tree.Flags{Strategy: strategy, Intensity: f.Intensity, Period: f.Period, AutoShutdown: auto, MaxChildren: f.MaxChildren}, cmp.Or(err1, err2)
}

// specForm is a spec as it is written: what is its own, and the place of what it
// has in common with others.
type specForm struct {
	ID       string     `json:"id"`
	Manner   int        `json:"as"`
	Start    int        `json:"start,omitempty"` // the place of a process + 1
	Extra    *extraForm `json:"extra,omitempty"`
	Children []specForm `json:"children,omitzero"`
}

// extraForm is what an instance of a template has of its own, as it is written.
type extraForm struct {
	Args []string `json:"args,omitzero"`
	Env  []string `json:"env,omitzero"`
}

func formExtra(e tree.Extra) *extraForm {
	if e.Args == nil && e.Env == nil {
		return nil
	}
	return &extraForm{mapped(e.Args, formText), mapped(e.Env, formText)}
}

func (f *extraForm) extra() (tree.Extra, error) {
	if f == nil {
		return tree.Extra{}, nil
	}
	args, err1 := tried(f.Args, text)
	env, err2 := tried(f.Env, text)
	return tree.Extra{Args: args, Env: env}, cmp.Or(err1, err2)
}

// manner is what specs have in common.
type manner struct {
	Type         string         `json:"type,omitempty"`
	Restart      string         `json:"restart,omitempty"`
	Brutal       bool           `json:"brutal,omitempty"`
	Timeout      tree.Time      `json:"timeout,omitempty"`
	Significant  bool           `json:"significant,omitempty"`
	Ready        string         `json:"ready,omitempty"`
	StartTimeout tree.Time      `json:"start_timeout,omitempty"`
	Codes        [][2]int       `json:"codes,omitzero"`
	Signals      []string       `json:"signals,omitzero"`
	OnExit       []tree.Verdict `json:"on_exit,omitzero"`
	Health       tree.Health    `json:"health,omitzero"`
	Backoff      tree.Backoff   `json:"backoff,omitzero"`
	Rate         tree.Rate      `json:"rate,omitzero"`
	BeforeStart  bool           `json:"before_start,omitempty"`
	AfterExit    bool           `json:"after_exit,omitempty"`
	Flags        flagsForm      `json:"flags,omitzero"`
}

func mannerOf(s *tree.ChildSpec) (manner, error) {
	kind, err1 := formWord(s.Type)
	restart, err2 := formWord(s.Restart)
	ready, err3 := formWord(s.Ready)
	flags, err4 := formFlags(s.Flags)
	return manner{
		Type: kind, Restart: restart, Brutal: s.Shutdown.Brutal, Timeout: s.Shutdown.Timeout,
		Significant: s.Significant, Ready: ready, StartTimeout: s.StartTimeout,
		Codes: s.Success.Codes, Signals: s.Success.Signals, OnExit: s.OnExit, Backoff: s.Backoff, Health: s.Health, Rate: s.Rate,
		BeforeStart: s.BeforeStart, AfterExit: s.AfterExit, Flags: flags,
	}, cmp.Or(err1, err2, err3, err4)
}

// spec is a spec of this manner that has nothing of its own yet.
func (m *manner) spec() (tree.ChildSpec, error) {
	kind, err1 := word[tree.ChildType](m.Type)
	restart, err2 := word[tree.RestartType](m.Restart)
	ready, err3 := word[tree.Readiness](m.Ready)
	flags, err4 := m.Flags.flags()
	return tree.ChildSpec{
		Type: kind, Restart: restart, Shutdown: tree.Shutdown{Brutal: m.Brutal, Timeout: m.Timeout},
		Significant: m.Significant, Ready: ready, StartTimeout: m.StartTimeout,
		Success: tree.Success{Codes: m.Codes, Signals: m.Signals}, OnExit: m.OnExit, Backoff: m.Backoff, Health: m.Health, Rate: m.Rate,
		BeforeStart: m.BeforeStart, AfterExit: m.AfterExit, Flags: flags,
	}, cmp.Or(err1, err2, err3, err4)
}

// formSpec is the form of a spec and all below it.
func (p *poolWriter) formSpec(s *tree.ChildSpec) (specForm, error) {
	form := specForm{ID: formText(s.ID), Extra: formExtra(s.Extra)}
	m, err := mannerOf(s)
	if err == nil {
		form.Manner, err = p.manners.place(m)
	}
	if err == nil {
		form.Start, err = p.start(s.Start)
	}
	if s.Children != nil {
		form.Children = make([]specForm, len(s.Children))
	}
	for i := range s.Children {
		if err != nil {
			return form, err
		}
		form.Children[i], err = p.formSpec(&s.Children[i])
	}
	return form, err
}

// spec is what a form stands for, with all below it.
func (p *poolReader) spec(f *specForm) (tree.ChildSpec, error) {
	model, err := at(p.manners, f.Manner)
	if err != nil {
		return model, err
	}
	spec := model // nobody changes a spec: they may share its lists
	spec.ID, err = text(f.ID)
	if err == nil {
		spec.Start, err = p.start(f.Start)
	}
	if err == nil {
		spec.Extra, err = f.Extra.extra()
	}
	if f.Children != nil {
		spec.Children = make([]tree.ChildSpec, len(f.Children))
	}
	for i := range f.Children {
		if err != nil {
			return spec, err
		}
		spec.Children[i], err = p.spec(&f.Children[i])
	}
	return spec, err
}
