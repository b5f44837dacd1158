package supervisor

import (
	"context"
	"fmt"
	"io"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"

	"coppice/configs"
	"coppice/ipc"
	"coppice/supervisor/footprint"
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

// Options are what Run is told. Load and Folders are required.
type Options struct {
	// Load reads the tree file. It is called when a fresh tree is to be started,
	// and not when there is one to go on with. Its error is returned as it is.
	Load    func() (*configs.Config, error)
	Folders Folders
	// Detached says that nobody waits for this process, or its keeper.
	Detached bool
	// Echo gets the output of all processes, a line at a time behind the name;
	// nil: nobody does.
	Echo io.Writer
	// Colour tells the names in Echo apart by colour.
	Colour bool
	// NoCgroups leaves cgroups alone, as where there are none.
	NoCgroups bool
	// Watch reloads when the tree file changes.
	Watch bool
	// Foreground takes a hang-up of the terminal for a stop; without it SIGHUP
	// means reload, as for any daemon.
	Foreground bool
	// Log makes what is told of all that happens; nil: nobody is.
	Log     func(*configs.Config) *zap.Logger
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
	startedAt  time.Time
	treeID     string // the first part of the mark that children carry
	keeping    *keeping
	listener   *ipc.Listener
	reaper     *process.Reaper
	store      *logs.Store
	closeStore func()
	prober     *probe.Prober
	cgroups    *process.Cgroups // nil: there are none, and noCgroups says why
	noCgroups  string
	reaping    bool               // the reaper runs
	strangers  []process.Identity // children of the keeper's process that are none of the tree's
	notify     *probe.Notify
	stored     *fdStore
	watcher    *watch.Watcher
	record     *record
	meter      usage.Meter
	heap       footprint.Heap

	turn    turn
	said    chan probe.Said
	answers chan probe.Answer
	changed chan string
	asked   chan func()
	signals chan heardSignal
	booted  chan struct{}   // closed when bootErr is set
	done    chan struct{}   // closed when the loop has ended
	ended   context.Context // done, as a context
	end     context.CancelFunc
	// loadingMu makes reloads take effect in the order in which they read the file.
	loadingMu sync.Mutex

	clock
	wanted
	tree       *tree.Tree
	searches   map[tree.Ref]*logs.Search // of those that are ready by their log
	adoptees   map[tree.Ref]bool         // processes of earlier daemons
	foreign    map[tree.Ref]bool         // those of them that are no child of the keeper's
	upgraded   *ipc.UpgradeResult
	early      []syscall.Signal // that were sent to an earlier daemon
	unattended bool
	leaving    bool         // another process goes on: nothing is to be ended
	relieved   bool         // … and that is another keeper's
	keeperless bool         // the keeper is gone, and its place could not be taken yet
	queue      []tree.Event // what the loop found out itself
	jobs       jobs
	hooks      hooks
	reloads    reloads
	waiters    map[uint64]func(tree.Reply)
	dead       map[string]bool // they have ended, and may come again
	timer      *time.Timer     // to the tree's next deadline
	inTurn     bool            // a step is taken by the reaper's goroutine
	rest       []tree.Output   // of steps that were taken and are not finished
	ahead      []string        // they are being started, and what comes next is to be prepared
	prepared   map[string]bool // what the start to come needs was made; true: its cgroup, too
	lastCall   uint64
	halted     *tree.Halt
	bootErr    error
	down       bool
	hangsUp    bool // a hang-up is to be obeyed: the daemon was not started to ignore it
}

func newRuntime(opts Options) (*runtime, error) {
	for _, dir := range []string{opts.Folders.Record, opts.Folders.Logs} {
		if err := ipc.MakeFolder(dir); err != nil {
			return nil, err
		}
	}
	var id string
	var err error
	if c, ok := Charged(); ok {
		// The folder may have been removed meanwhile, the processes have not.
		id, opts.Detached = c.TreeID, c.Detached
	} else if id, err = treeID(opts.Folders.Record); err != nil {
		return nil, err
	}
	c, err := newClock()
	if err != nil {
		return nil, err
	}
	r := &runtime{
		opts: opts, log: zap.NewNop(), startedAt: time.Now(), treeID: id, keeping: joined(), clock: c,
		turn:    turn{ring: make(chan struct{}, 1)},
		said:    make(chan probe.Said),
		answers: make(chan probe.Answer),
		changed: make(chan string),
		asked:   make(chan func()),
		signals: make(chan heardSignal, 8), // a signal must not be missed while the loop works
		booted:  make(chan struct{}),
		done:    make(chan struct{}),
		jobs:    jobs{done: map[process.JobID]func(process.JobDone){}},
		hooks:   hooks{},
		reloads: reloads{running: map[process.JobID]tree.Ref{}, output: map[uint64]string{}},
		waiters: map[uint64]func(tree.Reply){}, prepared: map[string]bool{}, dead: map[string]bool{}, searches: map[tree.Ref]*logs.Search{}, adoptees: map[tree.Ref]bool{}, foreign: map[tree.Ref]bool{},
	}
	r.ended, r.end = context.WithCancel(context.Background())
	return r, nil
}

// open opens what it takes to run the configuration that is wanted. Its parts
// speak to the loop through channels that nobody reads once the loop has ended.
func (r *runtime) open() error {
	if r.opts.Log != nil {
		r.log = r.opts.Log(r.config)
	}
	_, descriptors := costOf(r.config)
	process.ReserveDescriptors(descriptors)
	r.record.onTrouble = r.recordTrouble
	if err := r.keepTree(r.config); err != nil {
		r.log.Error("cannot keep the tree file that was loaded", zap.Error(err))
	}
	var err error
	r.store, err = logs.Open(r.opts.Folders.Logs, logs.Options{
		Echo: r.echo(), MaxTotal: r.config.LogTotal,
		OnTrouble: r.logTrouble,
		OnDropped: func(name string, bytes int64) {
			offer(r, r.asked, func() { r.step(tree.Dropped{ID: name, Bytes: bytes}) })
		},
		OnEnded:  r.keeping.dropPipe,
		OnHangup: func(name string) { r.reaper.Hint(name) },
	})
	if err != nil {
		return err
	}
	r.closeStore = sync.OnceFunc(r.store.Close)
	r.stored = newFDStore(r.keeping)
	r.stored.restore()
	r.reaper = process.New(r.deliver, r.record)
	r.contain()
	r.prober = probe.NewProber(func(a probe.Answer) { offer(r, r.answers, a) })
	if r.notify, err = probe.NewNotify(func(s probe.Said) { offer(r, r.said, s) }); err != nil {
		return err
	}
	r.watcher, err = watch.New(
		func(name string) { offer(r, r.changed, name) },
		func(err error) { r.log.Warn("cannot watch all files", zap.Error(err)) },
	)
	return err
}

func (r *runtime) recordTrouble(err error) {
	// Should this daemon die now, the next one looks for what the journal lacks.
	if err != nil {
		r.keeping.put(keptBehind, int(r.listener.Lock().Fd())) // only its name counts
		r.log.Error("cannot write the journal; should coppice be killed now, it will have forgotten what happens meanwhile", zap.Error(err))
		return
	}
	r.keeping.drop(keptBehind)
	r.log.Info("the journal is written again")
}

func (r *runtime) logTrouble(name string, err error) {
	if err != nil {
		r.log.Warn("cannot capture all output", zap.String("node", name), zap.Error(err))
		return
	}
	r.log.Info("output is captured again", zap.String("node", name))
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
	width := max(r.config.LongestName(), len("coppice")) // whose own lines stand among them
	return &logs.Echo{Out: r.opts.Echo, Colour: r.opts.Colour, Width: width}
}

// close ends what open has begun, as far as it came.
func (r *runtime) close() {
	if r.watcher != nil {
		r.watcher.Close()
	}
	if r.prober != nil {
		r.prober.Close()
	}
	if r.notify != nil {
		r.notify.Close()
	}
	if r.reaper != nil {
		r.endReaper()
	}
	if r.store != nil {
		r.closeStore()
	}
	if r.record != nil {
		if err := r.record.close(); err != nil {
			r.log.Warn("cannot close the journal", zap.Error(err))
		}
	}
}

// checkTree refuses a tree that cannot be run: one that the core finds fault
// with (the tree file's reader should have, with a place), and one whose children
// cost more descriptors than the daemon may have.
func checkTree(c *configs.Config) error {
	if faults := tree.Check(c.Spec); len(faults) > 0 {
		return fmt.Errorf("cannot run the tree: %s: %s: %s", faults[0].ID, faults[0].Key, faults[0].Text)
	}
	return process.CheckDescriptors(costOf(c))
}

// costOf is how many processes a tree has, and how many descriptors they cost: those of
// their logs and, where a child says itself that it is ready or well, a socket or a pipe,
// and what it may leave to be kept.
func costOf(c *configs.Config) (children, descriptors int) {
	for s := range c.Processes() {
		children++
		descriptors += logs.PerChild
		p := s.Start.(*configs.Process)
		if p.Notifies() {
			descriptors++
		}
		descriptors += p.FDStore
		if p.Ready.Kind == configs.ReadyFD {
			descriptors++
		}
		if !s.Start.(*configs.Process).Setup.ByFork() {
			descriptors++ // by which its trampoline tells
		}
	}
	// A log file is open only while its process speaks, with its index.
	return children, descriptors + min(logs.Fixed, 2*children)
}
