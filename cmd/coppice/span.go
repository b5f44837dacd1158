package main

import (
	"strconv"
	"time"
)

// span is a duration as people say it: two units at most.
func span(d time.Duration) string {
	switch {
	case d <= 0:
		return "0s"
	case d < time.Second:
		return "<1s"
	case d < time.Minute:
		return strconv.FormatInt(int64(d/time.Second), 10) + "s"
	case d < time.Hour:
		return pair(int64(d/time.Minute), "m", int64(d%time.Minute/time.Second), "s")
	case d < 24*time.Hour:
		return pair(int64(d/time.Hour), "h", int64(d%time.Hour/time.Minute), "m")
	default:
		return pair(int64(d/(24*time.Hour)), "d", int64(d%(24*time.Hour)/time.Hour), "h")
	}
}

func pair(big int64, bigUnit string, small int64, smallUnit string) string {
	if small == 0 {
		return strconv.FormatInt(big, 10) + bigUnit
	}
	return strconv.FormatInt(big, 10) + bigUnit + strconv.FormatInt(small, 10) + smallUnit
}

// ago is how long before now a moment was.
func ago(now, then time.Time) string { return span(now.Sub(then)) }

// clock is a moment for people who look at it soon: the time alone, and the date
// too when it is another day.
func clock(now, then time.Time) string { return dated(now, then, time.TimeOnly) }

// stamp is clock with milliseconds.
func stamp(now, then time.Time) string { return dated(now, then, "15:04:05.000") }

func dated(now, then time.Time, layout string) string {
	then = then.In(now.Location())
	if then.Format(time.DateOnly) != now.Format(time.DateOnly) {
		layout = time.DateOnly + " " + layout
	}
	return then.Format(layout)
}

// byteSize is a size in binary units.
func byteSize(n uint64) string {
	units := "KMGTPE"
	if n < 1<<10 {
		return strconv.FormatUint(n, 10) + "B"
	}
	value := float64(n)
	unit := -1
	for value >= 1024 && unit < len(units)-1 {
		value /= 1024
		unit++
	}
	decimals := 0
	if value < 10 {
		decimals = 1
	}
	return strconv.FormatFloat(value, 'f', decimals, 64) + units[unit:unit+1] + "B"
}
