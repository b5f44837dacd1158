package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// options are the command line.
type options struct {
	only     []string  // peers; none: all
	measures []measure // none: all
	counts   []int     // of children
	rounds   int
	rest     time.Duration // before the look at memory and before idleness
	idle     time.Duration // how long idleness is watched
	budget   time.Duration // of things that are repeated in one life
	kills    int           // of a measurement of restarts, at most
	chatter  time.Duration // how long a child writes at most
	young    time.Duration // how long a child that dies at once is watched
	// daemonKills is how often a supervisor is killed under its children.
	daemonKills int
	limit       time.Duration // of one measure; of a start and of a stop, too
	most        time.Duration // after that no life is begun
	slow        time.Duration // a life that took longer is not lived again in later rounds
	coppice     string
	place       string
	json        string
	page        string
	svg         string
}

// megabytes is how much a child writes at most; that killed is how much while the daemon is killed, which takes longer.
const (
	megabytes       = 1000
	megabytesKilled = 2000
)

// parseOptions reads the arguments; help and faults of flags go to out.
func parseOptions(args []string, out io.Writer) (options, error) {
	o := options{kills: 100, slow: 15 * time.Second}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(out)
	only := flags.String("only", "", "the `peers` to measure, by commas (default all)")
	measures := flags.String("measures", "", "the `measures` to take, by commas (default all): "+join(allMeasures))
	counts := flags.String("counts", "", "the `numbers` of children, by commas (default 1,10,1000,5000,10000; with -quick 1000)")
	quick := flags.Bool("quick", false, "five minutes: one round, one thousand children, fewer of everything")
	flags.IntVar(&o.rounds, "rounds", 3, "how often everything is measured (with -quick 1); tables have median and spread")
	flags.DurationVar(&o.limit, "limit", time.Minute, "the time limit of one measurement")
	flags.DurationVar(&o.most, "time", 19*time.Minute, "the time after which nothing is begun any more")
	flags.StringVar(&o.coppice, "coppice", "", "the `program` under test (default: built from the source here)")
	flags.StringVar(&o.place, "place", "", "the `folder` that peers are installed into (default: coppice-bench in the user's cache)")
	flags.StringVar(&o.json, "json", "", "write everything that was measured to this `file`")
	flags.StringVar(&o.page, "page", "", "replace what stands between the markers of this markdown `file`")
	flags.StringVar(&o.svg, "svg", "", "draw the latencies of restarts into this `file`")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	o.only, o.counts = words(*only), []int{1, 10, 1000, 5000, 10000}
	o.rest, o.idle, o.budget = 2500*time.Millisecond, 10*time.Second, 3*time.Second
	o.chatter, o.young, o.daemonKills = time.Second, 1500*time.Millisecond, 8
	if *quick {
		o.counts, o.rest, o.idle, o.budget = []int{1000}, 2500*time.Millisecond, 2*time.Second, time.Second
		o.chatter, o.young, o.daemonKills = 500*time.Millisecond, 500*time.Millisecond, 3
		if !given(flags, "rounds") {
			o.rounds = 1
		}
	}
	return o, errors.Join(o.chooseMeasures(*measures), o.chooseCounts(*counts))
}

func (o *options) chooseMeasures(list string) error {
	for _, word := range words(list) {
		if !slices.Contains(allMeasures, measure(word)) {
			return fmt.Errorf("there is no measure %q: expected %s", word, join(allMeasures))
		}
		o.measures = append(o.measures, measure(word))
	}
	return nil
}

func (o *options) chooseCounts(list string) error {
	if list == "" {
		return nil
	}
	o.counts = nil
	for _, word := range words(list) {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 {
			return fmt.Errorf("%q is no number of children", word)
		}
		o.counts = append(o.counts, n)
	}
	slices.Sort(o.counts)
	return nil
}

// wants says whether a measure is selected.
func (o *options) wants(m measure) bool {
	return len(o.measures) == 0 || slices.Contains(o.measures, m)
}

// given says whether a flag stands on the command line.
func given(flags *flag.FlagSet, name string) bool {
	found := false
	flags.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}

// words are what stands between commas; none of "".
func words(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' })
}

func join(measures []measure) string {
	var all []string
	for _, m := range measures {
		all = append(all, string(m))
	}
	return strings.Join(all, ",")
}
