package journal

import "coppice/tree"

// reportForm is a report as it is written.
type reportForm struct {
	Seq      uint64     `json:"seq"`
	Because  uint64     `json:"because,omitempty"`
	Kind     tree.Kind  `json:"kind"`
	Node     string     `json:"node,omitempty"`
	PID      int        `json:"pid,omitempty"`
	Exit     *exitForm  `json:"exit,omitempty"`
	Request  string     `json:"request,omitempty"`
	Child    string     `json:"child,omitempty"`
	Cause    string     `json:"cause,omitempty"`
	Strategy string     `json:"strategy,omitempty"`
	Delay    tree.Time  `json:"delay,omitempty"`
	Bytes    int64      `json:"bytes,omitempty"`
	Limit    *flagsForm `json:"limit,omitempty"`
}

func formReport(r *tree.Report) (reportForm, error) {
	form := reportForm{
		Seq: r.Seq, Because: r.Because, Kind: r.Kind, Node: r.Node, PID: r.PID, Exit: (*exitForm)(r.Exit),
		Request: r.Request, Child: r.Child, Cause: r.Cause, Strategy: r.Strategy, Delay: r.Delay, Bytes: r.Bytes,
	}
	if r.Limit == nil {
		return form, nil
	}
	limit, err := formFlags(*r.Limit)
	form.Limit = &limit
	return form, err
}

func (f *reportForm) report() (tree.Report, error) {
	report := tree.Report{
		Seq: f.Seq, Because: f.Because, Kind: f.Kind, Node: f.Node, PID: f.PID, Exit: (*tree.Exit)(f.Exit),
		Request: f.Request, Child: f.Child, Cause: f.Cause, Strategy: f.Strategy, Delay: f.Delay, Bytes: f.Bytes,
	}
	if f.Limit == nil {
		return report, nil
	}
	limit, err := f.Limit.flags()
	report.Limit = &limit
	return report, err
}
