package configs

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const (
	nameBytesMax = 64
	// shownBytesMax is how much of a value stands in a fault's text.
	shownBytesMax = 60
	// nearestAmongMax bounds the search for the name that was meant.
	nearestAmongMax = 20_000
)

// goodName says whether a name may stand in a tree.
func goodName(name string) bool {
	if name == "" || len(name) > nameBytesMax {
		return false
	}
	for i := range len(name) {
		c := name[i]
		alphanumeric := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !alphanumeric && (i == 0 || c != '_' && c != '.' && c != '-') {
			return false
		}
	}
	return true
}

const nameRule = "1 to 64 of A-Z a-z 0-9 _ . -, beginning with a letter or digit"

// folderName is the name of a tree after its folder, made to fit the rule.
func folderName(folder string) string {
	name := strings.Map(func(r rune) rune {
		if r < 0x80 && (bareKeyByte(byte(r)) || r == '.') {
			return r
		}
		return '-'
	}, folder)
	name = strings.TrimLeft(name, "_.-")
	name = name[:min(len(name), nameBytesMax)]
	if name == "" {
		return "tree"
	}
	return name
}

// show is a value for a fault's text: in quotes, and not too long.
func show(s string) string {
	if len(s) <= shownBytesMax {
		return strconv.Quote(s)
	}
	return strconv.Quote(head(s, shownBytesMax)) + "…"
}

// quoteShort is a value as it would stand in the file.
func quoteShort(s string) string {
	return strconv.Quote(head(s, shownBytesMax))
}

// nearest is the hint that names the known word closest to the wanted one, and
// otherwise is the other text.
func nearest(wanted string, known []string, otherwise string) hint {
	return func() string {
		best, word := 1+min(3, len(wanted)/3), ""
		known := known[:min(len(known), nearestAmongMax)]
		for _, k := range known {
			if d := distance(wanted, k, best); d < best {
				best, word = d, k
			}
		}
		if i := slices.IndexFunc(known, func(k string) bool { return abbreviates(wanted, k) }); word == "" && i >= 0 {
			word = known[i]
		}
		if word == "" {
			return otherwise
		}
		return fmt.Sprintf("did you mean %q?", word)
	}
}

// abbreviates says whether one of two words begins with the other.
func abbreviates(a, b string) bool {
	return min(len(a), len(b)) >= 3 && (strings.HasPrefix(a, b) || strings.HasPrefix(b, a))
}

// distance is how many letters must be added, dropped, changed or swapped with
// their neighbour to make b of a; limit if it is not below limit.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit || max(len(a), len(b)) > nameBytesMax {
		return limit
	}
	var rows [3][nameBytesMax + 1]int
	before, row, next := &rows[0], &rows[1], &rows[2]
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next[0] = i
		least := i
		for j := 1; j <= len(b); j++ {
			change := row[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			next[j] = min(change, row[j]+1, next[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
			least = min(least, next[j])
		}
		if least >= limit {
			return limit
		}
		before, row, next = row, next, before
	}
	return min(row[len(b)], limit)
}
