package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/spf13/cobra"

	"coppice/ipc"
)

// app is one run of the program: what it was told, and where it runs.
type app struct {
	world
	engine engine

	file   string
	state  string
	socket string
	json   bool
}

// execute runs one command line and returns its exit code.
func execute(args []string, w world, e engine) int {
	a := &app{world: w, engine: e}
	root := a.rootCommand()
	root.SetArgs(args)
	root.SetIn(w.in)
	root.SetOut(w.out)
	root.SetErr(w.err)
	err := root.Execute()
	a.say(err)
	return codeOf(err)
}

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "coppice",
		Short: "Runs programs under Erlang/OTP supervision",
		Long: `coppice runs a supervision tree of ordinary programs, described in a TOML file:
what dies is restarted as its supervisor's strategy says, and what dies too often
takes its supervisor with it.

The tree is coppice.toml, else Procfile, in this folder or one above; -f names
another. Its state, with the daemon's socket, lies in .coppice beside it.

Exit codes: 0 done, 1 refused or failed, 2 wrong usage or a wrong tree file,
3 no daemon runs for this tree, 4 no such name.`,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceErrors: true,
		SilenceUsage:  true,
		// So that -f before `logs` is the file, and behind it to follow.
		TraverseChildren: true,
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if _, word, found := strings.Cut(err.Error(), " in -"); found && cmd.Name() == "kill" {
			if _, wrong := signalName(word); wrong == nil {
				return usagef("%v; a signal is given by -s: `coppice kill NAME -s %s`", err, word)
			}
		}
		return usagef("%s; see `%s --help`", flagFault(err), cmd.CommandPath())
	})
	flags := root.PersistentFlags()
	flags.StringVar(&a.state, "state", "", "the state folder `DIR` (default: .coppice beside the tree file; COPPICE_STATE)")
	flags.StringVar(&a.socket, "socket", "", "the daemon's socket `PATH` (default: sock in the state folder; COPPICE_SOCKET)")
	root.AddCommand(
		a.upCommand(), a.daemonCommand(), a.downCommand(), a.statusCommand(),
		a.startCommand(), a.stopCommand(), a.restartCommand(), a.killCommand(),
		a.freezeCommand(), a.thawCommand(),
		a.startChildCommand(), a.deleteChildCommand(),
		a.reloadCommand(), a.planCommand(), a.upgradeCommand(), a.logsCommand(), a.eventsCommand(),
		a.whyCommand(), a.waitCommand(), a.checkCommand(), a.versionCommand(),
	)
	for _, cmd := range root.Commands() {
		cmd.Args = usageArgs(cmd.Args)
		a.addFile(cmd)
	}
	a.addFile(root)
	a.completeFlags(root)
	root.Args = unknownCommand
	return root
}

// addFile adds --file, with the letter f where it does not mean to follow.
func (a *app) addFile(cmd *cobra.Command) {
	const usage = "the tree `FILE` (default: coppice.toml or Procfile, here or above)"
	letter := "f"
	if cmd.Flags().ShorthandLookup(letter) != nil {
		letter = ""
	}
	cmd.Flags().StringVarP(&a.file, "file", letter, "", usage)
	_ = cmd.MarkFlagFilename("file", "toml") // the flag is ours and exists
}

// flagFault says what is wrong with a flag, without the words that Go's own packages have
// for a value that they cannot read.
func flagFault(err error) string {
	text, cause, found := strings.Cut(err.Error(), " flag: ")
	if !found {
		return err.Error()
	}
	for prefix, wanted := range map[string]string{
		"strconv.ParseInt: ":  "a whole number",
		"strconv.ParseBool: ": "true or false",
		"time: ":              "a time like 10s or 1m30s",
	} {
		if strings.HasPrefix(cause, prefix) {
			cause = "expected " + wanted
		}
	}
	return text + " flag: " + cause
}

// usageArgs makes a usage error of what is wrong with the arguments.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	if check == nil {
		check = wants(0, 0)
	}
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usagef("%v; usage: %s", err, cmd.UseLine())
		}
		return nil
	}
}

// anyNumber is for wants: as many as one likes.
const anyNumber = math.MaxInt

// wants refuses fewer or more arguments. Those that must be there are the first ones in the
// usage of a command.
func wants(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			missing := strings.Fields(cmd.Use)[1+len(args)]
			return fmt.Errorf("%s is missing", strings.TrimSuffix(missing, "..."))
		case len(args) > most && strings.HasSuffix(args[most], ".toml"):
			return fmt.Errorf("a tree file is named by --file %s", safe(args[most]))
		case len(args) > most:
			return fmt.Errorf("%q is one word too many", args[most])
		}
		return nil
	}
}

func unknownCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var known []string
	for _, cmd := range root.Commands() {
		known = append(known, cmd.Name())
	}
	if meant := nearest(args[0], known); meant != "" {
		return usagef("there is no command %s; did you mean %s?", safe(args[0]), meant)
	}
	return usagef("there is no command %s; see `coppice --help`", safe(args[0]))
}

// showsJSON adds --json to a command that lists or shows.
func (a *app) showsJSON(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().BoolVar(&a.json, "json", false, "for programs")
	return cmd
}

// runs makes a command's RunE of a function.
func runs(do func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		ctx := cmd.Context()
		if ctx == nil {
			ctx = context.Background()
		}
		return do(ctx, args)
	}
}

// document prints one JSON document.
func (a *app) document(v any) error {
	marshal := func() ([]byte, error) { return json.Marshal(v) }
	if t, ok := v.(*ipc.Tree); ok {
		marshal = func() ([]byte, error) { return ipc.EncodeTree(t) } // the same, and quicker
	}
	text, err := marshal()
	if err != nil {
		return err
	}
	text = safeJSON(text)
	var b bytes.Buffer
	b.Grow(2 * len(text)) // nearly always
	if err := json.Indent(&b, text, "", "  "); err != nil {
		return err
	}
	b.WriteByte('\n')
	return a.write(b.Bytes())
}

// ndjson prints one line of JSON.
func (a *app) ndjson(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return a.write(append(safeJSON(text), '\n'))
}

func (a *app) print(text string) error {
	_, err := io.WriteString(a.out, text)
	return written(err)
}

func (a *app) write(text []byte) error {
	_, err := a.out.Write(text)
	return written(err)
}

func written(err error) error {
	if err != nil {
		return fmt.Errorf("cannot write the answer: %w", err)
	}
	return nil
}

// note tells something beside the answer.
func (a *app) note(format string, args ...any) {
	fmt.Fprintln(a.err, "coppice: "+safe(strings.TrimRight(fmt.Sprintf(format, args...), "\n")))
}

func (a *app) page() page {
	return page{width: a.width, brush: brush(a.colour()), now: a.now()}
}
