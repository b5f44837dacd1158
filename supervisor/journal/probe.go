package journal

import (
	"errors"

	"coppice/configs"
	"coppice/tree"
)

// probeForm is a configs.Probe as it is written.
type probeForm struct {
	Kind    configs.ProbeKind `json:"kind"`
	Target  string            `json:"target,omitempty"`
	Port    int               `json:"port,omitempty"`
	Status  [][2]int          `json:"status,omitzero"`
	Program string            `json:"program,omitempty"`
	Argv    []string          `json:"argv,omitzero"`
	Timeout tree.Time         `json:"timeout,omitempty"`
}

// formProbe is the form of a probe; nil of none.
func formProbe(p *configs.Probe) *probeForm {
	if p == nil {
		return nil
	}
	return &probeForm{
		Kind: p.Kind, Target: formText(p.Target), Port: p.Port, Status: p.Status,
		Program: formText(p.Program), Argv: mapped(p.Argv, formText), Timeout: p.Timeout,
	}
}

func (f *probeForm) probe() (*configs.Probe, error) {
	if f == nil {
		return nil, nil
	}
	target, err1 := text(f.Target)
	program, err2 := text(f.Program)
	argv, err3 := tried(f.Argv, text)
	return &configs.Probe{
		Kind: f.Kind, Target: target, Port: f.Port, Status: f.Status,
		Program: program, Argv: argv, Timeout: f.Timeout,
	}, errors.Join(err1, err2, err3)
}

// readyForm is a configs.Ready as it is written.
type readyForm struct {
	Kind  configs.ReadyKind `json:"kind"`
	Probe *probeForm        `json:"probe,omitempty"`
	FD    int               `json:"fd,omitempty"`
}

// formReady is the form of a Ready; nil of none.
func formReady(r configs.Ready) *readyForm {
	if r.Kind == "" {
		return nil
	}
	return &readyForm{r.Kind, formProbe(r.Probe), r.FD}
}

func (f *readyForm) ready() (configs.Ready, error) {
	if f == nil {
		return configs.Ready{}, nil
	}
	probe, err := f.Probe.probe()
	return configs.Ready{Kind: f.Kind, Probe: probe, FD: f.FD}, err
}

// checkForm is a configs.Check as it is written.
type checkForm struct {
	Probe    *probeForm `json:"probe,omitempty"`
	Interval tree.Time  `json:"interval,omitempty"`
}

// formCheck is the form of a Check; nil of none.
func formCheck(c configs.Check) *checkForm {
	if c.Probe == nil {
		return nil
	}
	return &checkForm{formProbe(c.Probe), c.Interval}
}

func (f *checkForm) check() (configs.Check, error) {
	if f == nil {
		return configs.Check{}, nil
	}
	probe, err := f.Probe.probe()
	return configs.Check{Probe: probe, Interval: f.Interval}, err
}
