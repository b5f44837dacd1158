package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	o, err := parseOptions(os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	b := &bench{options: o, progress: os.Stderr}
	err = b.run(ctx)
	stop()
	fmt.Print(b.record.text())
	if err == nil {
		err = b.write()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// write writes the files that were asked for.
func (b *bench) write() error {
	var errs []error
	if b.options.json != "" {
		errs = append(errs, b.record.writeJSON(b.options.json))
	}
	if b.options.page != "" {
		errs = append(errs, b.record.writePage(b.options.page, b.options.svg))
	}
	if b.options.svg != "" {
		errs = append(errs, b.record.writeSVG(b.options.svg))
	}
	return errors.Join(errs...)
}
