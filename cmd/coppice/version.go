package main

import (
	"context"
	"runtime"

	"github.com/spf13/cobra"
)

func (a *app) versionCommand() *cobra.Command {
	return a.showsJSON(&cobra.Command{
		Use:   "version",
		Short: "Says which coppice this is",
		Args:  wants(0, 0),
		RunE: runs(func(context.Context, []string) error {
			if a.json {
				return a.document(map[string]string{"version": version, "go": runtime.Version()})
			}
			return a.print("coppice " + version + "\n")
		}),
	})
}
