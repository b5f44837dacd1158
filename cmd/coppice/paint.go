package main

import "hash/fnv"

// paint is one way to show text; the zero value is plain.
type paint string

// The paints that the pages use, as SGR parameters.
const (
	plainText paint = ""
	bold      paint = "1"
	dim       paint = "2"
	red       paint = "31"
	green     paint = "32"
	yellow    paint = "33"
)

// brush applies paints, or nothing where there are no colours.
type brush bool

func (b brush) paint(p paint, text string) string {
	if !b || p == plainText || text == "" {
		return text
	}
	return "\x1b[" + string(p) + "m" + text + "\x1b[0m"
}

// nameColours are told apart on light and dark terminals; red is left for
// faults.
var nameColours = [...]paint{"36", "33", "32", "35", "34", "96", "93", "92", "95", "94"}

// ofName is the colour of a name, the same on every day and in every command.
func ofName(name string) paint {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // a hash never fails
	return nameColours[h.Sum32()%uint32(len(nameColours))]
}
