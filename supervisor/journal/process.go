package journal

import (
	"errors"
	"fmt"

	"coppice/configs"
	"coppice/tree"
)

// processForm is a configs.Process as it is written: places in the pool.
type processForm struct {
	Program  int        `json:"program"`
	Argv     []int      `json:"argv"`
	Shell    bool       `json:"shell,omitempty"`
	Dir      int        `json:"dir"`
	Env      int        `json:"env,omitempty"` // + 1; 0 is nil
	Ready    *readyForm `json:"ready,omitempty"`
	Watchdog tree.Time  `json:"watchdog,omitempty"`
	FDStore  int        `json:"fd_store,omitempty"`
	Log      int        `json:"log"`

	Setup  *configs.Setup `json:"setup,omitempty"`
	Limits configs.Limits `json:"limits,omitzero"`
}

// processOf reads the Start of a spec; nil is no process.
func processOf(start any) (*configs.Process, error) {
	switch process := start.(type) {
	case nil:
		return nil, nil
	case *configs.Process:
		if process != nil {
			return process, nil
		}
	}
	return nil, fmt.Errorf("a Start of type %T has no form", start)
}

// start is the place of a Start, + 1; 0 is nil.
func (p *poolWriter) start(start any) (int, error) {
	process, err := processOf(start)
	if process == nil {
		return 0, err
	}
	place, known := p.places[process]
	if !known {
		form, err := p.formProcess(process)
		if err != nil {
			return 0, err
		}
		place = len(p.pool.Processes)
		p.places[process] = place
		p.pool.Processes = append(p.pool.Processes, form)
	}
	return place + 1, nil
}

func (p *poolWriter) formProcess(process *configs.Process) (processForm, error) {
	log, err := p.logs.place(process.Log)
	form := processForm{
		Program:  p.text(process.Program),
		Argv:     mapped(process.Argv, p.text),
		Shell:    process.Shell,
		Dir:      p.text(process.Dir),
		Env:      p.env(process.Env),
		Log:      log,
		Watchdog: process.Watchdog,
		FDStore:  process.FDStore,
		Setup:    process.Setup,
		Limits:   process.Limits,
	}
	form.Ready = formReady(process.Ready)
	return form, err
}

// env is the place of an environment, + 1; 0 is nil.
func (p *poolWriter) env(env []string) int {
	if env == nil {
		return 0
	}
	// Processes share environments: then the slice itself is the same.
	key := envKey{n: len(env)}
	if len(env) > 0 {
		key.first = &env[0]
	}
	place, known := p.envs[key]
	if !known {
		place = len(p.pool.Envs)
		p.envs[key] = place
		p.pool.Envs = append(p.pool.Envs, runs(mapped(env, p.text)))
	}
	return place + 1
}

// envKey tells whether two environments are one slice.
type envKey struct {
	first *string
	n     int
}

// runs writes places as runs of consecutive ones, first and length in turns: an
// environment that differs from another in one variable has three.
//
//	4 5 6 7 19 9 10 -> 4 4, 19 1, 9 2
func runs(places []int) []int {
	out := []int{}
	for i, place := range places {
		if last := len(out) - 1; i > 0 && place == out[last-1]+out[last] {
			out[last]++
		} else {
			out = append(out, place, 1)
		}
	}
	return out
}

var errEnv = errors.New("an environment has an impossible run of variables")

// environment is what runs stand for.
func (p *poolReader) environment(runs []int) ([]string, error) {
	if len(runs)%2 != 0 {
		return nil, errEnv
	}
	total := 0
	for i := 0; i < len(runs); i += 2 {
		first, n := runs[i], runs[i+1]
		if first < 0 || n < 0 || first > len(p.texts) || n > len(p.texts)-first || n > p.variablesLeft-total {
			return nil, errEnv
		}
		total += n
	}
	p.variablesLeft -= total
	env := make([]string, 0, total)
	for i := 0; i < len(runs); i += 2 {
		env = append(env, p.texts[runs[i]:runs[i]+runs[i+1]]...)
	}
	return env, nil
}

// process is what a form stands for.
func (p *poolReader) process(f processForm) (*configs.Process, error) {
	program, err1 := at(p.texts, f.Program)
	dir, err2 := at(p.texts, f.Dir)
	argv, err3 := tried(f.Argv, func(place int) (string, error) { return at(p.texts, place) })
	log, err4 := at(p.pool.Logs, f.Log)
	process := &configs.Process{
		Program: program, Argv: argv, Shell: f.Shell, Dir: dir, Log: log,
		Watchdog: f.Watchdog, FDStore: f.FDStore, Setup: f.Setup, Limits: f.Limits,
	}
	var err5, err6 error
	if f.Env != 0 {
		process.Env, err5 = at(p.envs, f.Env-1)
	}
	process.Ready, err6 = f.Ready.ready()
	return process, errors.Join(err1, err2, err3, err4, err5, err6)
}

// start is the Start at a place, + 1.
func (p *poolReader) start(place int) (any, error) {
	if place == 0 {
		return nil, nil
	}
	process, err := at(p.processes, place-1)
	if err != nil {
		return nil, err
	}
	return process, nil
}
