package logs

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// appendVisible appends text so that a terminal shows it and does nothing else:
// control characters, what turns the direction of writing, what has no width and
// bytes that are not UTF-8 are spelt out. Tabs stay. Sequences that set colours
// (SGR) stay with colour, and are undone at the end; without, they are left out.
func appendVisible(dst, text []byte, colour bool) []byte {
	coloured := false
	for len(text) > 0 {
		if n := plainPrefix(text); n > 0 {
			dst, text = append(dst, text[:n]...), text[n:]
			continue
		}
		if n := colourPrefix(text); n > 0 {
			if colour {
				dst, coloured = append(dst, text[:n]...), true
			}
			text = text[n:]
			continue
		}
		r, n := utf8.DecodeRune(text)
		dst, text = appendRune(dst, r, text[:n]), text[n:]
	}
	if coloured {
		dst = append(dst, "\x1b[0m"...)
	}
	return dst
}

// plainPrefix is the length of the printable ASCII at the front.
func plainPrefix(text []byte) int {
	for i, c := range text {
		if c < ' ' && c != '\t' || c >= 0x7f {
			return i
		}
	}
	return len(text)
}

// colourPrefix is the length of the SGR sequence at the front, 0 if there is
// none: ESC [ digits and separators m.
func colourPrefix(text []byte) int {
	if len(text) < 3 || text[0] != 0x1b || text[1] != '[' {
		return 0
	}
	for i, c := range text[2:] {
		switch {
		case c == 'm':
			return i + 3
		case c != ';' && c != ':' && (c < '0' || c > '9'):
			return 0
		}
	}
	return 0
}

// appendRune appends a character as it is or, if it could mislead, its name.
func appendRune(dst []byte, r rune, encoded []byte) []byte {
	switch {
	case r == utf8.RuneError && len(encoded) == 1:
		return fmt.Appendf(dst, `\x%02x`, encoded[0])
	case r < ' ':
		return append(dst, '^', byte(r)+'@')
	case r == 0x7f:
		return append(dst, "^?"...)
	case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp):
		return fmt.Appendf(dst, `\u%04x`, r)
	}
	return append(dst, encoded...)
}
