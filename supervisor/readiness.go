package supervisor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"time"

	"go.uber.org/zap"

	"coppice/configs"
	"coppice/supervisor/probe"
	"coppice/supervisor/process"
	"coppice/tree"
)

// openReady makes what an incarnation needs to say that it is ready, or well: a
// socket with the variables that name it, or a pipe.
func (r *runtime) openReady(ref tree.Ref, p *configs.Process, who identity) (env []string, extra *os.File, err error) {
	r.storeOf(ref, p.FDStore)
	if p.Notifies() {
		address, fd, err := r.notify.Open(ref, who.uid)
		if err != nil {
			return nil, nil, err
		}
		r.keeping.put(refName(keptNotify, ref), fd)
		env = append(env, "NOTIFY_SOCKET="+address)
	}
	if p.FDStore > 0 {
		env = append(env, "FDSTORE="+strconv.Itoa(p.FDStore))
	}
	if p.Watchdog > 0 {
		env = append(env, "WATCHDOG_USEC="+strconv.FormatInt(int64(p.Watchdog)/1000, 10))
	}
	switch p.Ready.Kind {
	case configs.ReadyFD:
		write, fd, err := r.notify.OpenPipe(ref)
		if err != nil {
			return nil, nil, err
		}
		r.keeping.put(refName(keptReady, ref), fd)
		extra = write
	case configs.ReadyKind(configs.ProbeLog):
		r.searches[ref] = r.store.Search(ref.ID, patternOf(p))
	}
	return env, extra, nil
}

// patternOf is what a process that is ready by its log has to write.
func patternOf(p *configs.Process) *regexp.Regexp { return regexp.MustCompile(p.Ready.Probe.Target) }

// awaitReady begins to look for the readiness of a process that was executed.
func (r *runtime) awaitReady(f process.Started) {
	r.notify.SetPID(f.Ref, f.PID)
	r.askReady(f.Ref, f.PID)
}

// unwatchReady ends what awaitReady and start have begun for an incarnation, and
// the questions about its health.
func (r *runtime) unwatchReady(ref tree.Ref) {
	r.prober.Cancel(ref)
	delete(r.searches, ref)
	socket, pipe := r.notify.Cancel(ref)
	if socket {
		r.keeping.drop(refName(keptNotify, ref))
	}
	if pipe {
		r.keeping.drop(refName(keptReady, ref))
	}
}

// readyAtEnd says whether a process has said that it is ready before it ended: it
// may have done so a moment ago. What it wrote must have been moved.
func (r *runtime) readyAtEnd(ref tree.Ref) bool {
	if r.notify.Drain(ref) {
		return true
	}
	n, _, ok := r.process(ref)
	search := r.searches[ref]
	if search == nil || !ok || n.State != tree.Starting {
		return false
	}
	found, err := search.Found(context.Background())
	if err != nil {
		r.log.Error("cannot read what "+ref.ID+" has written", zap.Error(err))
	}
	return found
}

// isUnset says that a command was not executed because what is set up for its process
// could not be set up any more: that says nothing of the process that runs.
func isUnset(d process.JobDone) bool {
	return d.Cause != "" && d.Key != "" && d.Key != "command" && d.Key != "dir"
}

// adoptReady goes on with how an adopted process says that it is ready, or well;
// also one of which the tree does not know yet that it was started.
func (r *runtime) adoptReady(s tree.Status, w world) {
	ref := tree.Ref{ID: s.Spec.ID, Generation: s.Generation}
	p, ok := s.Begun.(*configs.Process)
	pid := cmp.Or(s.PID, w.forked[ref].PID)
	if pid == 0 || !ok {
		return
	}
	cannot := func(err error) {
		r.log.Warn("cannot hear whether "+ref.ID+" is ready", zap.Error(err))
	}
	r.storeOf(ref, p.FDStore)
	if p.Notifies() {
		fd, err := r.notify.Adopt(ref, r.keeping.take(refName(keptNotify, ref)), uidOf(p), pid)
		if err != nil {
			cannot(err)
		} else {
			r.keeping.put(refName(keptNotify, ref), fd)
		}
	}
	kept := r.keeping.take(refName(keptReady, ref))
	switch p.Ready.Kind {
	case configs.ReadyFD:
		if kept == nil && s.State != tree.Starting {
			return // it was ready, and has closed its end
		}
		fd, err := r.notify.AdoptPipe(ref, kept, pid, p.Ready.FD)
		if err != nil {
			cannot(err)
		} else {
			r.keeping.put(refName(keptReady, ref), fd)
		}
	case configs.ReadyKind(configs.ProbeLog):
		if s.State == tree.Starting {
			r.searches[ref] = r.store.SearchAll(ref.ID, r.record.mark(ref), patternOf(p))
		}
	}
}

// uidOf is the user that a process runs as; where that is not known any more, this
// daemon's.
func uidOf(p *configs.Process) int {
	who, _ := identify(p.Setup)
	return who.uid
}

// heard turns what a process has said of itself into an event.
func (r *runtime) heard(said probe.Said) {
	var e tree.Event
	switch {
	case said.Ready:
		e = tree.Ready{Ref: said.Ref}
	case said.Well:
		if r.settings(said.ID).Check.Probe != nil {
			return // there are better ways to know
		}
		e = tree.Checked{Ref: said.Ref, Passed: true}
	case said.Unwell != "":
		e = tree.Unwell{Ref: said.Ref, Cause: said.Unwell}
	case said.Extend > 0:
		e = tree.Extended{Ref: said.Ref, Span: said.Extend}
	case said.Watchdog > 0:
		e = tree.WatchdogSet{Ref: said.Ref, Span: said.Watchdog}
	case said.Closed:
		_, p, ok := r.process(said.Ref)
		if !ok {
			return
		}
		e = tree.NotReady{Ref: said.Ref, Cause: fmt.Sprintf("it has closed descriptor %d without a newline", p.Ready.FD)}
	default:
		r.log.Warn("a stranger sent a notification, it is ignored", zap.String("node", said.ID), zap.Int("pid", said.Stranger))
		return
	}
	if r.tree.Heeds(r.now(), e) {
		r.step(e)
	}
}

// runProbe is how a process is asked by a command, which runs as it does.
func (r *runtime) runProbe(ref tree.Ref, p *configs.Process, how *configs.Probe) func(context.Context) error {
	logged := "" // belongs to the loop
	return func(ctx context.Context) error {
		done := make(chan process.JobDone, 1) // so that nobody waits for one who has gone
		answer := func(d process.JobDone) {
			if isUnset(d) && d.Cause != logged {
				logged = d.Cause
				r.log.Warn("cannot ask "+ref.ID+" how it is: "+d.Cause, zap.String("node", ref.ID))
			}
			done <- d
		}
		var id process.JobID
		err := r.ask(ctx, func() {
			who, fault := identify(p.Setup)
			setup, unable := setupOf(p.Setup, who)
			if fault = cmp.Or(fault, unable); fault != nil {
				answer(process.JobDone{Cause: fault.cause, Key: fault.key})
				return
			}
			id = r.startJob(ref, process.Command{
				Argv: append([]string{how.Program}, how.Argv[1:]...), Env: p.Env, Dir: p.Dir,
				User: who.credential, UserName: who.name, NoNewPrivs: who.noNewPrivs, NoAmbient: who.noAmbient, Limits: p.Limits, Setup: setup,
			}, time.Duration(how.Timeout), answer)
		})
		if err != nil {
			return err
		}
		select {
		case d := <-done:
			return jobFailure(how, d)
		case <-ctx.Done():
			r.reaper.CancelJob(id)
			return ctx.Err()
		}
	}
}

// jobFailure says in one line why a command has not ended with 0; nil: it has.
func jobFailure(how *configs.Probe, d process.JobDone) error {
	var text string
	switch {
	case d.OK():
		return nil
	case d.Cause != "":
		text = d.Cause
	case d.TimedOut:
		text = fmt.Sprintf("%s: it has not ended within %v", how, time.Duration(how.Timeout))
	default:
		text = fmt.Sprintf("%s: %s", how, d.Exit)
	}
	if last := lastLine(d.Output); last != "" {
		text += ": " + last
	}
	why := errors.New(probe.Clean(text))
	if isShortage(d.Errno) || isUnset(d) {
		return &probe.Unasked{Why: why}
	}
	return why
}
