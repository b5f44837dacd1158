package journal

import (
	"fmt"

	"coppice/configs"
	"coppice/tree"
)

// eventForm is an event as it is written. Kind says which fields it has.
type eventForm struct {
	Kind       string          `json:"e"`
	ID         string          `json:"id,omitempty"`
	Generation tree.Generation `json:"g,omitempty"`
	PID        int             `json:"pid,omitempty"`
	Exit       *exitForm       `json:"exit,omitempty"`
	Cause      string          `json:"cause,omitempty"`
	Shortage   bool            `json:"shortage,omitempty"`
	Call       uint64          `json:"call,omitempty"`
	Because    uint64          `json:"because,omitempty"`
	Request    *requestForm    `json:"request,omitempty"`
	Bytes      int64           `json:"bytes,omitempty"`
	Passed     bool            `json:"passed,omitempty"`
	Number     float64         `json:"number,omitempty"`
	Span       tree.Time       `json:"span,omitempty"`
}

// exitForm is an exit as it is written. The code stands even where it is 0.
type exitForm struct {
	Code   int    `json:"code"`
	Signal string `json:"signal,omitempty"`
	Lost   bool   `json:"lost,omitempty"`
	OOM    bool   `json:"oom,omitempty"`
}

func ofRef(kind string, r tree.Ref) eventForm {
	return eventForm{Kind: kind, ID: r.ID, Generation: r.Generation}
}

// formEvent is the form of an event.
func formEvent(e tree.Event) (eventForm, error) {
	var form eventForm
	switch e := e.(type) {
	case tree.Boot:
		form.Kind = "boot"
	case tree.Started:
		form = ofRef("started", e.Ref)
		form.PID = e.PID
	case tree.StartFailed:
		form = ofRef("start_failed", e.Ref)
		form.Cause, form.Shortage = e.Cause, e.Shortage
	case tree.StartIgnored:
		form = ofRef("start_ignored", e.Ref)
	case tree.Ready:
		form = ofRef("ready", e.Ref)
	case tree.NotReady:
		form = ofRef("not_ready", e.Ref)
		form.Cause = e.Cause
	case tree.Checked:
		form = ofRef("checked", e.Ref)
		form.Passed, form.Cause = e.Passed, e.Cause
	case tree.Unwell:
		form = ofRef("unwell", e.Ref)
		form.Cause = e.Cause
	case tree.Extended:
		form = ofRef("extended", e.Ref)
		form.Span = e.Span
	case tree.WatchdogSet:
		form = ofRef("watchdog_set", e.Ref)
		form.Span = e.Span
	case tree.Exited:
		form = ofRef("exited", e.Ref)
		form.Exit = (*exitForm)(&e.Exit)
	case tree.HookDone:
		form = ofRef("hook_done", e.Ref)
		form.Cause = e.Cause
	case tree.ReloadDone:
		form = ofRef("reload_done", e.Ref)
		form.Call, form.Because, form.Cause = e.Call, e.Because, e.Cause
	case tree.Called:
		request, err := formRequest(e.Request)
		return eventForm{Kind: "called", Call: e.ID, Request: &request}, err
	case tree.Drawn:
		form = ofRef("drawn", e.Ref)
		form.Number = e.Number
	case tree.Tick:
		form.Kind = "tick"
	case tree.Resumed:
		form.Kind = "resumed"
	case tree.Adopted:
		form = ofRef("adopted", e.Ref)
	case tree.Dropped:
		form = eventForm{Kind: "dropped", ID: e.ID, Bytes: e.Bytes}
	case tree.Survives:
		form = ofRef("survives", e.Ref)
		form.Cause = e.Cause
	default:
		return form, fmt.Errorf("an event %T has no form", e)
	}
	return form, nil
}

// event is what a form stands for; config is that of the step.
func (f *eventForm) event(config *configs.Config) (tree.Event, error) {
	ref := tree.Ref{ID: f.ID, Generation: f.Generation}
	switch f.Kind {
	case "boot":
		return tree.Boot{}, nil
	case "started":
		return tree.Started{Ref: ref, PID: f.PID}, nil
	case "start_failed":
		return tree.StartFailed{Ref: ref, Cause: f.Cause, Shortage: f.Shortage}, nil
	case "start_ignored":
		return tree.StartIgnored{Ref: ref}, nil
	case "ready":
		return tree.Ready{Ref: ref}, nil
	case "not_ready":
		return tree.NotReady{Ref: ref, Cause: f.Cause}, nil
	case "checked":
		return tree.Checked{Ref: ref, Passed: f.Passed, Cause: f.Cause}, nil
	case "unwell":
		return tree.Unwell{Ref: ref, Cause: f.Cause}, nil
	case "extended":
		return tree.Extended{Ref: ref, Span: f.Span}, nil
	case "watchdog_set":
		return tree.WatchdogSet{Ref: ref, Span: f.Span}, nil
	case "exited":
		if f.Exit == nil {
			return nil, fmt.Errorf("the end of %q has no exit", f.ID)
		}
		return tree.Exited{Ref: ref, Exit: tree.Exit(*f.Exit)}, nil
	case "hook_done":
		return tree.HookDone{Ref: ref, Cause: f.Cause}, nil
	case "reload_done":
		return tree.ReloadDone{Ref: ref, Call: f.Call, Because: f.Because, Cause: f.Cause}, nil
	case "called":
		request, err := f.Request.request(config)
		return tree.Called{ID: f.Call, Request: request}, err
	case "drawn":
		return tree.Drawn{Ref: ref, Number: f.Number}, nil
	case "tick":
		return tree.Tick{}, nil
	case "resumed":
		return tree.Resumed{}, nil
	case "adopted":
		return tree.Adopted{Ref: ref}, nil
	case "survives":
		return tree.Survives{Ref: ref, Cause: f.Cause}, nil
	case "dropped":
		return tree.Dropped{ID: f.ID, Bytes: f.Bytes}, nil
	}
	return nil, fmt.Errorf("the event %.20q is unknown", f.Kind)
}
