package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// colours are the escape sequences that only change how text looks. Programs
// write them by themselves, and coppice's own lines have their own colours.
var colours = regexp.MustCompile("\x1b\\[[0-9;:]*m")

// safe is a text from outside, fit for a terminal: without colours, and with
// everything else that a terminal would obey, or that would hide or reorder
// what is read, written as an escape.
func safe(text string) string {
	if plain(text) {
		return text
	}
	text = colours.ReplaceAllString(strings.TrimRight(text, "\r"), "")
	var b strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, text[0])
		case shown(r):
			b.WriteRune(r)
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		text = text[size:]
	}
	return b.String()
}

// plain is the quick way for nearly every line.
func plain(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < 0x20 && c != '\t' || c >= 0x7f {
			return false
		}
	}
	return true
}

// shown says whether a rune may reach a terminal as it is. Format characters
// (Cf) are the bidirectional overrides and everything of no width.
func shown(r rune) bool {
	return r == '\t' || !unicode.IsControl(r) && !unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}

// safeJSON escapes in a JSON document what its encoder leaves as it is and a
// terminal would obey. Such runes stand in strings only, where the escape means
// the same.
func safeJSON(text []byte) []byte {
	if !slices.ContainsFunc(text, func(c byte) bool { return c < 0x20 && c != '\n' && c != '\t' || c >= 0x7f }) {
		return text
	}
	var b strings.Builder
	for _, r := range string(text) {
		if r == '\n' || shown(r) || r > 0xffff {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return []byte(b.String())
}
