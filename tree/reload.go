package tree

// reloadChild passes on that a process is to read its configuration again. One that
// is not up does so when it starts.
func (t *Tree) reloadChild(call uint64, r ReloadChild) {
	n := t.process(call, r.ID)
	switch {
	case n == nil:
	case n.state != Up:
		t.act(Reply{ID: call, Refusal: NotRunning})
	default:
		seq := t.report(Report{Kind: ReqMade, Node: r.ID, PID: n.pid, Request: "reload"})
		t.act(Reload{Ref: n.ref(), Call: call, Because: seq})
	}
}

// reloadDone tells how that went.
func (t *Tree) reloadDone(e ReloadDone) {
	reply := Reply{ID: e.Call, Cause: e.Cause}
	if e.Cause != "" {
		reply.Refusal = FailedToReload
	}
	if n := t.incarnation(e.Ref); n != nil && n.runs() && e.Because <= t.seq && t.ended == nil {
		r := Report{Kind: Reloaded, Node: n.id(), PID: n.pid, Because: e.Because, Cause: e.Cause}
		if e.Cause != "" {
			r.Kind = ReloadFailed
		}
		t.report(r)
	}
	t.act(reply)
}
