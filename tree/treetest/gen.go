package treetest

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"coppice/tree"
)

// Generated is a scenario made from a seed.
type Generated struct {
	Seed uint64
	// Text is the scenario, Trace the tree's own trace of it.
	Text, Trace string
	// Rejected counts the candidates before it that were too dull, too long, or
	// whose outcome depends on the order in which supervisors get to work.
	Rejected int
	// Err is what went wrong while the tree played it, if anything.
	Err error
}

// The lengths of a trace that is worth comparing.
const (
	eventsMin = 12
	eventsMax = 400
)

// Generate makes the scenario of a seed; timed ones let the clock of the
// restart windows advance.
func Generate(seed uint64, timed bool) Generated {
	for attempt := uint64(0); ; attempt++ {
		g := &generator{rand: rand.New(rand.NewPCG(seed, attempt)), timed: timed, nodes: 18, scripts: map[string]string{}}
		text, trace, err := g.scenario()
		made := Generated{Seed: seed, Text: text, Trace: trace, Rejected: int(attempt), Err: err}
		if err != nil {
			return made
		}
		n := countEvents(trace)
		if n < eventsMin || n > eventsMax || g.play.forked {
			continue
		}
		if same, err := Settled(text, trace); err != nil || same {
			made.Err = err
			return made
		}
	}
}

// Settled says whether a scenario has the same trace under other schedules.
func Settled(text, trace string) (bool, error) {
	schedules := []Schedule{DeepestFirst, HighestFirst}
	for seed := range uint64(5) {
		schedules = append(schedules, AnyOrder(seed))
	}
	for _, s := range schedules {
		sc, err := ParseScenario(text)
		if err != nil {
			return false, err
		}
		other, err := Trace(sc, s)
		if err != nil || other != trace {
			return false, err
		}
	}
	return true, nil
}

// countEvents counts the lines of a trace that tell what a supervisor did.
func countEvents(trace string) int {
	n := 0
	for line := range strings.Lines(trace) {
		switch word, _, _ := strings.Cut(line, " "); word {
		case ">", ">>", "reply", "state":
		default:
			n++
		}
	}
	return n
}

// generator makes one candidate. It plays what it has written so far on the
// tree, to write about what is there.
type generator struct {
	rand    *rand.Rand
	timed   bool
	nodes   int // how many more nodes there may be
	names   int
	depth   int // how deep supervisors nest
	harsh   int // per cent of processes that are scripted to misbehave
	lines   []string
	scripts map[string]string // how each process behaves, for an upgrade to repeat
	play    *Play
	clock   int // milliseconds
}

func (g *generator) scenario() (text, trace string, err error) {
	g.depth = 1 + g.rand.IntN(3)
	g.harsh = []int{5, 25, 50, 80}[g.rand.IntN(4)]
	g.lines = []string{header}
	g.supervisor("", "never", 1)
	g.lines = append(g.lines, "do")
	sc, err := ParseScenario(strings.Join(g.lines, "\n"))
	if err != nil {
		return g.text(), "", err
	}
	g.play = NewPlay(sc, nil)
	g.play.Boot()
	for n := 4 + g.rand.IntN(10); n > 0; n-- {
		if g.play.over() {
			n = min(n, 2)
		}
		if err := g.happen(g.stimulus()); err != nil {
			return g.text(), "", err
		}
	}
	if err := g.happen([]string{"shutdown"}); err != nil {
		return g.text(), "", err
	}
	trace, err = g.play.Result()
	return g.text(), trace, err
}

func (g *generator) text() string { return strings.Join(g.lines, "\n") + "\n" }

// happen writes a stimulus down and plays it.
func (g *generator) happen(lines []string) error {
	if len(lines) == 0 {
		return nil
	}
	stim, _, err := parseStimulus(lines)
	if err != nil {
		return err
	}
	g.lines = append(g.lines, lines...)
	g.play.Do(stim)
	return nil
}

// pick takes one word of "word:weight word:weight".
func (g *generator) pick(choices string) string {
	words := strings.Fields(choices)
	sum := 0
	for _, w := range words {
		sum += weight(w)
	}
	n := g.rand.IntN(sum)
	for _, w := range words {
		if n -= weight(w); n < 0 {
			word, _, _ := strings.Cut(w, ":")
			return word
		}
	}
	panic("cannot pick from " + choices)
}

func weight(choice string) int {
	_, w, _ := strings.Cut(choice, ":")
	n, err := strconv.Atoi(w)
	if err != nil {
		panic("no weight in " + choice)
	}
	return n
}

// chance is true that many times in a hundred.
func (g *generator) chance(percent int) bool { return g.rand.IntN(100) < percent }

func one[T any](g *generator, of []T) T { return of[g.rand.IntN(len(of))] }

func (g *generator) name(prefix string) string {
	g.names++
	return prefix + strconv.Itoa(g.names)
}

// stimulus writes what happens next.
func (g *generator) stimulus() []string {
	workers, sups := g.living()
	if len(sups) == 0 {
		return []string{one(g, []string{"exit w1 crash", "terminate_child root w1", "start_child root x1"})}
	}
	if g.timed && g.chance(30) {
		return g.at()
	}
	switch what := g.pick("exit:42 burst:12 call:26 batch:16 upgrade:4"); {
	case what == "batch":
		return g.batch(one(g, sups))
	case what == "upgrade":
		return g.upgrade(one(g, sups))
	case what == "call" || len(workers) == 0:
		return []string{g.call(one(g, sups))}
	case what == "burst":
		return g.burst(one(g, workers))
	}
	return []string{g.exit(one(g, workers))}
}

// living are the processes and the supervisors that run, by name.
func (g *generator) living() (workers, sups []string) {
	if g.play.over() {
		return nil, nil
	}
	for name, n := range g.play.nodes {
		switch {
		case n.Spec.Type == tree.Supervisor && g.play.up(name):
			sups = append(sups, name)
		case n.Spec.Type == tree.Process && g.play.live(name) != nil:
			workers = append(workers, name)
		}
	}
	slices.Sort(workers)
	slices.Sort(sups)
	return workers, sups
}

func (g *generator) exit(name string) string {
	return "exit " + name + " " + g.pick("crash:48 normal:24 kill:15 shutdown:13")
}

// burst makes the same process end several times.
func (g *generator) burst(name string) []string {
	for range 1 + g.rand.IntN(3) {
		if g.play.live(name) == nil {
			return nil
		}
		if err := g.happen([]string{"exit " + name + " crash"}); err != nil {
			panic(err)
		}
	}
	return nil
}

// at lets time pass, well away from the whole seconds that OTP counts in.
func (g *generator) at() []string {
	g.clock = g.clock/500*500 + 200 + 500*(1+g.rand.IntN(4))
	return []string{"at " + strconv.Itoa(g.clock)}
}
