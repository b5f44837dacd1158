package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// The markers between which the bench writes into a page. What stands around them is people's.
const (
	pageBegin = "<!-- bench: begin -->"
	pageEnd   = "<!-- bench: end -->"
)

// writePage replaces what stands between the markers of the page, which shows the picture svg, if it is not "".
func (r *record) writePage(path, svg string) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if svg != "" {
		if svg, err = filepath.Rel(filepath.Dir(path), svg); err != nil {
			return err
		}
	}
	page, err := replaceSection(string(old), r.markdown(svg))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, []byte(page), 0o644)
}

// replaceSection puts a section between the markers.
func replaceSection(page, section string) (string, error) {
	before, rest, ok := strings.Cut(page, pageBegin)
	if !ok {
		return "", fmt.Errorf("expected a line %q", pageBegin)
	}
	_, after, ok := strings.Cut(rest, pageEnd)
	if !ok {
		return "", fmt.Errorf("expected a line %q behind %q", pageEnd, pageBegin)
	}
	return before + pageBegin + "\n" + strings.TrimSpace(section) + "\n" + pageEnd + after, nil
}

// markdown is everything as a section of a page, with a picture if it has a name.
func (r *record) markdown(picture string) string {
	var b strings.Builder
	m := r.Machine
	user := "an ordinary user"
	if m.Root {
		user = "root"
	}
	fmt.Fprintf(&b, "Measured %s on %s, %d cores, Linux %s, %s, %s, as %s; %s in %s, one peer after the other in each. "+
		"A cell is the median of its rounds, their spread in parentheses, and the ratio to `%s`; in brackets, how many children there were if fewer than the column says.\n",
		r.Began.Format("2006-01-02 15:04 UTC"), m.CPU, m.Cores, m.Kernel, m.System, m.Go, user, rounds(r.Rounds), r.Took, floorGo)
	if picture != "" {
		fmt.Fprintf(&b, "\n![restart latencies, one row for each supervisor](%s)\n", picture)
	}
	for _, t := range r.tables() {
		g := r.grid(t)
		if len(g.rows) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n### %s\n\n| %s |\n| --- |%s\n", g.title, strings.Join(g.heads, " | "), strings.Repeat(" ---: |", len(g.heads)-1))
		for _, row := range g.rows {
			fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
		}
		fmt.Fprintf(&b, "\n%s\n", g.note)
	}
	b.WriteString("\n### Who was there\n\n| supervisor | version | waits before a restart |\n| --- | --- | --- |\n")
	for _, e := range r.Entrants {
		if e.Missing == "" {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", e.Name, e.Version, e.Delay)
		}
	}
	if gaps := r.gaps(); len(gaps) > 0 {
		b.WriteString("\n### What has no number, and why\n\n")
		for _, line := range gaps {
			fmt.Fprintf(&b, "- %s\n", strings.NewReplacer("|", "\\|", "<", "&lt;").Replace(line))
		}
	}
	return b.String()
}

// rounds says how often everything was measured.
func rounds(most int) string {
	if most == 1 {
		return "one round"
	}
	return fmt.Sprintf("%d rounds at most", most)
}
