package configs

import (
	"fmt"
	"strconv"

	"coppice/tree"
)

const (
	onExitForm = `{ 42 = "one_for_all", "100-110" = "rest_for_one", SIGSEGV = "one_for_one" }`
	endForm    = `an exit code from 0 to 255, a range like "100-110", or a signal like SIGSEGV`
)

// onExit reads which ends choose a strategy in the place of the supervisor's.
func (t table) onExit(restart tree.RestartType) []tree.Verdict {
	value, found := t.values["on_exit"]
	if !found {
		return nil
	}
	values, ok := value.(map[string]any)
	if !ok {
		t.fault("on_exit", nil, "on_exit is %s: expected a table like %s", describe(value), onExitForm)
		return nil
	}
	if restart == tree.Temporary {
		t.fault("on_exit", say(`say restart = "transient" or "permanent"`),
			`on_exit with restart = "temporary": an end that no restart follows has no strategy to choose`)
	}
	ends := t.below("on_exit", "on_exit", values)
	var verdicts []tree.Verdict
	var keys []string
	for _, key := range ends.keys() {
		v, ok := ends.end(key)
		if !ok {
			continue
		}
		v.Strategy = oneOf(ends, key, strategies, tree.OneForOne)
		for i, other := range verdicts {
			if v.Overlaps(other) {
				ends.faultAt(ends.name(key), nil, "on_exit has %s and, in line %d, %s, which have an end in common: expected one strategy for each end",
					show(key), ends.main.number(ends.name(keys[i]).start), show(keys[i]))
				break
			}
		}
		verdicts, keys = append(verdicts, v), append(keys, key)
	}
	return verdicts
}

// end reads the key of a verdict.
func (t table) end(key string) (v tree.Verdict, ok bool) {
	if code, err := strconv.ParseUint(key, 10, 8); err == nil {
		v.Codes = [2]int{int(code), int(code)}
		return v, true
	}
	first, last, isRange := codeRange(key)
	switch {
	case isRange && first > last:
		t.faultAt(t.name(key), say(fmt.Sprintf("say \"%d-%d\"", last, first)), "on_exit has %s: expected a range whose first code is not above its last", show(key))
	case isRange:
		v.Codes = [2]int{first, last}
		return v, true
	case signal(key):
		v.Signal = key
		return v, true
	default:
		t.faultAt(t.name(key), signalHint(key), "on_exit has %s: expected %s", show(key), endForm)
	}
	return v, false
}

// name is the place of a key itself.
func (t table) name(key string) span {
	if f := t.at.field(key); f != nil {
		return f.name
	}
	return t.at.value
}
