package journal

import (
	"errors"
	"fmt"
	"time"

	json "github.com/go-json-experiment/json/v1"

	"coppice/tree"
)

// format is the number of this way of writing. It is raised when an older build
// would misread what a newer one writes.
const format = 1

// The forms are the records as they are written.
type (
	beginForm struct {
		head
		Format       int       `json:"format"`
		File         uint64    `json:"file"`
		After        uint64    `json:"after,omitempty"` // Begin.Seq
		Boot         string    `json:"boot"`
		PIDNamespace uint64    `json:"pid_namespace"`
		Tree         string    `json:"tree"`
		Version      string    `json:"version"`
		Wall         time.Time `json:"wall"`
	}
	stepForm struct {
		head
		At      tree.Time    `json:"at"`
		Wall    time.Time    `json:"wall"`
		Events  []eventForm  `json:"events,omitzero"`
		Reports []reportForm `json:"reports,omitzero"`
		Pool    *pool        `json:"pool,omitempty"`
		Config  *configForm  `json:"config,omitempty"`
	}
	spawnedForm struct {
		head
		ID         string          `json:"id"`
		Generation tree.Generation `json:"g"`
		PID        int             `json:"pid"`
		Start      uint64          `json:"start"`
		Inode      uint64          `json:"inode,omitempty"`
		Cgroup     string          `json:"cgroup,omitempty"`
		Outputs    []outputForm    `json:"outputs,omitzero"`
	}
	outputForm struct {
		Stream string `json:"stream"`
		Mark   uint32 `json:"mark,omitempty"`
		Inode  uint64 `json:"inode"`
	}
	reapedForm struct {
		head
		ID         string          `json:"id"`
		Generation tree.Generation `json:"g"`
		Exit       exitForm        `json:"exit"`
		At         time.Time       `json:"at"`
	}
	sentForm struct {
		head
		Refs []refForm `json:"refs,omitzero"`
		Kill bool      `json:"kill,omitempty"`
	}
	refForm struct {
		ID         string          `json:"id"`
		Generation tree.Generation `json:"g"`
	}
)

// scratch is what forms of steps are made of, used again for each.
type scratch struct {
	step    stepForm
	events  []eventForm
	reports []reportForm
}

// form is the form of a record, valid until the next one is made.
func (s *scratch) form(n uint64, r Record) (any, error) {
	switch r := r.(type) {
	case Begin:
		return &beginForm{
			head: head{N: n, Kind: kindBegin}, Format: format, File: r.File, After: r.Seq, Boot: r.Boot,
			PIDNamespace: r.PIDNamespace, Tree: r.Tree, Version: r.Version, Wall: r.Wall.UTC(),
		}, nil
	case State:
		return formState(head{N: n, Kind: kindState}, r)
	case Step:
		return s.formStep(head{N: n, Kind: kindStep, Seq: lastSeq(r)}, r)
	case Spawned:
		return &spawnedForm{
			head: head{N: n, Kind: kindSpawned}, ID: r.Ref.ID, Generation: r.Ref.Generation, PID: r.Identity.PID,
			Start: r.Identity.Start, Inode: r.Identity.Inode, Cgroup: r.Identity.Cgroup,
			Outputs: mapped(r.Outputs, func(o Output) outputForm { return outputForm(o) }),
		}, nil
	case Reaped:
		return &reapedForm{
			head: head{N: n, Kind: kindReaped}, ID: r.Ref.ID, Generation: r.Ref.Generation,
			Exit: exitForm(r.Exit), At: r.At.UTC(),
		}, nil
	case Sent:
		return &sentForm{
			head: head{N: n, Kind: kindSent}, Kill: r.Kill,
			Refs: mapped(r.Refs, func(r tree.Ref) refForm { return refForm(r) }),
		}, nil
	}
	return nil, fmt.Errorf("a record %T has no form", r)
}

// lastSeq is the highest number of a step's reports.
func lastSeq(s Step) (seq uint64) {
	for i := range s.Reports {
		seq = max(seq, s.Reports[i].Seq)
	}
	return seq
}

var errApplies = errors.New("a step has more than one Apply")

func (s *scratch) formStep(h head, step Step) (*stepForm, error) {
	s.events, s.reports = s.events[:0], s.reports[:0]
	applies := 0
	for _, e := range step.Events {
		form, err := formEvent(e)
		if err != nil {
			return nil, err
		}
		if form.Request != nil && form.Request.Kind == "apply" {
			applies++
		}
		s.events = append(s.events, form)
	}
	for i := range step.Reports {
		form, err := formReport(&step.Reports[i])
		if err != nil {
			return nil, err
		}
		s.reports = append(s.reports, form)
	}
	s.step = stepForm{head: h, At: step.At, Wall: step.Wall.UTC()}
	if step.Events != nil {
		s.step.Events = s.events
	}
	if step.Reports != nil {
		s.step.Reports = s.reports
	}
	switch {
	case applies > 1:
		return nil, errApplies
	case applies == 1 && step.Config == nil:
		return nil, errNoConfig
	case step.Config == nil:
		return &s.step, nil
	}
	p := newPoolWriter()
	config, err := p.formConfig(step.Config)
	s.step.Config, s.step.Pool = config, p.done()
	return &s.step, err
}

// decode reads the JSON of a line whose head is known.
func decode(h head, text []byte) (Record, error) {
	switch h.Kind {
	case kindBegin:
		return decodeBegin(text)
	case kindState:
		var f stateForm
		if err := json.Unmarshal(text, &f); err != nil {
			return nil, err
		}
		return f.state(len(text))
	case kindStep:
		var f stepForm
		if err := json.Unmarshal(text, &f); err != nil {
			return nil, err
		}
		return f.record(len(text))
	case kindSpawned:
		var f spawnedForm
		err := json.Unmarshal(text, &f)
		return Spawned{
			tree.Ref{ID: f.ID, Generation: f.Generation},
			Identity{f.PID, f.Start, f.Inode, f.Cgroup},
			mapped(f.Outputs, func(o outputForm) Output { return Output(o) }),
		}, err
	case kindReaped:
		var f reapedForm
		err := json.Unmarshal(text, &f)
		return Reaped{tree.Ref{ID: f.ID, Generation: f.Generation}, tree.Exit(f.Exit), f.At}, err
	}
	var f sentForm
	err := json.Unmarshal(text, &f)
	return Sent{mapped(f.Refs, func(r refForm) tree.Ref { return tree.Ref(r) }), f.Kill}, err
}

// decodeBegin looks at the number of the format before anything else.
func decodeBegin(text []byte) (Record, error) {
	var f beginForm
	var age struct {
		Format int `json:"format"`
	}
	err := json.Unmarshal(text, &age)
	switch {
	case err != nil:
		return nil, err
	case age.Format > format:
		return nil, newerFormat(age.Format)
	case age.Format < 1:
		return nil, fmt.Errorf("its format is %d, which there never was", age.Format)
	}
	err = json.Unmarshal(text, &f)
	if err == nil && (f.File == 0 || f.File > numberMax) {
		err = fmt.Errorf("the number of the file is %d", f.File)
	}
	return Begin{f.Boot, f.PIDNamespace, f.Tree, f.Version, f.Wall, f.File, f.After}, err
}

// newerFormat is the error of a file that a newer coppice wrote.
type newerFormat int

func (f newerFormat) Error() string {
	return fmt.Sprintf("it is written in format %d, and this coppice reads up to %d: use a newer one", int(f), format)
}

// record is the step that a form of so many bytes stands for.
func (f *stepForm) record(size int) (Record, error) {
	step := Step{At: f.At, Wall: f.Wall}
	var err error
	if f.Config != nil && f.Pool != nil {
		p, err := f.Pool.read(size)
		if err == nil {
			step.Config, err = p.config(f.Config)
		}
		if err != nil {
			return nil, err
		}
	}
	event := func(f eventForm) (tree.Event, error) { return f.event(step.Config) }
	if step.Events, err = tried(f.Events, event); err != nil {
		return nil, err
	}
	step.Reports, err = tried(f.Reports, func(f reportForm) (tree.Report, error) { return f.report() })
	return step, err
}
