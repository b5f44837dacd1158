package supervisor

import (
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"coppice/configs"
	"coppice/ipc"
	"coppice/supervisor/journal"
	"coppice/tree"
)

// tell records a step before anything is done about it, and tells what it
// reports to who follows.
func (r *runtime) tell(out tree.Output, at tree.Time, events []tree.Event) {
	r.record.step(journal.Step{
		At: at, Wall: r.wall(at), Events: events, Reports: out.Reports, Config: r.comingTo(events),
	})
	for i := range out.Reports {
		r.noteBoot(&out.Reports[i])
	}
	r.vanished(out.Reports)
}

// logReports comes after what is to be done: a process is forked meanwhile.
func (r *runtime) logReports(reports []tree.Report) {
	for i := range reports {
		r.logReport(&reports[i])
	}
}

// comingTo is the configuration that a reload among events brings; nil: there is
// none.
func (r *runtime) comingTo(events []tree.Event) *configs.Config {
	for _, e := range events {
		if c, ok := e.(tree.Called); ok {
			if coming, ok := r.coming[c.ID]; ok {
				return coming.next
			}
		}
	}
	return nil
}

// events are the reports of a step as they cross the socket.
func events(s journal.Step) []ipc.Event {
	list := make([]ipc.Event, len(s.Reports))
	for i, report := range s.Reports {
		list[i] = event(report, told(s.Wall))
	}
	return list
}

// event is a report as it crosses the socket.
func event(r tree.Report, at time.Time) ipc.Event {
	e := ipc.Event{
		Seq: r.Seq, Because: r.Because, Time: at, Node: r.Node, Kind: string(r.Kind),
		PID: r.PID, Request: r.Request, Child: r.Child, Cause: r.Cause, Strategy: r.Strategy,
		Bytes: r.Bytes, Lost: r.Exit != nil && r.Exit.Lost, OOM: r.Exit != nil && r.Exit.OOM,
	}
	e.Code, e.Signal = ends(r.Exit)
	if r.Delay > 0 {
		e.Delay = configs.Brief(r.Delay)
	}
	if r.Limit != nil {
		e.Intensity, e.Period = &r.Limit.Intensity, configs.Brief(r.Limit.Period)
	}
	return e
}

// ends are the two ways to tell an end, of which at most one is not nil.
func ends(e *tree.Exit) (*int, *string) {
	switch {
	case e == nil || e.Lost:
		return nil, nil
	case e.Signal != "":
		signal := e.Signal
		return nil, &signal
	}
	code := e.Code
	return &code, nil
}

// noteBoot tells those who wait for the tree to be started.
func (r *runtime) noteBoot(report *tree.Report) {
	if report.Node != r.config.Spec.ID {
		return
	}
	switch report.Kind {
	case tree.StartDone:
		r.bootDone(nil)
	case tree.StartFailure:
		r.bootDone(errors.New(report.Cause))
	case tree.DaemonStopping:
		r.bootDone(errors.New("it was stopped before it was started"))
	}
}

// bootDone is heard once: a start that is complete does not fail later.
func (r *runtime) bootDone(err error) {
	select {
	case <-r.booted:
		return
	default:
	}
	if err == nil {
		r.keeping.link.Ready()
	}
	r.bootErr = err
	close(r.booted)
	if r.opts.Started != nil {
		r.opts.Started(err)
	}
}

// logReport tells one report to the log: what needs somebody's attention as a
// warning, what goes on all the time as detail. The message is a sentence for
// people, the fields are for programs.
func (r *runtime) logReport(report *tree.Report) {
	level := zap.InfoLevel
	switch report.Kind {
	case tree.StartFailure, tree.GaveUp, tree.ExitSeen, tree.OutputDropped, tree.StillStarting, tree.BecameUnhealthy,
		tree.OOMKilled, tree.HookFailed, tree.ReloadFailed, tree.CannotBeKilled:
		level = zap.WarnLevel
	case tree.StartBegun, tree.StopBegun, tree.BecameReady, tree.RestartBegun, tree.ChildAdopted:
		level = zap.DebugLevel
	}
	if !r.log.Core().Enabled(level) {
		return // most of them, most of the time: no sentence is made for nobody
	}
	fields := []zap.Field{
		zap.String("node", report.Node), zap.String("kind", string(report.Kind)),
		zap.Uint64("seq", report.Seq),
	}
	if report.Because != 0 {
		fields = append(fields, zap.Uint64("because", report.Because))
	}
	r.log.Log(level, sentence(report), fields...)
}

// sentence is a report in words: "api (pid 4711) ended: killed by SIGKILL".
func sentence(r *tree.Report) string {
	who := r.Node
	if r.PID != 0 {
		who = fmt.Sprintf("%s (pid %d)", r.Node, r.PID)
	}
	switch r.Kind {
	case tree.DaemonStarted:
		if r.Request != "" {
			return "another daemon goes on with the tree"
		}
		return "the daemon has started"
	case tree.OutputDropped:
		return fmt.Sprintf("%s: %d bytes of output were thrown away, its log could not be written", who, r.Bytes)
	case tree.DaemonStopping:
		return "stopping the tree: " + r.Request
	case tree.ReqMade:
		return fmt.Sprintf("%s: %s was asked for", who, r.Request)
	case tree.StartFailure:
		return fmt.Sprintf("%s did not start: %s", who, r.Cause)
	case tree.HookFailed:
		return fmt.Sprintf("%s has ended, and %s", who, r.Cause)
	case tree.ReloadFailed:
		return fmt.Sprintf("%s was not reloaded: %s", who, r.Cause)
	case tree.ExitSeen:
		return fmt.Sprintf("%s ended: %s", who, r.Exit)
	case tree.RestartBegun:
		if r.Strategy != "" {
			return fmt.Sprintf("%s is restarted, by %s as its end chose", who, r.Strategy)
		}
		return who + " is restarted"
	case tree.StillStarting:
		return fmt.Sprintf("%s is not ready: %s", who, r.Cause)
	case tree.BecameUnhealthy:
		return fmt.Sprintf("%s is unhealthy: %s", who, r.Cause)
	case tree.BackoffBegun:
		if r.Delay == 0 {
			return who + " waits to be started again: " + r.Cause
		}
		if r.Cause != "" {
			return fmt.Sprintf("%s cannot be started now and is tried again in %s: %s", who, configs.Brief(r.Delay), r.Cause)
		}
		return fmt.Sprintf("%s will be started again in %s", who, configs.Brief(r.Delay))
	case tree.CannotBeKilled:
		return fmt.Sprintf("%s cannot be killed: %s", who, r.Cause)
	case tree.GaveUp:
		return who + " gives up: " + exceeded(r.Child, *r.Limit)
	case tree.StopBegun:
		if r.Cause != "" {
			return fmt.Sprintf("%s is being stopped: %s", who, r.Cause)
		}
		return who + " is being stopped"
	}
	return who + " " + plain[r.Kind]
}

// plain are the kinds that need no detail.
var plain = map[tree.Kind]string{
	tree.StartBegun: "is being started", tree.StartDone: "is started", tree.BecameReady: "is ready",
	tree.StopDone: "is stopped", tree.Reloaded: "was told to reload",
	tree.ChildAdded: "was added", tree.ChildRemoved: "was removed", tree.ChildChanged: "was changed",
	tree.ChildAdopted: "runs on", tree.BecameHealthy: "is healthy",
	tree.Frozen: "is frozen", tree.Thawed: "runs again",
	tree.OOMKilled: "ran out of memory: the kernel has killed a process of it",
}

// exceeded says over whom a limit was exceeded, and which.
func exceeded(child string, limit tree.Flags) string {
	restarts := "restarts"
	if limit.Intensity == 1 {
		restarts = "restart"
	}
	return fmt.Sprintf("%s needed more than %d %s in %s", child, limit.Intensity, restarts, configs.Brief(limit.Period))
}
