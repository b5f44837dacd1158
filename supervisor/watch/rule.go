package watch

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// rule is one glob, for all names that have it.
type rule struct {
	names []string
	// dir is where the way to the root begins, root the folder in front of the
	// first wildcard; pattern is matched with what follows root.
	dir, root, pattern string
	// depth is how many folders deep the pattern can match below root, -1: any.
	depth int
}

// newRules makes the rules of all names. Names that share a glob share a rule.
func newRules(wish map[string]Patterns) []*rule {
	type key struct{ dir, root, pattern string }
	known := map[key]*rule{}
	var rules []*rule
	for name, patterns := range wish {
		for _, glob := range patterns.Globs {
			r := newRule(patterns.Dir, glob)
			k := key{r.dir, r.root, r.pattern}
			if known[k] == nil {
				known[k] = r
				rules = append(rules, r)
			}
			if !slices.Contains(known[k].names, name) {
				known[k].names = append(known[k].names, name)
			}
		}
	}
	return rules
}

func newRule(dir, glob string) *rule {
	dir = filepath.Clean(dir)
	base, pattern := doublestar.SplitPattern(filepath.ToSlash(glob))
	root := filepath.FromSlash(unescape(base))
	if !filepath.IsAbs(root) {
		root = filepath.Join(dir, root)
	}
	if !within(root, dir) {
		dir = root
	}
	r := &rule{dir: dir, root: root, pattern: pattern, depth: strings.Count(pattern, "/")}
	if strings.Contains(pattern, "**") {
		r.depth = -1
	}
	return r
}

// unescape is the path that a glob without wildcards means.
func unescape(glob string) string {
	var path strings.Builder
	for i := 0; i < len(glob); i++ {
		if glob[i] == '\\' && i+1 < len(glob) {
			i++
		}
		path.WriteByte(glob[i])
	}
	return path.String()
}

// way is the folders from dir down to the one above root.
func (r *rule) way() []string {
	var folders []string
	for folder := r.root; folder != r.dir; {
		folder = filepath.Dir(folder)
		folders = append(folders, folder)
	}
	slices.Reverse(folders)
	return folders
}

// below says whether root lies below a folder of its way.
func (r *rule) below(folder string) bool {
	return folder != r.root && within(r.root, folder) && within(folder, r.dir)
}

// wants says whether files in a folder, or in one below it, can match.
func (r *rule) wants(folder string) bool {
	relative, inside := cutRoot(folder, r.root)
	if !inside {
		return false
	}
	if relative == "" {
		return true
	}
	steps := strings.Split(relative, "/")
	if r.depth >= 0 && len(steps) > r.depth {
		return false
	}
	return !slices.ContainsFunc(steps, r.ignores)
}

// ignores says whether a folder of this name is left out: a hidden one or
// node_modules, which no part of the pattern means in particular.
func (r *rule) ignores(step string) bool {
	if !strings.HasPrefix(step, ".") && step != "node_modules" {
		return false
	}
	for part := range strings.SplitSeq(r.pattern, "/") {
		if !strings.HasPrefix(part, ".") && part != "node_modules" {
			continue
		}
		if named, _ := doublestar.Match(part, step); named {
			return false
		}
	}
	return true
}

// matches says whether a file is one of the rule's.
func (r *rule) matches(path string) bool {
	if !r.wants(filepath.Dir(path)) {
		return false
	}
	relative, inside := cutRoot(path, r.root)
	if !inside {
		return false
	}
	matched, _ := doublestar.Match(r.pattern, relative)
	return matched
}

// within says whether path is folder or lies below it.
func within(path, folder string) bool {
	_, inside := cutRoot(path, folder)
	return inside
}

// cutRoot is what follows a folder in a path, with slashes.
func cutRoot(path, folder string) (relative string, inside bool) {
	relative, err := filepath.Rel(folder, path)
	if err != nil || relative == ".." || strings.HasPrefix(relative, "../") {
		return "", false
	}
	if relative == "." {
		return "", true
	}
	return filepath.ToSlash(relative), true
}
