package journal

import (
	"errors"

	"coppice/configs"
	"coppice/tree"
)

// besideForm are the commands beside a process as they are written.
type besideForm struct {
	BeforeStart   *commandForm `json:"before_start,omitempty"`
	AfterExit     *commandForm `json:"after_exit,omitempty"`
	ReloadSignal  string       `json:"reload_signal,omitempty"`
	ReloadCommand *commandForm `json:"reload_command,omitempty"`
}

type commandForm struct {
	Program string    `json:"program"`
	Argv    []string  `json:"argv"`
	Limit   tree.Time `json:"limit"`
}

func formBeside(s *configs.Settings) besideForm {
	return besideForm{
		BeforeStart: formCommand(s.Hooks.BeforeStart), AfterExit: formCommand(s.Hooks.AfterExit),
		ReloadSignal: s.Reload.Signal, ReloadCommand: formCommand(s.Reload.Command),
	}
}

func formCommand(c *configs.Command) *commandForm {
	if c == nil {
		return nil
	}
	return &commandForm{formText(c.Program), mapped(c.Argv, formText), c.Limit}
}

func (f *besideForm) read(s *configs.Settings) error {
	var errs [3]error
	s.Reload.Signal = f.ReloadSignal
	s.Hooks.BeforeStart, errs[0] = f.BeforeStart.read()
	s.Hooks.AfterExit, errs[1] = f.AfterExit.read()
	s.Reload.Command, errs[2] = f.ReloadCommand.read()
	return errors.Join(errs[:]...)
}

var errNoCommand = errors.New("a command has no program, or no time")

func (f *commandForm) read() (*configs.Command, error) {
	if f == nil {
		return nil, nil
	}
	program, err1 := text(f.Program)
	argv, err2 := tried(f.Argv, text)
	c := &configs.Command{Program: program, Argv: argv, Limit: f.Limit}
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	if program == "" || len(argv) == 0 || f.Limit <= 0 {
		return nil, errNoCommand
	}
	return c, nil
}
