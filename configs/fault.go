package configs

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// faultsMax is how many faults are told; the rest is counted.
const faultsMax = 50

// pendingMax bounds what is remembered of a file that is wrong everywhere.
const pendingMax = 4096

// Fault is one thing that is wrong with a tree file, a Procfile or an env_file.
type Fault struct {
	// File is the path of the faulty file, as it was given.
	File string
	// Line and Column begin at 1; a column is one character. Both are 0 where
	// a fault has no place: the file is empty, too big or no UTF-8 text, or
	// this fault counts the ones that are not told.
	Line, Column int
	// Text says what is wrong and what was expected.
	Text string
	// Source is the line, cut to 160 columns around the place and free of
	// everything that a terminal would obey; Mark is what to print under it.
	Source, Mark string
	// Hint is a way out, such as the nearest known name; "" is none.
	Hint string
}

// Error is the fault as the command line shows it, in one to four lines, or
// more where known words are listed.
func (f Fault) Error() string {
	var b strings.Builder
	if f.File != "" {
		b.WriteString(safe(f.File))
		if f.Line > 0 {
			fmt.Fprintf(&b, ":%d:%d", f.Line, f.Column)
		}
		b.WriteString(": ")
	}
	b.WriteString(f.Text)
	if f.Line > 0 {
		fmt.Fprintf(&b, "\n    %s\n    %s", f.Source, f.Mark)
	}
	if f.Hint != "" {
		fmt.Fprintf(&b, "\n    %s", f.Hint)
	}
	return b.String()
}

// Faults are the faults of a file in its order, at most 50; if there are more,
// one without a file and a place stands behind them and counts the rest.
type Faults []Fault

// Error is all faults as the command line shows them.
func (fs Faults) Error() string {
	texts := make([]string, len(fs))
	for i, f := range fs {
		texts[i] = f.Error()
	}
	return strings.Join(texts, "\n")
}

// hint is worked out only for faults that are told: finding the nearest of many
// names takes time.
type hint func() string

// say is a hint that is known already.
func say(text string) hint { return func() string { return text } }

// pending is a fault that was found and not yet turned into words for people.
type pending struct {
	source *source
	at     span
	text   string
	hint   hint
}

// collector gathers the faults of a load.
type collector struct {
	found []pending
	total int
}

func (c *collector) add(s *source, at span, h hint, format string, args ...any) {
	c.total++
	if len(c.found) < pendingMax {
		c.found = append(c.found, pending{source: s, at: at, text: fmt.Sprintf(format, args...), hint: h})
	}
}

// faults are the faults so far in the order of the files; nil is none.
func (c *collector) faults() Faults {
	slices.SortStableFunc(c.found, func(a, b pending) int {
		return cmp.Or(cmp.Compare(a.source.order, b.source.order),
			cmp.Compare(a.source.file, b.source.file), cmp.Compare(a.at.start, b.at.start))
	})
	var told Faults
	for _, p := range c.found[:min(len(c.found), faultsMax)] {
		f := p.source.fault(p.at, p.text)
		if p.hint != nil {
			f.Hint = p.hint()
		}
		told = append(told, f)
	}
	if rest := c.total - len(told); rest > 0 {
		told = append(told, Fault{Text: fmt.Sprintf("and %d more faults", rest)})
	}
	return told
}
