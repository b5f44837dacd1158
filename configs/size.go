package configs

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// sizeMax keeps sums and products of sizes far from the end of int64.
const sizeMax = 1 << 50

const sizeForm = `a size like "64KiB", "16MiB" or "1GB"`

// units are the units of a size: powers of 1000 and, with an i, of 1024.
var units = map[string]int64{
	"B":  1,
	"KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
	"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
}

// parseSize reads a number of bytes; fault says in words what is wrong with it.
func parseSize(text string) (bytes int64, fault, remedy string) {
	digits := text[:len(text)-len(strings.TrimLeft(text, "0123456789"))]
	unit := text[len(digits):]
	switch {
	case text == "":
		return 0, "is empty", ""
	case strings.HasPrefix(text, "-"):
		return 0, "is negative", ""
	case digits == "":
		return 0, "is no size", ""
	case unit == "":
		return 0, "has no unit", "say " + quoteShort(text+"B") + " for bytes"
	case units[unit] == 0:
		if meant := meantUnit(unit); meant != "" {
			remedy = "say " + quoteShort(digits+meant)
		}
		return 0, "has an unknown unit", remedy
	}
	number, err := strconv.ParseInt(digits, 10, 64)
	if err != nil { // it is out of range
		number = math.MaxInt64
	}
	if number > sizeMax/units[unit] {
		return 0, "is too big", "say \"1024TiB\" or less"
	}
	return number * units[unit], "", ""
}

// meantUnit is the unit that one in other letters must be meant to be; "": there
// is none.
func meantUnit(unit string) string {
	short := strings.ToUpper(strings.TrimSpace(unit))
	for _, known := range []string{"B", "KiB", "MiB", "GiB", "TiB", "KB", "MB", "GB", "TB"} {
		if upper := strings.ToUpper(known); short == upper || short == upper[:1] && len(upper) == 3 {
			return known
		}
	}
	return ""
}

// size reads a number of bytes, at least so many; false: there is none, or it is
// faulty.
func (t table) size(key string, least int64) (int64, bool) {
	value, found := t.values[key]
	if !found {
		return 0, false
	}
	text, ok := value.(string)
	if !ok {
		var h hint
		if number, isNumber := value.(int64); isNumber && number > 0 {
			h = say(fmt.Sprintf("say \"%dB\" for bytes", number))
		}
		t.fault(key, h, "%s is %s: expected %s", key, describe(value), sizeForm)
		return 0, false
	}
	bytes, fault, remedy := parseSize(text)
	expected := sizeForm
	if fault == "" && bytes < least {
		fault, expected = "is too small", fmt.Sprintf("%dKiB or more", least>>10)
	}
	if fault != "" {
		t.fault(key, say(remedy), "%s %s %s: expected %s", key, show(text), fault, expected)
	}
	return bytes, fault == ""
}
