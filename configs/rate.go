package configs

import (
	"fmt"
	"math"

	"coppice/tree"
)

const (
	rateForm = "{ per_second = 10, burst = 20 }"
	// rateMin and rateMax bound per_second, burstMax bounds burst.
	rateMin, rateMax = 0.001, 1_000_000
	burstMax         = 1_000_000
)

// rateElsewhere is the hint for a restart_rate that stands in a table.
const rateElsewhere = "restart_rate is for the whole tree: it stands at the top of the file, before all tables"

// restartRate reads how fast the whole tree restarts; without it nothing is bounded.
func (t table) restartRate() tree.Rate {
	value, found := t.values["restart_rate"]
	if !found {
		return tree.Rate{}
	}
	values, ok := value.(map[string]any)
	if !ok {
		t.fault("restart_rate", say("for example: restart_rate = "+rateForm), "restart_rate is %s: expected a table like %s", describe(value), rateForm)
		return tree.Rate{}
	}
	r := t.below("restart_rate", "restart_rate", values)
	r.unknown([]string{"per_second", "burst"}, nil)
	rate := tree.Rate{PerSecond: r.perSecond()}
	rate.Burst = r.burst(int(math.Ceil(max(rate.PerSecond, 1))))
	return rate
}

// perSecond reads how many processes are restarted in a second, in the long run.
func (t table) perSecond() float64 {
	var number float64
	switch value := t.values["per_second"].(type) {
	case nil:
		t.fault("per_second", say("for example: restart_rate = "+rateForm), "restart_rate has no per_second")
		return 0
	case int64:
		number = float64(value)
	case float64:
		number = value
	}
	if number >= rateMin && number <= rateMax {
		return number
	}
	t.fault("per_second", nil, "per_second is %s: expected a number from %v to %d", describe(t.values["per_second"]), rateMin, rateMax)
	return 0
}

// burst reads how many processes are restarted at once.
func (t table) burst(fallback int) int {
	value, found := t.values["burst"]
	if !found {
		return fallback
	}
	number, ok := value.(int64)
	if ok && number >= 1 && number <= burstMax {
		return int(number)
	}
	t.fault("burst", nil, "burst is %s: expected %s", describe(value), fmt.Sprintf("a whole number from 1 to %d", burstMax))
	return fallback
}
