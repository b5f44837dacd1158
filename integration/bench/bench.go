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
)

// bench is one run of everything.
type bench struct {
	options  options
	programs programs
	dir      string // on tmpfs, removed at the end
	out      io.Writer
	lives    int
}

// run measures what the options ask for.
func (b *bench) run(ctx context.Context) error {
	var err error
	if b.dir, err = os.MkdirTemp(tmpfs(), "bench"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if b.programs, err = build(ctx, b.dir, b.options.coppice); err != nil {
		return err
	}
	var found []peer
	for _, p := range roster(&b.programs) {
		if len(b.options.only) > 0 && !slices.Contains(b.options.only, p.name()) {
			continue
		}
		version, err := b.install(ctx, p)
		if err != nil {
			fmt.Fprintf(b.out, "%s is missing: %v\n", p.name(), err)
			continue
		}
		fmt.Fprintf(b.out, "%s %s\n", p.name(), version)
		found = append(found, p)
	}
	for round := range b.options.rounds {
		for _, p := range found {
			if err := b.live(ctx, p, 10, round); err != nil {
				fmt.Fprintf(b.out, "%s: %v\n", p.name(), err)
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
		}
	}
	return nil
}

func (b *bench) install(ctx context.Context, p peer) (string, error) {
	dir := filepath.Join(b.options.place, p.name())
	if b.options.place == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(cache, "coppice-bench", p.name())
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	return p.install(ctx, dir)
}

// live is one life of a peer with n children.
func (b *bench) live(ctx context.Context, p peer, n, round int) (err error) {
	if t := p.terms(); t.only != nil && !slices.Contains(t.only, measureRestart) {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, b.options.limit, errors.New("its time is over"))
	defer cancel()
	b.lives++
	dir := filepath.Join(b.dir, strconv.Itoa(b.lives))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	stampsPath := filepath.Join(b.dir, "stamps")
	j := job{dir: dir, children: crowd(n, b.programs.stamp, stampsPath)}
	l, err := begin(ctx, p, j, stampsPath, func(metric string, v float64) {
		fmt.Fprintf(b.out, "%d %s %s %s %.2f\n", round, p.name(), measureRestart, metric, v)
	})
	if l != nil {
		defer func() { err = errors.Join(err, l.end()) }()
	}
	if err != nil {
		return err
	}
	if _, err := l.wait(ctx, n); err != nil {
		return err
	}
	if err := l.restart(ctx, b.options.kills, b.options.budget); err != nil {
		return err
	}
	return l.run.stop(ctx)
}

// tmpfs is a folder in memory, or the usual one for temporary files: what disks do is not what is measured.
func tmpfs() string {
	const shm = "/dev/shm"
	if info, err := os.Stat(shm); err == nil && info.IsDir() {
		return shm
	}
	return ""
}
