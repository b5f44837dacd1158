package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"coppice/configs"
	"coppice/tree"
)

func (a *app) checkCommand() *cobra.Command {
	return a.showsJSON(&cobra.Command{
		Use:   "check",
		Short: "Validates the tree file",
		Long:  "Validates the tree file without starting anything. A wrong one is exit code 2 and\nevery fault, with its place, on stderr.",
		Args:  wants(0, 0),
		RunE:  runs(func(context.Context, []string) error { return a.check() }),
	})
}

// load reads and validates the tree file.
func (a *app) load() (*configs.Config, error) {
	file, err := a.treeFile()
	if err != nil {
		return nil, err
	}
	return a.loadFile(file)
}

// loadFile is load for a file that is found already. A file that cannot be read
// is as wrong as one with faults.
func (a *app) loadFile(file string) (*configs.Config, error) {
	config, err := configs.Load(file, a.environ)
	if err != nil && codeOf(err) == exitRefused {
		return nil, &usageError{err.Error()}
	}
	return config, err
}

func (a *app) check() error {
	config, err := a.load()
	if err != nil {
		return err
	}
	var n census
	n.count(config.Spec)
	if a.json {
		return a.document(map[string]any{
			"name": config.Name, "file": config.Path,
			"processes": n.processes, "supervisors": n.supervisors, "templates": n.templates,
		})
	}
	text := counted(n.processes, "process", "processes") + ", " + counted(n.supervisors, "supervisor", "supervisors")
	if n.templates > 0 {
		text += ", " + counted(n.templates, "template", "templates")
	}
	return a.print(fmt.Sprintf("%s is right: %s in tree %s\n", safe(config.Path), text, safe(config.Name)))
}

// census is how many of each kind a tree has.
type census struct{ processes, supervisors, templates int }

func (n *census) count(spec tree.ChildSpec) {
	switch {
	case spec.Type == tree.Process:
		n.processes++
		return
	case spec.Flags.Strategy == tree.SimpleOneForOne:
		n.supervisors++
		n.templates++
		return
	}
	n.supervisors++
	for _, child := range spec.Children {
		n.count(child)
	}
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
