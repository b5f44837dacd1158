package tree

// freezeChild stops a process from running, or lets it run again. It is neither a stop
// nor an end: no supervisor hears of it.
func (t *Tree) freezeChild(call uint64, r FreezeChild) {
	n := t.process(call, r.ID)
	switch {
	case n == nil:
	case n.state == Stopping:
		t.act(Reply{ID: call, Refusal: NotRunning})
	case n.state == Starting && !r.Thaw: // its start timeout would run on
		t.act(Reply{ID: call, Refusal: NotRunning, Cause: "it is still starting"})
	case n.frozen != r.Thaw:
		t.act(Reply{ID: call, Already: true})
	default:
		verb := "freeze"
		if r.Thaw {
			verb = "thaw"
		}
		t.freeze(n, !r.Thaw, t.report(Report{Kind: ReqMade, Node: r.ID, PID: n.pid, Request: verb}))
		t.act(Reply{ID: call})
	}
}

func (t *Tree) freeze(n *node, on bool, because uint64) {
	n.frozen = on
	kind := Thawed
	if on {
		kind = Frozen
	}
	t.report(Report{Kind: kind, Node: n.id(), PID: n.pid, Because: because})
	t.act(Freeze{Ref: n.ref(), On: on})
}

// thaw lets a frozen process run again that is about to be asked to stop: it could
// not hear of that.
func (t *Tree) thaw(n *node) {
	if n.frozen {
		t.freeze(n, false, n.cause)
	}
}
