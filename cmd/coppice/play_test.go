package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"coppice/configs"
	"coppice/ipc"
	"coppice/supervisor"
	"coppice/tree"
)

// played is a daemon without processes: what it is asked becomes so at once. The
// environment variable PLAY is a script of words: fail (the start fails), hold
// (the start is complete, and `down` ends, when the file go appears in the state
// folder; a FIFO of that name makes it wait).
type played struct {
	place  place
	config *configs.Config
	play   string

	mu      sync.Mutex // guards all below
	root    ipc.Node
	events  []ipc.Event
	changed chan struct{} // closed with every event
	down    bool
	ended   chan struct{}
	boot    chan error
}

func playedEngine() engine {
	return engine{
		run: func(o daemonOptions) (int, error) {
			l, err := ipc.Listen(o.place.run)
			if err != nil {
				return 1, err
			}
			defer l.Release()
			config, err := o.load()
			if err != nil {
				return 1, err
			}
			p := &played{
				place: o.place, config: config, play: os.Getenv("PLAY"),
				changed: make(chan struct{}), ended: make(chan struct{}), boot: make(chan error, 1),
			}
			return p.run(l, o)
		},
		charged: func() (place, bool) { return place{}, false },
		claimed: func() bool { return false },
		giveUp:  func() {},
		plan:    func(place) (*supervisor.Plan, error) { return nil, errors.New("it plays") },
		events:  playedEvents,
		readLogs: func(dir string, q ipc.LogQuery, emit func(ipc.LogLine) error) error {
			return emit(ipc.LogLine{Time: noon, Node: "left", Text: fmt.Sprint("in ", filepath.Base(dir))})
		},
	}
}

func (p *played) run(l *ipc.Listener, o daemonOptions) (int, error) {
	p.root = playedNode(p.config.Spec)
	server := ipc.NewServer(p, ipc.ServerOptions{})
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	p.await("hold")
	if strings.Contains(p.play, "fail") {
		err := errors.New("db did not start: cannot execute ./db: no such file")
		if o.started != nil {
			o.started(err)
		}
		return 1, err
	}
	p.tell(ipc.Event{Node: "root", Kind: "daemon_started"})
	if o.started != nil {
		o.started(nil)
	}
	if o.echo != nil {
		fmt.Fprintln(o.echo, "up with", p.config.Name)
	}
	close(p.boot)
	select {
	case <-stop:
	case <-p.ended:
	}
	p.writeRecord()
	return 0, errors.Join(server.Shutdown(context.Background()), <-served)
}

// await reads the file go when the play says so: a FIFO holds it up.
func (p *played) await(word string) {
	if strings.Contains(p.play, word) {
		_, _ = os.ReadFile(filepath.Join(p.place.state, "go"))
	}
}

func playedNode(spec tree.ChildSpec) ipc.Node {
	n := ipc.Node{Name: spec.ID, State: "running", Kind: "process", Restart: "permanent", PID: 4242, Since: time.Now(), Cause: 1}
	if spec.Type == tree.Supervisor {
		n.Kind, n.PID, n.Strategy, n.Intensity, n.Period = "supervisor", 0, "one_for_one", 3, "5s"
	}
	for _, child := range spec.Children {
		n.Children = append(n.Children, playedNode(child))
	}
	return n
}

// tell appends an event.
func (p *played) tell(e ipc.Event) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	e.Seq, e.Time = uint64(len(p.events)+1), time.Now().UTC()
	p.events = append(p.events, e)
	close(p.changed)
	p.changed = make(chan struct{})
	return e.Seq
}

func (p *played) writeRecord() {
	var lines strings.Builder
	for _, e := range p.events {
		text, _ := json.Marshal(e)
		lines.Write(append(text, '\n'))
	}
	_ = os.WriteFile(filepath.Join(p.place.state, "events"), []byte(lines.String()+`{"seq":99,"torn`), 0o600)
}

func (p *played) Trunk(ctx context.Context) (*ipc.Tree, error) { return p.Tree(ctx, false) }

func (p *played) Tree(context.Context, bool) (*ipc.Tree, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	text, _ := json.Marshal(p.root) // a copy
	t := &ipc.Tree{Name: p.config.Name, Daemon: ipc.Daemon{
		PID: os.Getpid(), PIDNamespace: ipc.PIDNamespace(), Version: version, StartedAt: time.Now(),
		File: p.config.Path, Digest: ipc.Digest(p.config.Source), Stopping: p.down,
	}}
	return t, json.Unmarshal(text, &t.Root)
}

func (p *played) Do(_ context.Context, cmd ipc.Command) (*ipc.Result, error) {
	n := findNode(&ipc.Tree{Root: p.root}, cmd.Node)
	switch {
	case n == nil:
		return nil, &ipc.Error{Code: ipc.CodeNoNode, Title: "no node " + cmd.Node}
	case cmd.Verb == "stop" && n == &p.root || cmd.Node == "root":
		return nil, &ipc.Error{Code: ipc.CodeRefused, Title: "root is not stopped by itself; use `coppice down`"}
	case cmd.Verb == "kill":
		return &ipc.Result{Message: fmt.Sprintf("sent %s to %s, all: %v", cmd.Signal, cmd.Node, cmd.All)}, nil
	}
	wanted := map[string]string{"start": "running", "restart": "running", "stop": "stopped"}[cmd.Verb]
	node := p.find(cmd.Node)
	if node.State == wanted && cmd.Verb != "restart" {
		return &ipc.Result{Already: true, Message: cmd.Node + " is " + wanted + " already"}, nil
	}
	because := p.tell(ipc.Event{Node: cmd.Node, Kind: "requested", Request: cmd.Verb})
	kind := map[string]string{"running": "started", "stopped": "stopped"}[wanted]
	p.mu.Lock()
	node.State, node.Held, node.Since, node.Cause = wanted, wanted == "stopped", time.Now(), because+1
	p.mu.Unlock()
	p.tell(ipc.Event{Node: cmd.Node, Kind: kind, Because: because})
	return &ipc.Result{Message: cmd.Node + " is " + wanted}, nil
}

// find is the node itself.
func (p *played) find(name string) *ipc.Node {
	var found *ipc.Node
	p.root.Each(func(n *ipc.Node) {
		if n.Name == name {
			found = n
		}
	})
	return found
}

func (p *played) StartChild(_ context.Context, req ipc.ChildRequest) (*ipc.Result, error) {
	if p.find(req.Supervisor) == nil {
		return nil, &ipc.Error{Code: ipc.CodeNoNode, Title: "no node " + req.Supervisor}
	}
	return &ipc.Result{Message: fmt.Sprintf("%s under %s: %q %q", req.Name, req.Supervisor, req.Args, req.Env), PID: 9}, nil
}

func (p *played) Reload(_ context.Context, req ipc.ReloadRequest) (*ipc.ReloadResult, error) {
	file := p.config.Path
	if req.File != "" {
		file = req.File
	}
	next, err := configs.Load(file, os.Environ())
	if err != nil {
		return nil, &ipc.Error{Code: ipc.CodeBadTree, Title: "the tree file is wrong; nothing was changed", Faults: err.Error()}
	}
	result := &ipc.ReloadResult{DryRun: req.DryRun, Changes: []ipc.Change{}}
	for _, child := range next.Spec.Children {
		if p.find(child.ID) == nil {
			result.Changes = append(result.Changes, ipc.Change{Kind: "added", Name: child.ID, Type: "process", Supervisor: "root"})
		}
	}
	if strings.Contains(string(next.Source), "# broken") {
		result.Changes = append(result.Changes, ipc.Change{Kind: "restarted", Name: "db", Type: "process", Supervisor: "root", What: []string{"command", "env"}, Error: "cannot execute ./db: no such file"})
	}
	if !req.DryRun {
		p.config = next
	}
	return result, nil
}

func (p *played) Down(context.Context) error {
	p.mu.Lock()
	first := !p.down
	p.down = true
	p.mu.Unlock()
	if first {
		p.tell(ipc.Event{Node: "root", Kind: "daemon_stopping", Request: "down"})
		p.await("slowdown")
		close(p.ended)
	}
	<-p.ended
	return nil
}

func (p *played) Events(ctx context.Context, since uint64, follow bool, emit func(ipc.Event) error) error {
	for {
		p.mu.Lock()
		news, changed := p.events[min(since, uint64(len(p.events))):], p.changed
		p.mu.Unlock()
		for _, e := range news {
			if err := emit(e); err != nil {
				return err
			}
			since = e.Seq
		}
		if !follow {
			return nil
		}
		select {
		case <-changed:
		case <-p.ended:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (p *played) Logs(_ context.Context, q ipc.LogQuery, emit func(ipc.LogLine) error) error {
	for _, name := range q.Names {
		if p.find(name) == nil {
			return &ipc.Error{Code: ipc.CodeNoNode, Title: "no node " + name}
		}
	}
	if q.Raw {
		_, err := io.WriteString(emitter(emit), "raw\x1b[2J\n")
		return err
	}
	return errors.Join(emit(ipc.LogLine{Time: noon, Node: "db", Text: "\x1b[31mred\x1b[0m\x1b]0;title\x07\r"}),
		emit(ipc.LogLine{Time: noon.Add(1500 * time.Microsecond), Node: "worker", Text: "tab\there ünï"}))
}

type emitter func(ipc.LogLine) error

func (e emitter) Write(b []byte) (int, error) { return len(b), e(ipc.LogLine{Bytes: b}) }

func (p *played) Started(context.Context) error { return <-p.boot }

func (p *played) Upgrade(context.Context, ipc.UpgradeRequest) error {
	return &ipc.Error{Code: ipc.CodeRefused, Title: "this daemon has no keeper"}
}

func (p *played) Leave(context.Context) error {
	return &ipc.Error{Code: ipc.CodeRefused, Title: "the tree has a keeper that is waited for"}
}

// playedEvents reads what a played daemon has left: lines of JSON.
func playedEvents(dir string, emit func(ipc.Event) error) error {
	file, err := os.Open(filepath.Join(dir, "events"))
	if err != nil {
		return err
	}
	defer file.Close()
	lines := json.NewDecoder(file)
	for {
		var e ipc.Event
		if lines.Decode(&e) != nil {
			return nil // the end, or a line that was torn
		}
		if err := emit(e); err != nil {
			return err
		}
	}
}
