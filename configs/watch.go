package configs

import (
	"path"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// watch reads the patterns whose files restart a process.
func (t table) watch() []Glob {
	var globs []Glob
	patterns, places := t.texts("watch", `patterns like "**/*.go"`)
	for i, pattern := range patterns {
		glob := t.glob(pattern)
		switch {
		case blank(pattern) || glob.Pattern == "":
			t.faultAt(places[i], nil, `watch holds an empty pattern: expected one like "**/*.go"`)
		case !doublestar.ValidatePattern(pattern):
			t.faultAt(places[i], nil, `watch holds %s, which is no pattern: expected one like "**/*.go", "src/*.{c,h}" or "[a-z]*.conf"`, show(pattern))
		default:
			globs = append(globs, glob)
		}
	}
	return globs
}

// escapes makes a folder's name a pattern that matches it alone.
var escapes = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`, `{`, `\{`, `}`, `\}`)

// glob splits a pattern into the folder that it begins with and the rest.
func (l *loading) glob(pattern string) Glob {
	if !path.IsAbs(pattern) {
		pattern = escapes.Replace(l.config.Dir) + "/" + pattern
	}
	base, rest := doublestar.SplitPattern(path.Clean(pattern))
	return Glob{Base: base, Pattern: rest}
}
