package supervisor

import (
	"errors"
	"time"

	"go.uber.org/zap"

	"coppice/ipc"
	"coppice/tree"
)

// tell records what the tree reports, before anything is done about it, and
// tells it to who follows and to the log.
func (r *runtime) tell(reports []tree.Report) {
	if len(reports) == 0 {
		return
	}
	events := make([]ipc.Event, len(reports))
	at := time.Now().UTC()
	for i, report := range reports {
		events[i] = event(report, at)
	}
	if err := r.record.append(events); err != nil {
		r.log.Error("cannot write the event record", zap.Error(err))
	}
	for i := range reports {
		r.noteBoot(&reports[i])
		r.logReport(&reports[i])
	}
}

// event is a report as it crosses the socket.
func event(r tree.Report, at time.Time) ipc.Event {
	e := ipc.Event{
		Seq: r.Seq, Because: r.Because, Time: at, Node: r.Node, Kind: string(r.Kind),
		PID: r.PID, Request: r.Request, Child: r.Child, Cause: r.Cause,
	}
	e.Code, e.Signal = ends(r.Exit)
	if r.Delay > 0 {
		e.Delay = time.Duration(r.Delay).String()
	}
	if r.Limit != nil {
		e.Intensity, e.Period = &r.Limit.Intensity, time.Duration(r.Limit.Period).String()
	}
	return e
}

// ends are the two ways to tell an end, of which at most one is not nil.
func ends(e *tree.Exit) (*int, *string) {
	switch {
	case e == nil:
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
	r.bootErr = err
	close(r.booted)
	if r.opts.Started != nil {
		r.opts.Started(err)
	}
}

// logReport tells one report to the log: what needs somebody's attention as a
// warning, what goes on all the time as detail.
func (r *runtime) logReport(report *tree.Report) {
	log := r.log.Info
	switch report.Kind {
	case tree.StartFailure, tree.GaveUp, tree.ExitSeen:
		log = r.log.Warn
	case tree.StartBegun, tree.BecameReady:
		log = r.log.Debug
	}
	fields := []zap.Field{zap.String("node", report.Node), zap.Uint64("seq", report.Seq)}
	if report.Because != 0 {
		fields = append(fields, zap.Uint64("because", report.Because))
	}
	if report.PID != 0 {
		fields = append(fields, zap.Int("pid", report.PID))
	}
	if report.Exit != nil {
		fields = append(fields, zap.Stringer("end", report.Exit))
	}
	for _, f := range []struct{ key, value string }{
		{"request", report.Request}, {"child", report.Child}, {"cause", report.Cause},
	} {
		if f.value != "" {
			fields = append(fields, zap.String(f.key, f.value))
		}
	}
	if report.Delay > 0 {
		fields = append(fields, zap.Duration("delay", time.Duration(report.Delay)))
	}
	log(string(report.Kind), fields...)
}
