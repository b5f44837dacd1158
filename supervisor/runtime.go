package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"

	"coppice/configs"
	"coppice/ipc"
	"coppice/supervisor/logs"
	"coppice/supervisor/probe"
	"coppice/supervisor/process"
	"coppice/supervisor/usage"
	"coppice/supervisor/watch"
	"coppice/tree"
)

// Folders are where one tree keeps what outlives a process. They may be the
// same folder; Run creates them with mode 0700.
type Folders struct {
	// Run has the socket and the lock.
	Run string
	// Record has the event record and the tree as it was loaded last.
	Record string
	// Logs has a folder for each process: NAME/current.
	Logs string
}

// Options are what Run is told. Config and Folders are required.
type Options struct {
	Config  *configs.Config
	Folders Folders
	// Echo gets the output of all processes, a line at a time behind the name;
	// nil: nobody does.
	Echo io.Writer
	// Colour tells the names in Echo apart by colour.
	Colour bool
	// Watch reloads when the tree file changes.
	Watch bool
	// Foreground takes a hang-up of the terminal for a stop; without it SIGHUP
	// means reload, as for any daemon.
	Foreground bool
	// Log is told what happens; nil is nobody.
	Log     *zap.Logger
	Version string
	// Started, if set, is called once: with nil when the start of the tree is
	// complete, with the reason when it failed.
	Started func(error)
}

// runtime is the daemon. The fields of the first group never change; those of
// the second belong to the loop.
type runtime struct {
	opts       Options
	log        *zap.Logger
	origin     time.Time // of tree.Time
	startedAt  time.Time
	reaper     *process.Reaper
	store      *logs.Store
	closeStore func()
	tcp        *probe.TCP
	notify     *probe.Notify
	watcher    *watch.Watcher
	record     *record
	meter      usage.Meter

	facts   chan []process.Fact
	ready   chan tree.Ref
	changed chan string
	asked   chan func()
	signals chan os.Signal
	booted  chan struct{}   // closed when bootErr is set
	done    chan struct{}   // closed when the loop has ended
	ended   context.Context // done, as a context
	end     context.CancelFunc
	// loadingMu makes reloads take effect in the order in which they read the file.
	loadingMu sync.Mutex

	zero     time.Time // of tree.Time, on the wall clock
	tree     *tree.Tree
	config   *configs.Config
	queue    []tree.Event // what the loop found out itself
	waiters  map[uint64]func(tree.Reply)
	lastCall uint64
	halted   *tree.Halt
	bootErr  error
	down     bool
	hangsUp  bool // a hang-up is to be obeyed: the daemon was not started to ignore it
}

// Run runs a tree until it ends, and returns the exit code that tells how: 0
// after a stop that was asked for, 1 when the root gave up or did not start,
// after the root's auto_shutdown the code of the process whose end caused it.
// The error, if any, says in words why the tree ended, or why it did not even
// begin: a *ipc.HeldError when another daemon runs it.
func Run(opts Options) (int, error) {
	hangsUp := !signal.Ignored(syscall.SIGHUP)
	if err := process.Sanitize(); err != nil {
		return 1, err
	}
	listener, err := ipc.Listen(opts.Folders.Run)
	if err != nil {
		return 1, err
	}
	defer listener.Release()
	r, err := newRuntime(opts)
	if err != nil {
		return 1, err
	}
	defer r.close()
	r.hangsUp = hangsUp

	server := ipc.NewServer(r, ipc.ServerOptions{})
	serving := make(chan error, 1)
	go func() { serving <- server.Serve(listener) }()
	go r.reaper.Run()

	r.loop()
	r.end()
	r.record.end()
	r.closeStore() // whoever follows is shown what is left

	// Who waits for the end is answered before the socket goes away; who does
	// not read its answer is not waited for long.
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := errors.Join(server.Shutdown(ctx), <-serving); err != nil {
		r.log.Warn("cannot end all connections in order", zap.Error(err))
	}
	return r.verdict()
}

func newRuntime(opts Options) (*runtime, error) {
	if err := checkTree(opts.Config); err != nil {
		return nil, err
	}
	for _, dir := range []string{opts.Folders.Record, opts.Folders.Logs} {
		if err := ipc.MakeFolder(dir); err != nil {
			return nil, err
		}
	}
	r := &runtime{
		opts: opts, log: opts.Log, origin: time.Now(), startedAt: time.Now(),
		facts:   make(chan []process.Fact, 16), // the reaper goes on while the loop works
		ready:   make(chan tree.Ref),
		changed: make(chan string),
		asked:   make(chan func()),
		signals: make(chan os.Signal, 8), // a signal must not be missed while the loop works
		booted:  make(chan struct{}),
		done:    make(chan struct{}),
		tree:    tree.New(opts.Config.Spec, tree.Options{}),
		config:  opts.Config,
		waiters: map[uint64]func(tree.Reply){},
	}
	r.ended, r.end = context.WithCancel(context.Background())
	if r.log == nil {
		r.log = zap.NewNop()
	}
	if err := r.open(); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// open opens what the runtime uses. Its parts speak to the loop through
// channels that nobody reads once the loop has ended.
func (r *runtime) open() error {
	var err error
	if r.record, err = openRecord(r.opts.Folders.Record); err != nil {
		return err
	}
	if err = r.keepTree(r.config); err != nil {
		return err
	}
	r.store, err = logs.Open(r.opts.Folders.Logs, logs.Options{
		Echo: r.echo(), MaxTotal: r.config.LogTotal,
		OnTrouble: func(name string, err error) {
			r.log.Warn("cannot capture all output", zap.String("node", name), zap.Error(err))
		},
	})
	if err != nil {
		return err
	}
	r.closeStore = sync.OnceFunc(r.store.Close)
	r.reaper = process.New(func(facts []process.Fact) { offer(r, r.facts, facts) })
	ready := func(ref tree.Ref) { offer(r, r.ready, ref) }
	r.tcp = probe.NewTCP(ready)
	stranger := func(ref tree.Ref, pid int) {
		r.log.Warn("a stranger sent a notification, it is ignored", zap.String("node", ref.ID), zap.Int("pid", pid))
	}
	if r.notify, err = probe.NewNotify(ready, stranger); err != nil {
		return err
	}
	r.watcher, err = watch.New(
		func(name string) { offer(r, r.changed, name) },
		func(err error) { r.log.Warn("cannot watch all files", zap.Error(err)) },
	)
	return err
}

// offer sends to the loop, or to nobody once it has ended.
func offer[T any](r *runtime, to chan T, v T) {
	select {
	case to <- v:
	case <-r.done:
	}
}

// echo is what shows the children's output in the foreground.
func (r *runtime) echo() *logs.Echo {
	if r.opts.Echo == nil {
		return nil
	}
	width := max(r.opts.Config.LongestName(), len("coppice")) // whose own lines stand among them
	return &logs.Echo{Out: r.opts.Echo, Colour: r.opts.Colour, Width: width}
}

// close ends what open has begun, as far as it came.
func (r *runtime) close() {
	if r.watcher != nil {
		r.watcher.Close()
	}
	if r.tcp != nil {
		r.tcp.Close()
	}
	if r.notify != nil {
		r.notify.Close()
	}
	if r.reaper != nil {
		r.reaper.Close()
	}
	if r.store != nil {
		r.closeStore()
	}
	if r.record != nil {
		r.record.close()
	}
}

// verdict is the exit code of a tree that has ended, and why it did.
func (r *runtime) verdict() (int, error) {
	h := r.halted
	switch h.Reason {
	case tree.HaltShutdown:
		return 0, nil
	case tree.HaltGaveUp:
		return 1, fmt.Errorf("%s gave up: %s needed more than %d restarts in %s%s",
			r.config.Spec.ID, h.Child, h.Limit.Intensity, configs.Brief(h.Limit.Period), lastWords(h))
	case tree.HaltStartFailed:
		return 1, fmt.Errorf("cannot start the tree: %s", h.Cause)
	}
	return exitCode(h.Exit), nil
}

// lastWords names the process whose end was the last straw.
func lastWords(h *tree.Halt) string {
	if h.Process == "" || h.Exit == nil {
		return ""
	}
	return fmt.Sprintf("; the last end: %s, %s", h.Process, h.Exit)
}

// exitCode is a process's end as an exit code of ours: 128+N for a signal, as
// shells tell it; 1 where no process ended.
func exitCode(e *tree.Exit) int {
	if e == nil {
		return 1
	}
	if e.Signal == "" {
		return e.Code
	}
	n, _ := process.SignalNumber(e.Signal)
	return 128 + int(n)
}

// checkTree refuses a tree that cannot be run: one that the core finds fault
// with (the tree file's reader should have, with a place), and one whose children
// cost more descriptors than the daemon may have: those of their logs and, where
// a child says itself that it is ready, a socket.
func checkTree(c *configs.Config) error {
	if faults := tree.Check(c.Spec); len(faults) > 0 {
		return fmt.Errorf("cannot run the tree: %s: %s: %s", faults[0].ID, faults[0].Key, faults[0].Text)
	}
	children, descriptors := 0, 0
	for s := range c.Processes() {
		children++
		descriptors += logs.PerChild
		if s.Start.(*configs.Process).Log.Split {
			descriptors += logs.PerChild
		}
		if s.Start.(*configs.Process).Ready.Kind == configs.ReadyNotify {
			descriptors++
		}
	}
	// A log file is open only while its process speaks, with its index.
	return process.CheckDescriptors(children, descriptors+min(logs.Fixed, 2*children))
}
