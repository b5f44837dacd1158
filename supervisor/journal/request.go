package journal

import (
	"errors"
	"fmt"
	"reflect"

	"coppice/configs"
	"coppice/tree"
)

// requestForm is a request as it is written. Kind says which fields it has.
type requestForm struct {
	Kind       string          `json:"r"`
	Supervisor string          `json:"supervisor,omitempty"`
	ID         string          `json:"id,omitempty"`
	Generation tree.Generation `json:"g,omitempty"`
	Signal     string          `json:"signal,omitempty"`
	All        bool            `json:"all,omitempty"`
	Kill       bool            `json:"kill,omitempty"`
	By         string          `json:"by,omitempty"`
	Extra      *extraForm      `json:"extra,omitempty"`
}

// formRequest is the form of a request; that of Apply is without its spec, which
// the step's Config has.
func formRequest(r tree.Request) (requestForm, error) {
	switch r := r.(type) {
	case tree.TerminateChild:
		return requestForm{Kind: "terminate_child", Supervisor: r.Supervisor, ID: r.ID, Generation: r.Generation}, nil
	case tree.RestartChild:
		return requestForm{Kind: "restart_child", Supervisor: r.Supervisor, ID: r.ID}, nil
	case tree.CycleChild:
		return requestForm{Kind: "cycle_child", ID: r.ID, By: r.By}, nil
	case tree.DeleteChild:
		return requestForm{Kind: "delete_child", Supervisor: r.Supervisor, ID: r.ID}, nil
	case tree.StartChild:
		if !reflect.DeepEqual(r.Spec, tree.ChildSpec{ID: r.Spec.ID, Extra: r.Spec.Extra}) {
			return requestForm{}, errOwnSpec
		}
		return requestForm{Kind: "start_child", Supervisor: r.Supervisor, ID: r.Spec.ID, Extra: formExtra(r.Spec.Extra)}, nil
	case tree.SignalChild:
		return requestForm{Kind: "signal_child", ID: r.ID, Signal: r.Signal, All: r.All}, nil
	case tree.FreezeChild:
		kind := "freeze_child"
		if r.Thaw {
			kind = "thaw_child"
		}
		return requestForm{Kind: kind, ID: r.ID}, nil
	case tree.ReloadChild:
		return requestForm{Kind: "reload_child", ID: r.ID}, nil
	case tree.Apply:
		return requestForm{Kind: "apply"}, nil
	case tree.ShutdownTree:
		return requestForm{Kind: "shutdown_tree", Kill: r.Kill, By: r.By}, nil
	}
	return requestForm{}, fmt.Errorf("a request %T has no form", r)
}

// request is what a form stands for; config is that of the step.
func (f *requestForm) request(config *configs.Config) (tree.Request, error) {
	if f == nil {
		return nil, errors.New("a call has no request")
	}
	switch f.Kind {
	case "terminate_child":
		return tree.TerminateChild{Supervisor: f.Supervisor, ID: f.ID, Generation: f.Generation}, nil
	case "restart_child":
		return tree.RestartChild{Supervisor: f.Supervisor, ID: f.ID}, nil
	case "cycle_child":
		return tree.CycleChild{ID: f.ID, By: f.By}, nil
	case "delete_child":
		return tree.DeleteChild{Supervisor: f.Supervisor, ID: f.ID}, nil
	case "start_child":
		extra, err := f.Extra.extra()
		return tree.StartChild{Supervisor: f.Supervisor, Spec: tree.ChildSpec{ID: f.ID, Extra: extra}}, err
	case "signal_child":
		return tree.SignalChild{ID: f.ID, Signal: f.Signal, All: f.All}, nil
	case "freeze_child", "thaw_child":
		return tree.FreezeChild{ID: f.ID, Thaw: f.Kind == "thaw_child"}, nil
	case "reload_child":
		return tree.ReloadChild{ID: f.ID}, nil
	case "apply":
		if config == nil {
			return nil, errNoConfig
		}
		return tree.Apply{Spec: config.Spec}, nil
	case "shutdown_tree":
		return tree.ShutdownTree{Kill: f.Kill, By: f.By}, nil
	}
	return nil, fmt.Errorf("the request %.20q is unknown", f.Kind)
}

var errOwnSpec = errors.New("a StartChild has a spec of its own, and only a name has a form")

var errNoConfig = errors.New("a step with an Apply has no Config")
