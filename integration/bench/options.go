package main

import (
	"flag"
	"fmt"
	"io"
	"strings"
	"time"
)

// options are the command line.
type options struct {
	only    []string // peers; none: all
	rounds  int
	kills   int // of a restart measurement, at most
	budget  time.Duration
	limit   time.Duration
	coppice string
	place   string
}

// parseOptions reads the arguments; what is wrong with them it also says on errors.
func parseOptions(args []string, errors io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(errors)
	only := flags.String("only", "", "the `peers` to measure, by commas (default: all)")
	flags.IntVar(&o.rounds, "rounds", 3, "how often everything is measured; tables show the median and the spread")
	flags.StringVar(&o.coppice, "coppice", "", "the `program` under test (default: built from the source here)")
	flags.StringVar(&o.place, "place", "", "the `folder` that peers are installed into (default: coppice-bench in the user's cache)")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	o.only = words(*only)
	o.kills, o.budget, o.limit = 100, 5*time.Second, time.Minute
	return o, nil
}

// words are what stands between commas.
func words(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' })
}
