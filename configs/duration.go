package configs

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"coppice/tree"
)

// durationMax keeps sums of times far from the end of tree.Time.
const durationMax = 87_600 * time.Hour

const (
	// intensityMax bounds the restart times that a supervisor remembers.
	intensityMax = 1_000_000
	// factorMax bounds how fast the delays of a backoff grow.
	factorMax = 1000
)

const durationForm = `a duration like "250ms", "5s" or "1m30s"`

// parseDuration reads a duration; fault says in words what is wrong with it.
func parseDuration(text string) (d tree.Time, fault, remedy string) {
	span, err := time.ParseDuration(text)
	switch {
	case text != "" && strings.Trim(text, "0123456789.") == "":
		return 0, "has no unit", "say " + quoteShort(text+"s") + " for seconds"
	case strings.HasPrefix(text, "-"):
		return 0, "is negative", ""
	case text == "":
		return 0, "is empty", ""
	case err != nil && unitsDescend(text):
		return 0, "is too long", ""
	case err != nil, strings.HasPrefix(text, "+"), !unitsDescend(text):
		return 0, "is no duration", ""
	case span > durationMax:
		return 0, "is longer than " + strings.TrimSuffix(durationMax.String(), "0m0s"), ""
	}
	return tree.Time(span), "", ""
}

// unitsDescend says whether a text is numbers with units, each unit at most
// once and the greater first: 1h30m, and neither 30m1h nor 1h1h.
func unitsDescend(text string) bool {
	last := math.MaxFloat64
	for text != "" {
		number := strings.TrimLeft(text, "0123456789.")
		if len(number) == len(text) {
			return false
		}
		rest := strings.TrimLeft(number, "nuµμmsh")
		unit, err := time.ParseDuration("1" + number[:len(number)-len(rest)])
		if err != nil || float64(unit) >= last {
			return false
		}
		last, text = float64(unit), rest
	}
	return true
}

// bounds say which values a key takes besides durations above 0.
type bounds struct {
	zero  bool
	words []string
}

// duration reads a duration, or one of the words; false: there is none, or it is
// faulty.
func (t table) duration(key string, b bounds) (d tree.Time, word string, ok bool) {
	others := ""
	if len(b.words) > 0 {
		others = ", or \"" + strings.Join(b.words, "\" or \"") + "\""
	}
	value, found := t.values[key]
	text, isText := value.(string)
	switch {
	case !found:
		return 0, "", false
	case !isText:
		var h hint
		if number, isNumber := value.(int64); isNumber {
			h = say(fmt.Sprintf("say \"%ds\" for seconds", number))
		}
		t.fault(key, h, "%s is %s: expected %s%s", key, describe(value), durationForm, others)
		return 0, "", false
	case slices.Contains(b.words, text):
		return 0, text, true
	}
	d, fault, remedy := parseDuration(text)
	expected := durationForm
	if fault == "" && d == 0 && !b.zero {
		fault, expected = "is 0", "a duration above 0"
	}
	if fault != "" {
		t.fault(key, say(remedy), "%s %s %s: expected %s%s", key, show(text), fault, expected, others)
	}
	return d, "", fault == ""
}

// shutdown reads how long a child has to end.
func (t table) shutdown(fallback tree.Shutdown) tree.Shutdown {
	d, word, ok := t.duration("shutdown", bounds{zero: true, words: []string{brutalKill, infinity}})
	switch {
	case !ok:
		return fallback
	case word == brutalKill:
		return tree.Shutdown{Brutal: true}
	case word == infinity:
		return tree.Shutdown{Timeout: tree.Infinity}
	}
	return tree.Shutdown{Timeout: d}
}

// startTimeout reads how long a start may take.
func (t table) startTimeout(kind ReadyKind) tree.Time {
	fallback := defaultStartTimeout
	if kind == ReadyExit {
		fallback = defaultExitTimeout
	}
	d, word, ok := t.duration("start_timeout", bounds{words: []string{infinity}})
	switch {
	case !ok:
		return fallback
	case word == infinity:
		return tree.Infinity
	}
	return d
}

// period reads the length of a supervisor's restart window.
func (t table) period() tree.Time {
	if d, _, ok := t.duration("period", bounds{}); ok {
		return d
	}
	return defaultFlags.Period
}

// intensity reads how many restarts a supervisor allows in its period.
func (t table) intensity() int {
	const expected = `a number from 0 to 1000000, or "infinity"`
	switch value := t.values["intensity"].(type) {
	case nil:
		return defaultFlags.Intensity
	case string:
		if value == infinity {
			return neverGivesUp
		}
		t.fault("intensity", nil, "intensity is %s: expected %s", show(value), expected)
	case int64:
		if value >= 0 && value <= intensityMax {
			return int(value)
		}
		t.fault("intensity", say(`intensity = "infinity" never gives up`), "intensity is %d: expected %s", value, expected)
	default:
		t.fault("intensity", nil, "intensity is %s: expected %s", describe(value), expected)
	}
	return defaultFlags.Intensity
}

const backoffForm = `{ initial = "1s", max = "60s", factor = 2 }`

// backoff reads the delays of automatic restarts; none where the file is silent.
func (t table) backoff() tree.Backoff {
	value, found := t.values["backoff"]
	if !found {
		return tree.Backoff{}
	}
	values, ok := value.(map[string]any)
	if !ok {
		t.fault("backoff", nil, "backoff is %s: expected a table like %s", describe(value), backoffForm)
		return tree.Backoff{}
	}
	b := t.below("backoff", "backoff", values)
	b.unknown([]string{"initial", "max", "factor", "jitter", "decay"}, nil)
	if _, found := values["initial"]; !found {
		b.fault("initial", say("for example: backoff = "+backoffForm), "backoff has no initial, its first delay")
	}
	initial, known := b.delay("initial", 0)
	limit, bounded := b.delay("max", defaultBackoffMax)
	if known && bounded && initial > limit {
		b.fault("initial", say(fmt.Sprintf("say max = %q or longer", Brief(initial))), "backoff begins above its max of %s", Brief(limit))
	}
	decay, given := b.delay("decay", 0)
	if given && bounded && decay > limit {
		b.fault("decay", say("leave decay out: a run of max takes everything back"), "decay is longer than max, %s: expected at most that", Brief(limit))
	}
	return tree.Backoff{Initial: initial, Max: limit, Factor: b.factor(), Jitter: b.jitter(), Decay: decay}
}

// delay reads a part of a backoff; false: it is faulty, or missing without a default.
func (t table) delay(key string, fallback tree.Time) (tree.Time, bool) {
	if _, found := t.values[key]; !found {
		return fallback, fallback != 0
	}
	d, _, ok := t.duration(key, bounds{})
	return d, ok
}

func (t table) factor() float64 {
	var factor float64
	switch value := t.values["factor"].(type) {
	case nil:
		return defaultBackoffFactor
	case int64:
		factor = float64(value)
	case float64:
		factor = value
	}
	// A comparison with NaN is false, so it is refused as well.
	if factor >= 1 && factor <= factorMax {
		return factor
	}
	t.fault("factor", nil, "factor is %s: expected a number from 1 to %d", describe(t.values["factor"]), factorMax)
	return defaultBackoffFactor
}

// jitter reads the part of a delay that chance may take off; none by default.
func (t table) jitter() float64 {
	var jitter float64
	switch value := t.values["jitter"].(type) {
	case nil:
		return 0
	case int64:
		jitter = float64(value)
	case float64:
		jitter = value
	default:
		jitter = -1
	}
	if jitter >= 0 && jitter <= 1 {
		return jitter
	}
	t.fault("jitter", nil, "jitter is %s: expected a number from 0 to 1, the greatest part of a delay that chance takes off it", describe(t.values["jitter"]))
	return 0
}

// Brief is a duration as people write it: 3m, not 3m0s.
func Brief(d tree.Time) string {
	text := time.Duration(d).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
