package configs

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Places tell where the processes of a tree file stand in it. They are found in the
// file as it was loaded, for nothing but a message needs them: so a line that moved
// is no change of a process.
type Places struct {
	file      string
	lines     map[string]map[string]int // by process, then by key; "" is its header
	processes *node                     // the tables [process.NAME]; nil: there is none
	templates *node                     // the tables [template.NAME]
	source    *source
}

// PlacesOf finds the places of the processes of a Config.
func PlacesOf(c *Config) *Places {
	p := &Places{
		file:   filepath.Base(c.Path),
		source: &source{file: c.Path, text: strings.TrimPrefix(string(c.Source), "\ufeff")},
	}
	if isProcfile(c.Path) {
		p.lines = p.procfile()
		return p
	}
	if top, fault := index(p.source.text); fault == nil {
		p.processes, p.templates = top.field("process"), top.field("template")
	}
	return p
}

// procfile has the line of each process, the first of those with one name.
func (p *Places) procfile() map[string]map[string]int {
	lines, number := map[string]map[string]int{}, 0
	for line := range strings.Lines(p.source.text) {
		number++
		name, _, _ := strings.Cut(strings.TrimSpace(line), ":")
		name = strings.TrimRight(name, " \t")
		if lines[name] == nil {
			lines[name] = map[string]int{"": number}
		}
	}
	return lines
}

// At is where a key of a process stands, "coppice.toml:12"; the header of its table
// where the file does not mention the key (or the sandbox that sets it), and "" where it
// does not mention the process. A template is given by its TemplateID. A key below another one is given with a dot: "rlimits.nofile".
func (p *Places) At(process, key string) string {
	line := p.lines[process][""]
	tables := p.processes
	if name, ok := TemplateOf(process); ok {
		tables, process = p.templates, name
	}
	if tables != nil {
		if at := tables.field(process); at != nil {
			if at.field(key) == nil && slices.Contains(presets, key) && at.field("sandbox") != nil {
				key = "sandbox"
			}
			line = p.source.number(at.deepest(key).name.start)
		}
	}
	if line == 0 {
		return ""
	}
	return fmt.Sprintf("%s:%d", safe(p.file), line)
}

// deepest is the node of a dotted key, or the last on the way to it that is there.
func (n *node) deepest(key string) *node {
	for part := range strings.SplitSeq(key, ".") {
		next := n.field(part)
		if next == nil {
			break
		}
		n = next
	}
	return n
}
