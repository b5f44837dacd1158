package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"coppice/ipc"
)

func (a *app) killCommand() *cobra.Command {
	signal, all := "SIGTERM", false
	cmd := &cobra.Command{
		Use:   "kill NAME",
		Short: "Sends a signal to a process",
		Long: `Sends a signal to the main process of a node, with --all to its whole group.
Coppice does nothing else: when the process ends, it is an end nobody asked for.`,
		Args: func(cmd *cobra.Command, args []string) error {
			err := wants(1, 1)(cmd, args)
			if len(args) == 2 {
				if _, wrong := signalName(args[1]); wrong == nil {
					return fmt.Errorf("%w; a signal is given by -s: `coppice kill %s -s %s`", err, safe(args[0]), safe(args[1]))
				}
			}
			return err
		},
		ValidArgsFunction: a.completeNames,
		RunE: runs(func(ctx context.Context, args []string) error {
			name, err := signalName(signal)
			if err != nil {
				return err
			}
			return a.each(ctx, args, ipc.Command{Verb: "kill", Signal: name, All: all})
		}),
	}
	cmd.Flags().StringVarP(&signal, "signal", "s", signal, "the `SIG`nal: HUP, SIGHUP or 1")
	cmd.Flags().BoolVar(&all, "all", false, "send it to every process of its group")
	return a.showsJSON(cmd)
}

// The real-time signals that programs may use (signal(7)).
const (
	realTimeMin = 34
	realTimeMax = 64
)

// signalName is the full name of a signal that was given by name or number.
func signalName(text string) (string, error) {
	name := strings.ToUpper(text)
	if n, err := strconv.Atoi(text); err == nil {
		name = unix.SignalName(syscall.Signal(n))
		if n >= realTimeMin && n <= realTimeMax {
			name = fmt.Sprintf("SIGRTMIN+%d", n-realTimeMin)
		}
	} else if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	// The daemon knows the real-time signals by their distance to the first.
	if unix.SignalNum(name) == 0 && !strings.HasPrefix(name, "SIGRT") {
		return "", usagef("there is no signal %s; signals are named like HUP, SIGHUP or 1", safe(text))
	}
	return name, nil
}
