package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// bench is one run of everything.
type bench struct {
	options  options
	programs programs
	dir      string    // on tmpfs, removed at the end
	progress io.Writer // a line for each life
	lives    int
	record   record
}

// errTime is why something has no value that took too long.
var errTime = errors.New("its time is over")

// run measures what the options ask for. After an interrupt the record has what was measured until then.
func (b *bench) run(ctx context.Context) error {
	b.record = record{Began: time.Now().UTC(), Idle: b.options.idle, Machine: thisMachine()}
	var err error
	if b.dir, err = os.MkdirTemp(tmpfs(), "bench"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if err := os.Chmod(b.dir, 0o755); err != nil { // some peers run children as somebody else
		return err
	}
	if b.programs, err = build(ctx, b.dir, b.options.coppice); err != nil {
		return err
	}
	peers, err := b.find(ctx)
	if err != nil {
		return err
	}
	begin := time.Now()
	defer func() { b.record.Took = time.Since(begin).Round(time.Second) }()
	turns := turnsOf(&b.options, peers)
	for round := 1; round <= b.options.rounds; round++ {
		if turns, err = b.round(ctx, turns, round, begin.Add(b.options.most)); err != nil {
			return err
		}
	}
	return nil
}

// round takes all turns until the time is over, and returns those that are worth another round.
func (b *bench) round(ctx context.Context, turns []turn, round int, end time.Time) ([]turn, error) {
	var again []turn
	for _, t := range turns {
		measures := t.inRound(round)
		if len(measures) == 0 {
			continue
		}
		if time.Now().After(end) {
			if round == 1 {
				b.failed(t.about(measures[0]), round, errors.New("the time for all (-time) was over before"))
			}
			continue
		}
		from := time.Now()
		b.live(ctx, t, round)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		took := time.Since(from)
		fmt.Fprintf(b.progress, "round %d, %d children, %s: %s in %.1f s\n", round, t.had(), t.peer.name(), join(measures), took.Seconds())
		b.record.Rounds = round
		if slices.Contains(measures, measureIdle) {
			took -= b.options.idle
		}
		if took < b.options.slow {
			again = append(again, t)
		}
	}
	return again, nil
}

// failed notes why something has no value.
func (b *bench) failed(about subject, round int, err error) {
	b.record.Troubles = append(b.record.Troubles, trouble{about, round, short(err)})
	fmt.Fprintf(b.progress, "%s, %d children, %s: %s\n", about.Peer, about.children(), about.Measure, short(err))
}

// find installs the peers that are selected.
func (b *bench) find(ctx context.Context) ([]peer, error) {
	all := roster(&b.programs)
	for _, name := range b.options.only {
		if !slices.ContainsFunc(all, func(p peer) bool { return p.name() == name }) {
			return nil, fmt.Errorf("there is no peer %q", name)
		}
	}
	var found []peer
	for _, p := range all {
		if len(b.options.only) > 0 && !slices.Contains(b.options.only, p.name()) {
			continue
		}
		version, err := b.install(ctx, p)
		e := entrant{Name: p.name(), Version: version}
		if err != nil {
			e.Missing = err.Error()
			fmt.Fprintf(b.progress, "%s is missing: %v\n", p.name(), err)
		} else {
			e.Delay = p.terms().delay
			found = append(found, p)
		}
		b.record.Entrants = append(b.record.Entrants, e)
	}
	return found, ctx.Err()
}

func (b *bench) install(ctx context.Context, p peer) (string, error) {
	place := b.options.place
	if place == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		place = filepath.Join(cache, "coppice-bench")
	}
	dir, err := filepath.Abs(filepath.Join(place, p.name()))
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	return p.install(ctx, dir)
}

// live is one life of a peer. What goes wrong is in the record.
func (b *bench) live(ctx context.Context, t turn, round int) {
	failed := func(m measure, err error) { b.failed(t.about(m), round, err) }
	var measures []measure
	for _, m := range t.inRound(round) {
		if why, ok := t.peer.terms().not[m]; ok {
			failed(m, errors.New(why))
			continue
		}
		measures = append(measures, m)
	}
	if len(measures) == 0 {
		return
	}
	begun, cancel := context.WithTimeoutCause(ctx, b.options.limit, errTime)
	defer cancel()
	l, err := b.begin(begun, t, measures[0])
	if l != nil {
		defer func() {
			if err := l.end(); err != nil {
				failed(measures[0], err)
			}
		}()
	}
	if err != nil {
		failed(measures[0], fmt.Errorf("start: %w", err))
		return
	}
	about := t.about(measures[0])
	l.note = func(metric string, v float64) {
		b.record.Samples = append(b.record.Samples, sample{about, metric, round, v})
	}
	if slices.Contains(soloMeasures, measures[0]) {
		if err := b.solo(begun, l, measures[0]); err != nil {
			failed(measures[0], err)
		}
		return
	}
	if m, err := l.crowd(ctx, measures, func(m measure) { about.Measure = m }); err != nil {
		failed(m, err)
	}
}

// begin makes the folder of a life and starts it.
func (b *bench) begin(ctx context.Context, t turn, first measure) (*life, error) {
	b.lives++
	dir := filepath.Join(b.dir, strconv.Itoa(b.lives))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	stampsPath := filepath.Join(b.dir, "stamps")
	j := job{dir: dir, children: crowd(t.had(), b.programs.stamp, stampsPath)}
	switch first {
	case measureYoung:
		j.young = true
		j.children = crowd(1, b.programs.stamp, stampsPath, "young")
	case measureLog:
		j = chatterJob(dir, b.programs.chatter, stampsPath, b.gate(), megabytes, blockBytes, b.options.chatter)
	case measureLines:
		j = chatterJob(dir, b.programs.chatter, stampsPath, b.gate(), megabytes, lineBytes, b.options.chatter)
	case measureLogKill:
		const asLongAsKills = 3 * time.Second
		j = chatterJob(dir, b.programs.chatter, stampsPath, b.gate(), megabytesKilled, blockBytes, asLongAsKills)
	}
	if j.output != nil {
		_ = os.Remove(b.gate())
		if err := unix.Mkfifo(b.gate(), 0o666); err != nil {
			return nil, os.NewSyscallError("mkfifo", err)
		}
	}
	return begin(ctx, t.peer, j, stampsPath, b.options)
}

// gate is the FIFO that a chatter waits for.
func (b *bench) gate() string { return filepath.Join(b.dir, "gate") }

// solo takes a measure that has a life of its own.
func (b *bench) solo(ctx context.Context, l *life, m measure) error {
	switch m {
	case measureYoung:
		if err := l.young(ctx); err != nil {
			return err
		}
		return l.run.stop(ctx)
	case measureLogKill:
		if d, ok := l.run.(mortal); ok {
			return l.chatter(ctx, b.gate(), killMeanwhile(d))
		}
		return errImmortal
	}
	return l.chatter(ctx, b.gate(), nil)
}

// tmpfs is a folder in memory, or "", the usual one for temporary files: what disks do is not what is measured.
func tmpfs() string {
	const shm = "/dev/shm"
	if unix.Access(shm, unix.W_OK|unix.X_OK) == nil {
		return shm
	}
	return ""
}

// short is an error in one line that fits a table.
func short(err error) string {
	const most = 200
	line := []rune(fmt.Sprintf("%v", err))
	for i, r := range line {
		if r == '\n' {
			line[i] = ' '
		}
	}
	if len(line) > most {
		line = append(line[:most], '…')
	}
	return string(line)
}
